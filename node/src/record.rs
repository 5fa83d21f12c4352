//! `record`: what the plugins read of a node, as a file that makes a simulated node of it.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::process::ExitCode;

use cli::{FlagSet, Stop};
use host::{Host, Reads};
use simulator::{Profile, SimulatedNode};

use crate::families::FAMILIES;
use crate::place::Place;

/// What tools look at beside devices. The kernel's options and modules are told as far as they are about devices.
const NODE: &[Reads] = &[
    Reads::of("/proc/sys/kernel", &["osrelease"]),
    Reads::of("/proc", &["cmdline"]).keeping(options),
    Reads::of("/proc", &["modules"]).keeping(modules),
    Reads::of("/proc", &["filesystems"]).keeping(filesystems),
    Reads::of("/proc", &["cpuinfo"]).keeping(flags),
    Reads::of("/proc/sys/fs/inotify", &["*"]),
    Reads::of("/sys/module", MODULES),
    Reads::of("/sys/fs/cgroup", &["cgroup.controllers"]),
    Reads::of("/sys/fs/selinux", &["enforce"]),
    Reads::of("/sys/class/iommu", &["*"]),
    Reads::of("/sys/kernel", &["iommu_groups"]),
    Reads::of("/sys/devices/system/node/node#", &["x86/sgx_total_bytes"]),
    Reads::of("/sys/kernel/mm/hugepages/hugepages-*", &["nr_hugepages"]),
    Reads::of("/sys/devices/system/node/node#/hugepages/hugepages-*", &["nr_hugepages"]),
    Reads::of("/dev", &["vfio/*"]),
];

/// Of drivers for devices, and of what they need.
const MODULES: &[&str] = &[
    "i915",
    "xe",
    "mei*",
    "intel_vpu",
    "intel_qat",
    "qat_*",
    "idxd",
    "idxd_*",
    "iaa_crypto",
    "dlb2",
    "dfl",
    "dfl_*",
    "intel_fpga*",
    "vfio",
    "vfio_*",
    "vfio-*",
    "igb_uio",
    "uio",
];

#[derive(Debug, Default)]
struct Options {
    place: Place,
    output: String,
    list: bool,
}

impl Options {
    fn parse(args: Vec<OsString>) -> Result<Self, Stop> {
        let mut options = Self::default();
        let mut flags = FlagSet::new(
            "intel-device-plugins record",
            "Writes down what the plugins read of a node: a text that `simulate -profile`, `plan -profile` and tests take for a \
             node. Run it as root to have debugfs in it. Serial numbers and names of the machine are not in it.",
        );
        options.place.add_flags(&mut flags);
        flags.string("o", &mut options.output, "file to write; standard output when empty");
        flags.bool("list", &mut options.list, "print the patterns of what is recorded, and record nothing");
        flags.parse_all(args)?;
        Ok(options)
    }
}

/// Runs the command: exit code 0 when the recording is written, 1 and a line that says why when it is not.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::commands::failed("record", &*error),
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let text = if options.list {
        let mut patterns: Vec<String> =
            reads().flat_map(|reads| reads.patterns().collect::<Vec<_>>()).collect();
        patterns.sort();
        patterns.dedup();
        patterns.join("\n") + "\n"
    } else {
        let node = options.place.open()?;
        let text = recording(&node.host)?;
        let unreadable = text.lines().filter(|line| line.starts_with(simulator::UNREADABLE)).count();
        if unreadable > 0 {
            let hint = if node.is_live { "; root can read more" } else { "" };
            // A comment, since `kubectl logs` puts both outputs into one text.
            let _ = writeln!(io::stderr(), "# {unreadable} of {} cannot be read{hint}", node.name);
        }
        text
    };
    match options.output.as_str() {
        "" => io::stdout().lock().write_all(text.as_bytes())?,
        path => fs::write(path, text).map_err(|error| format!("cannot write {path}: {error}"))?,
    }
    Ok(())
}

fn reads() -> impl Iterator<Item = Reads> {
    NODE.iter().chain(FAMILIES.iter().flat_map(|family| family.reads.iter().copied().flatten())).copied()
}

/// A node as text. It can be made again of it, or there is an error.
pub(crate) fn recording(host: &Host) -> Result<String, Box<dyn Error>> {
    let mut title = "A recorded node".to_owned();
    if let Ok(kernel) = host.read("/proc/sys/kernel/osrelease") {
        title += &format!(" with Linux {kernel}");
    }
    let text = format!(
        "# What the plugins of {} read of a node: see `intel-device-plugins simulate -profile FILE`.\ntitle {title}\n{}",
        cli::VERSION,
        simulator::record(host, reads())?
    );
    let folder = tempfile::tempdir()?;
    SimulatedNode::create_with_stand_ins(folder.path(), &Profile::parse("the recording", &text)?)?;
    Ok(text)
}

/// Of the kernel's options those about the IOMMU, enclaves and huge pages.
pub(crate) fn options(text: &str) -> String {
    let is_wanted = |word: &&str| ["iommu", "sgx", "hugepage", "vfio"].iter().any(|part| word.contains(part));
    text.split_whitespace().filter(is_wanted).collect::<Vec<_>>().join(" ")
}

/// Of the processors the first one's flags about enclaves.
fn flags(text: &str) -> String {
    let is_flags = |line: &&str| line.split(':').next().is_some_and(|key| key.trim() == "flags");
    let line = text.lines().find(is_flags).unwrap_or_default();
    let words = line.split_whitespace().filter(|word| word.starts_with("sgx"));
    words.fold("flags\t\t:".to_owned(), |flags, word| flags + " " + word)
}

/// Of the kernel's file systems those that plugins ask for, or read.
fn filesystems(text: &str) -> String {
    let is_wanted = |line: &&str| ["cgroup2", "debugfs", "efivarfs"].iter().any(|name| line.ends_with(name));
    text.lines().filter(is_wanted).collect::<Vec<_>>().join("\n")
}

/// Of the loaded modules those that matter, without sizes, counters and addresses.
fn modules(text: &str) -> String {
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    let mut names: Vec<&str> =
        names.filter(|name| MODULES.iter().any(|known| host::name_matches(known, name))).collect();
    names.sort_unstable();
    names.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_kernels_options_only_those_about_devices_are_kept() {
        let given =
            "BOOT_IMAGE=/vmlinuz root=UUID=12 intel_iommu=on,sm_on hugepages=8 ip=10.0.0.7::host quiet";
        assert_eq!(options(given), "intel_iommu=on,sm_on hugepages=8");
    }

    #[test]
    fn of_processors_only_flags_about_enclaves_are_kept() {
        let given = "processor\t: 0\nflags\t\t: fpu sgx aes sgx_lc\n\nprocessor\t: 1\nflags\t\t: fpu sgx aes sgx_lc\n";
        assert_eq!(flags(given), "flags\t\t: sgx sgx_lc");
    }

    #[test]
    fn of_modules_only_the_names_are_kept() {
        let given = "xe 3145728 7 - Live 0xffffffffc1000000\nsecret 1 0 - Live 0x0\ni915 1 2 a,b, Live 0x0\n";
        assert_eq!(modules(given), "i915\nxe");
    }
}
