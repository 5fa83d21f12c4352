//! Every family's plugin on a real cluster, each in its own DaemonSet and then all in one: a simulated node with all kinds
//! of devices, the real kubelet, containerd and runc.
//!
//! One cluster serves all tests, one after the other; each leaves the node as it found it.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

mod demos;
mod fpga;
mod world;

use std::collections::BTreeSet;

use e2e::{Counts, healthy};

use world::{FPGA, all_of, world};

const NPU: &str = "npu as=npu0 device=0x643e group=900 accel=0";
const QUEUE: &str = "idxd-wq-user as=wq0.0 kind=dsa name=dsa0 wq=0.0 at=pci0000:6a pci=0000:6a:01.0 mode=dedicated major=236 \
                     minor=0";
const QAT: &str = "qat-vf-vfio as=qat0-vf0 at=pci0000:6b pf=0000:6b:00.0 vf=0 pci=0000:6b:00.1 group=1001 numa=0 \
                   cpus=0-51,104-155";
const HEARTBEAT: &str = "/sys/kernel/debug/qat_4xxx_0000:6b:00.0/heartbeat/status";

/// A line of what a container sees, with each number, be it hexadecimal, as `#`; and of a variable the name.
fn without_numbers(line: &str) -> String {
    let name = line.split_once('=').map_or(line, |(name, _)| name);
    let words = name.split_inclusive(|character: char| !character.is_ascii_alphanumeric());
    let word_without = |word: &str| {
        let (text, end) = match word.char_indices().last() {
            Some((index, last)) if !last.is_ascii_alphanumeric() => word.split_at(index),
            _ => (word, ""),
        };
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let letters =
            if is_number { "" } else { text.trim_end_matches(|character: char| character.is_ascii_digit()) };
        let number = if letters.len() < text.len() { "#" } else { "" };
        format!("{letters}{number}{end}")
    };
    words.map(word_without).collect()
}

#[test]
fn npu() {
    let Some(world) = world() else { return };
    world.deploy("npu_plugin", "intel-npu-plugin", "npu.intel.com/");
    assert_eq!(world.seen_by("npu", &[("npu.intel.com/accel", 1)]), ["accel/accel0"]);
    // With the last NPU goes the folder of its node, and the plugin's mount is of a dead one.
    for _ in 0..2 {
        world.cluster.node().remove("npu0").unwrap();
        world.expect("npu.intel.com/", &Counts::new());
        world.cluster.node().add(NPU).unwrap();
        world.expect("npu.intel.com/", &all_of("npu.intel.com/"));
    }
    assert_eq!(world.seen_by("npu-again", &[("npu.intel.com/accel", 1)]), ["accel/accel0"]);
    world.remove("npu_plugin");
}

#[test]
fn qat() {
    let Some(world) = world() else { return };
    let cy = "qat.intel.com/cy";
    // Also that the init container finds nothing to do on a node that is set up.
    world.deploy("qat_plugin/overlays/qat_initcontainer", "intel-qat-plugin", "qat.intel.com/");
    let seen = world.seen_by("qat", &[(cy, 2), ("qat.intel.com/dc", 1)]);
    let functions: Vec<&str> = seen
        .iter()
        .filter_map(|line| line.strip_prefix("QAT")?.split_once('='))
        .map(|(_, address)| address)
        .collect();
    // The kubelet asks for each resource by itself, and of variables of one name keeps one: the Go implementation's
    // containers have the same.
    assert_eq!(functions.len(), 2, "{seen:?}");
    let nodes: BTreeSet<String> = seen.iter().filter(|line| line.starts_with("vfio/")).cloned().collect();
    assert_eq!(nodes.len(), 4, "{seen:?}");
    assert!(nodes.contains("vfio/vfio"), "{seen:?}");
    for function in functions {
        assert!(nodes.contains(&format!("vfio/{}", world.vfio_group(function))), "{seen:?}");
    }

    world.cluster.node().set_attribute(HEARTBEAT, "-1\n").unwrap();
    world.expect_but(cy, 32, 16);
    world.cluster.node().set_attribute(HEARTBEAT, "0\n").unwrap();
    world.expect_but(cy, 32, 32);

    // A function that somebody unbinds is not handed out. The plugin may not bind it: nothing says whose it is.
    let kernel = world.cluster.kernel.host();
    kernel.write("/sys/bus/pci/drivers/vfio-pci/unbind", "0000:6b:00.1").unwrap();
    world.expect_but(cy, 31, 31);
    kernel.write("/sys/bus/pci/devices/0000:6b:00.1/driver_override", "vfio-pci").unwrap();
    kernel.write("/sys/bus/pci/drivers/vfio-pci/bind", "0000:6b:00.1").unwrap();
    world.expect_but(cy, 32, 32);
    world.cluster.node().remove("qat0-vf0").unwrap();
    world.expect_but(cy, 31, 31);
    world.cluster.node().add(QAT).unwrap();
    world.expect_but(cy, 32, 32);
    world.remove("qat_plugin/overlays/qat_initcontainer");
}

