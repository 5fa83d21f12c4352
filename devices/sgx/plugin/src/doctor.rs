//! What keeps a node from offering enclaves.

use doctor::{Check, Doctor, Kind, Severity, hardware};
use host::Host;

use crate::plugin::NODES;

/// How a node's SGX is looked at.
pub static DOCTOR: Doctor = Doctor {
    examine: doctor,
    kinds: &[&NO_LAUNCH_CONTROL, &NO_NODES, &NO_MEMORY],
    absent: "grep -cw sgx /proc/cpuinfo; where the processor has SGX, switch it on in the firmware (with its memory, PRMRR) and \
             reboot",
};

const CPUINFO: &str = "/proc/cpuinfo";
/// Of the first processor: all have the same flags, and the file of a large machine has megabytes.
const MOST_CPUINFO_BYTES: usize = 16 << 10;
const MEMORY: &str = "/sys/devices/system/node";

static NO_LAUNCH_CONTROL: Kind = Kind {
    id: "sgx-launch-control-off",
    severity: Severity::Error,
    about: "the processor has SGX, and its launch control is off",
    why: "Linux makes enclaves only where it may choose who launches them (flag `sgx_lc`)",
};
static NO_NODES: Kind = Kind {
    id: "sgx-not-in-kernel",
    severity: Severity::Error,
    about: "the processor has SGX, and the kernel shows no device node of it",
    why: "nothing is offered",
};
static NO_MEMORY: Kind = Kind {
    id: "sgx-no-memory",
    severity: Severity::Error,
    about: "there is no memory for enclaves",
    why: "no enclave can be made, and pods that ask for `sgx.intel.com/epc` stay pending",
};

fn doctor(host: &Host) -> Option<Check> {
    let mut check = Check::new("sgx");
    let cpuinfo = check.see(host.read_bytes(CPUINFO, MOST_CPUINFO_BYTES));
    let cpuinfo = cpuinfo.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned());
    let flags: Option<Vec<&str>> = cpuinfo.as_deref().and_then(|text| {
        let line =
            text.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == "flags"))?;
        Some(line.split_whitespace().collect())
    });
    let has = |flag: &str| flags.as_ref().is_some_and(|flags| flags.contains(&flag));
    let is_there = |path: &str| host.exists(path);
    let nodes = NODES.iter().find(|nodes| is_there(nodes.enclave) || is_there(nodes.provision));
    if nodes.is_none() && !has("sgx") {
        return None;
    }
    if flags.is_none() {
        check.unseen(CPUINFO, "it shows no flags of the processor");
    } else if has("sgx") && !has("sgx_lc") {
        check.found(
            &NO_LAUNCH_CONTROL,
            format!("{CPUINFO} has the flag sgx, and not sgx_lc"),
            "switch launch control (FLC) to unlocked in the firmware, reboot",
        );
    }
    match nodes {
        Some(nodes) => {
            let both = [nodes.enclave.to_owned(), nodes.provision.to_owned()];
            if hardware::nodes(host, &mut check, &both) == both.len() {
                check.fine(format!("{} and {}", nodes.enclave, nodes.provision));
            }
        }
        None if has("sgx_lc") => check.found(
            &NO_NODES,
            format!("{} is not there", NODES.first().map_or("", |nodes| nodes.enclave)),
            "dmesg | grep -i sgx; the kernel must be 5.11 or later with CONFIG_X86_SGX=y",
        ),
        None => {}
    }
    memory(host, &mut check);
    Some(check)
}

/// The kernel shows how much each NUMA node has since Linux 5.17.
fn memory(host: &Host, check: &mut Check) {
    let names = check.see(host.names(MEMORY)).unwrap_or_default();
    let (mut sum, mut is_known) = (0_u64, false);
    for name in names.iter().filter(|name| host::number_of(name, "node").is_some()) {
        let path = format!("{MEMORY}/{name}/x86/sgx_total_bytes");
        if let Some(bytes) = check.see(host.parse::<u64>(path, "a number of bytes")) {
            is_known = true;
            sum = sum.saturating_add(bytes);
        }
    }
    match (is_known, sum) {
        (true, 0) => check.found(
            &NO_MEMORY,
            format!("{MEMORY}/node*/x86/sgx_total_bytes are all 0"),
            "give enclaves memory in the firmware (PRMRR), reboot",
        ),
        (true, bytes) => check.fine(format!("{} MiB for enclaves", bytes >> 20)),
        (false, _) => check.unseen("memory for enclaves", "the kernel does not show it; Linux 5.17 does"),
    }
}
