//! What the built-in profiles make.

#![expect(clippy::unwrap_used, reason = "a helper of tests that fails should end the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use host::pci::{self, PciFunction};
use host::{Host, numa};
use simulator::{Profile, SimulatedNode, golden, listing};

type Made = (tempfile::TempDir, SimulatedNode);

fn create(profile: &Profile) -> Made {
    let folder = tempfile::tempdir().unwrap();
    let node = SimulatedNode::create_with_stand_ins(folder.path(), profile).unwrap();
    (folder, node)
}

fn each_profile() -> impl Iterator<Item = (Profile, Made)> {
    Profile::builtin_names().into_iter().map(|(name, title)| {
        let profile = Profile::builtin(name).unwrap();
        assert_eq!((profile.name(), profile.title()), (name, title));
        let made = create(&profile);
        (profile, made)
    })
}

/// The text of a built-in profile.
fn source(profile: &Profile) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    fs::read_to_string(folder.join(format!("{}.txt", profile.name()))).unwrap()
}

#[test]
fn every_profile_has_a_title_and_makes_a_node() {
    let names: Vec<String> = each_profile()
        .map(|(profile, (_folder, node))| {
            assert!(!profile.title().is_empty(), "{}", profile.name());
            assert_eq!(node.devices().count() == 0, profile.name() == "empty");
            assert!(node.host().exists("/var/lib/kubelet/device-plugins"));
            profile.name().to_owned()
        })
        .collect();
    assert!(names.is_sorted() && names.len() >= 10, "{names:?}");
}

#[test]
fn the_flex_170_node_is_laid_out_like_a_real_one() {
    let (_folder, node) = create(&Profile::builtin("flex-170-x2").unwrap());
    let found = listing(node.root()).unwrap();
    golden("tests/golden/flex-170-x2.txt", &found);
}

#[test]
fn a_listing_is_a_profile_that_makes_the_same_tree() {
    for (profile, (_folder, node)) in each_profile() {
        let first = listing(node.root()).unwrap();
        let (_folder, again) = create(&Profile::parse(profile.name(), &first).unwrap());
        assert_eq!(listing(again.root()).unwrap(), first);
    }
}

#[test]
fn no_link_dangles_but_the_one_that_is_meant_to() {
    let mut dangling = Vec::new();
    for (_, (_folder, node)) in each_profile() {
        let text = listing(node.root()).unwrap();
        dangling.extend(text.lines().filter(|line| line.starts_with("dangling ")).map(str::to_owned));
    }
    let link = "/dev/dri/by-path/pci-0000:00:02.0-platform-simple-framebuffer.0-card";
    assert_eq!(dangling, [format!("dangling {link} -> ../card0")]);
}

#[test]
fn devices_plugged_in_one_by_one_make_the_same_tree_and_leave_no_trace_when_pulled_out() {
    for (profile, (_folder, whole)) in each_profile() {
        let text = source(&profile);
        let (devices, rest): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains(" as="));
        let folder = tempfile::tempdir().unwrap();
        // Not the lines that point to a device.
        let rest = Profile::parse("without devices", &rest.join("\n")).unwrap();
        let mut node = SimulatedNode::create_with_stand_ins(folder.path(), &rest).unwrap();
        let before = listing(node.root()).unwrap();
        for line in &devices {
            let words = line.strip_prefix("use ").unwrap();
            node.add(words).unwrap_or_else(|e| panic!("{}: {e}", profile.name()));
        }
        assert_eq!(listing(node.root()).unwrap(), listing(whole.root()).unwrap(), "{}", profile.name());
        assert!(node.devices().eq(whole.devices()));

        let names: Vec<String> = node.devices().map(str::to_owned).collect();
        // In the order of the alphabet, so that this is not just the way back: `dsa0` goes before its queues.
        for name in names {
            node.remove(&name).unwrap_or_else(|e| panic!("{}: {e}", profile.name()));
        }
        assert_eq!(listing(node.root()).unwrap(), before, "{}", profile.name());
    }
}

#[test]
fn every_device_node_is_what_sysfs_says_it_is() {
    for (profile, (_folder, node)) in each_profile() {
        let host = node.host();
        let text = listing(node.root()).unwrap();
        let nodes = text.lines().filter_map(|line| line.strip_prefix("char ")?.split_once(' '));
        let mut numbers = BTreeMap::new();
        for (path, number) in nodes {
            let device = format!("/sys/dev/char/{number}");
            assert_eq!(host.read(format!("{device}/dev")).unwrap(), number);
            let name = path.strip_prefix("/dev/").unwrap();
            assert!(host.read(format!("{device}/uevent")).unwrap().contains(&format!("DEVNAME={name}")));
            assert_eq!(host.resolve(format!("/dev/char/{number}")).unwrap(), Path::new(path));
            assert!(host.exists(format!("{device}/subsystem")));
            assert_eq!(numbers.insert(number, path), None, "{number} twice in {}", profile.name());
        }
        assert_eq!(numbers.is_empty(), profile.name() == "empty");
    }
}

#[test]
fn every_pci_function_answers_what_the_kernel_would() {
    for (profile, (_folder, node)) in each_profile() {
        let host = node.host();
        let Ok(addresses) = pci::addresses(&host) else {
            assert!(["empty", "wsl"].contains(&profile.name()));
            continue;
        };
        for address in addresses {
            let function = PciFunction::at(&host, address).unwrap();
            assert_eq!(function.vendor().unwrap().to_string(), "0x8086");
            function.device().unwrap();
            if let Some(driver) = function.driver().unwrap() {
                assert!(host.exists(format!("/sys/bus/pci/drivers/{driver}/{address}/class")));
                assert!(host.exists(format!("/sys/bus/pci/drivers/{driver}/unbind")), "{driver}");
            }
            let enabled = function.sriov_numvfs().unwrap();
            let functions = function.virtual_functions().unwrap();
            assert_eq!(functions.len(), usize::from(enabled.unwrap_or_default()), "{address}");
            for virtual_function in functions {
                let parent = virtual_function.physical_function().unwrap().unwrap();
                assert_eq!(parent.address(), address);
            }
        }
    }
}

#[test]
fn devices_are_near_to_the_node_of_their_socket() {
    let near = |host: &Host, path: &str| {
        let number = host.device_number(path).unwrap();
        numa::nodes_near(host, format!("/sys/dev/char/{}:{}", number.major, number.minor)).unwrap()
    };
    let host_of = |name| {
        let (folder, node) = create(&Profile::builtin(name).unwrap());
        (folder, node.host())
    };
    let (_folder, gpus) = host_of("max-1550-x8");
    assert_eq!(near(&gpus, "/dev/dri/card3"), [0]);
    assert_eq!(near(&gpus, "/dev/dri/renderD135"), [1]);
    assert_eq!(near(&gpus, "/dev/mei7"), [1]);
    let (_folder, xeon) = host_of("xeon-accelerators");
    assert_eq!(near(&xeon, "/dev/dsa/wq6.1"), [1]);
    assert!(near(&xeon, "/dev/sgx_enclave").is_empty());
    let (_folder, laptop) = host_of("npu-laptop");
    assert!(near(&laptop, "/dev/accel/accel0").is_empty());
}