#[test]
fn dsa_and_iaa() {
    let Some(world) = world() else { return };
    let dedicated = "dsa.intel.com/wq-user-dedicated";
    world.deploy("dsa_plugin", "intel-dsa-plugin", "dsa.intel.com/");
    world.deploy("iaa_plugin", "intel-iaa-plugin", "iaa.intel.com/");
    let seen = world.seen_by("queues", &[(dedicated, 2), ("iaa.intel.com/wq-user-shared", 1)]);
    let (by_number, by_name): (Vec<&String>, Vec<&String>) =
        seen.iter().partition(|line| line.starts_with("char/"));
    assert_eq!(by_name.iter().filter(|line| line.starts_with("dsa/wq")).count(), 2, "{seen:?}");
    assert_eq!(by_name.iter().filter(|line| line.starts_with("iax/wq")).count(), 1, "{seen:?}");
    // What libaccel-config needs: the same nodes by their numbers.
    let numbers: BTreeSet<String> = by_name
        .iter()
        .map(|name| world.cluster.node().host().device_number(format!("/dev/{name}")).unwrap())
        .map(|number| format!("char/{}:{}", number.major, number.minor))
        .collect();
    assert_eq!(by_number.into_iter().cloned().collect::<BTreeSet<_>>(), numbers, "{seen:?}");

    world.cluster.node().remove("wq0.0").unwrap();
    world.expect_but(dedicated, 15, 15);
    world.cluster.node().add(QUEUE).unwrap();
    world.expect_but(dedicated, 16, 16);
    // A queue that somebody disables is offered no more; those of an accelerator that halted are there and unusable.
    world.cluster.node().set_attribute("/sys/bus/dsa/devices/wq0.0/state", "disabled\n").unwrap();
    world.expect_but(dedicated, 15, 15);
    world.cluster.node().set_attribute("/sys/bus/dsa/devices/wq0.0/state", "enabled\n").unwrap();
    world.expect_but(dedicated, 16, 16);
    world.cluster.node().set_attribute("/sys/bus/dsa/devices/dsa0/state", "halted\n").unwrap();
    let mut halted = all_of("dsa.intel.com/");
    for counts in halted.values_mut() {
        counts.1 = 12;
    }
    world.expect("dsa.intel.com/", &halted);
    world.cluster.node().set_attribute("/sys/bus/dsa/devices/dsa0/state", "enabled\n").unwrap();
    world.expect("dsa.intel.com/", &all_of("dsa.intel.com/"));
    world.remove("dsa_plugin");
    world.remove("iaa_plugin");
}

#[test]
fn dlb() {
    let Some(world) = world() else { return };
    world.deploy("dlb_plugin", "intel-dlb-plugin", "dlb.intel.com/");
    assert_eq!(world.seen_by("dlb-pf", &[("dlb.intel.com/pf", 1)]), ["dlb0"]);
    assert_eq!(world.seen_by("dlb-vf", &[("dlb.intel.com/vf", 1)]), ["dlb2"]);
    let kernel = world.cluster.kernel.host();
    let physical = "/sys/bus/pci/devices/0000:ea:00.0";
    kernel.write(format!("{physical}/sriov_numvfs"), "0").unwrap();
    world.expect("dlb.intel.com/", &healthy(&[("dlb.intel.com/pf", 2)]));
    // A virtual function has nothing at first.
    kernel.write(format!("{physical}/sriov_numvfs"), "1").unwrap();
    world.expect_but("dlb.intel.com/vf", 1, 0);
    kernel.write("/sys/bus/pci/drivers/dlb2/unbind", "0000:ea:00.1").unwrap();
    kernel.write(format!("{physical}/vf0_resources/num_sched_domains"), "32").unwrap();
    kernel.write("/sys/bus/pci/drivers/dlb2/bind", "0000:ea:00.1").unwrap();
    world.expect("dlb.intel.com/", &all_of("dlb.intel.com/"));
    world.remove("dlb_plugin");
}

#[test]
fn sgx() {
    let Some(world) = world() else { return };
    world.deploy("sgx_plugin/base", "intel-sgx-plugin", "sgx.intel.com/");
    assert_eq!(world.seen_by("enclave", &[("sgx.intel.com/enclave", 1)]), ["sgx_enclave"]);
    let both = [("sgx.intel.com/enclave", 1), ("sgx.intel.com/provision", 1)];
    assert_eq!(world.seen_by("quoting", &both), ["sgx_enclave", "sgx_provision"]);
    world.remove("sgx_plugin/base");
}

/// Last by its name: the node's status keeps what the kubelet has forgotten for some minutes.
#[test]
fn zz_all_families_in_one_process() {
    let Some(world) = world() else { return };
    world.cluster.kubectl(&["apply", "-k", "deployments/node"]);
    world.kubernetes.wait_for_daemonset("intel-device-plugins", || world.state());
    for domain in ["dlb", "dsa", "gpu", "iaa", "npu", "qat", "sgx"] {
        let domain = format!("{domain}.intel.com/");
        world.expect(&domain, &all_of(&domain));
    }
    world.expect_one(FPGA);
    let one_of_each = [
        ("dlb.intel.com/pf", 1),
        ("dsa.intel.com/wq-user-shared", 1),
        (FPGA, 1),
        ("gpu.intel.com/i915", 1),
        ("iaa.intel.com/wq-user-dedicated", 1),
        ("npu.intel.com/accel", 1),
        ("qat.intel.com/dc", 1),
        ("sgx.intel.com/enclave", 1),
    ];
    let seen = world.seen_by("one-of-each", &one_of_each);
    let kinds: Vec<String> = seen.iter().map(|line| without_numbers(line)).collect();
    let expected = [
        "accel/accel#",
        "char/#:#",
        "char/#:#",
        "dlb#",
        "dri/by-path/pci-#:#:#.#-card",
        "dri/by-path/pci-#:#:#.#-render",
        "dri/card#",
        "dri/renderD#",
        "dsa/wq#.#",
        "iax/wq#.#",
        "intel-fpga-port.#",
        "sgx_enclave",
        "vfio/#",
        "vfio/vfio",
        "QAT#",
    ];
    assert_eq!(kinds, expected, "{seen:?}");

    // The file is followed without a restart.
    world.cluster.kubectl(&["apply", "-f", "deployments/node/config.yaml"]);
    world.expect_but("gpu.intel.com/i915", 16, 16);
    assert_eq!(world.kubernetes.restarts("intel-device-plugins"), 0);

    world.cluster.node().set_attribute(HEARTBEAT, "-1\n").unwrap();
    world.expect_but("qat.intel.com/cy", 32, 16);
    world.cluster.node().remove("wq0.0").unwrap();
    world.expect_but("dsa.intel.com/wq-user-dedicated", 15, 15);
    world.cluster.stop("kubelet");
    world.cluster.node().set_attribute(HEARTBEAT, "0\n").unwrap();
    world.cluster.node().add(QUEUE).unwrap();
    world.cluster.start_again("kubelet");
    for domain in ["dlb", "dsa", "iaa", "npu", "qat", "sgx"] {
        let domain = format!("{domain}.intel.com/");
        world.expect(&domain, &all_of(&domain));
    }
    world.expect_but("gpu.intel.com/i915", 16, 16);
    world.cluster.kubectl(&["delete", "-f", "deployments/node/config.yaml"]);
    world.remove("node");
}

/// After all others: it leaves the node changed.
#[test]
fn zzz_demos() {
    demos::all();
}
