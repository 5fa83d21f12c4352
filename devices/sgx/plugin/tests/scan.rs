//! What is offered on a node, tree by tree.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use device_plugin::{DevicePlugin, Inventory};
use sgx_plugin::{Config, SgxPlugin};
use simulator::{Damage, Profile, SimulatedNode, TemporaryNode, golden, shown};

const ENCLAVE: &str = "char /dev/sgx_enclave 10:125\n";
const PROVISION: &str = "char /dev/sgx_provision 10:126\n";
const OLD: &str = "char /dev/sgx/enclave 10:125\nchar /dev/sgx/provision 10:126\n";

fn node(profile: &str) -> TemporaryNode {
    TemporaryNode::new(&Profile::parse("test", profile).unwrap()).unwrap()
}

fn look_at(node: &SimulatedNode, enclaves: u64, provisions: u64, infrastructure: bool) -> Inventory {
    SgxPlugin::new(Config { enclaves, provisions, infrastructure }).discover(&node.host()).unwrap()
}

fn look(profile: &str, enclaves: u64, provisions: u64) -> Inventory {
    let node = node(profile);
    look_at(&node, enclaves, provisions, false)
}

/// `enclave=10 provision=20`
fn counts(inventory: &Inventory) -> String {
    let counts =
        inventory.resources.iter().map(|(name, resource)| format!("{name}={}", resource.devices.len()));
    counts.collect::<Vec<_>>().join(" ")
}

/// The nodes of a device as the container sees them.
fn nodes(inventory: &Inventory, resource: &str, id: &str) -> Vec<String> {
    let edits = &inventory.resources[resource].devices[id].spec.edits;
    assert!(edits.mounts.is_empty() && edits.env.is_empty() && edits.annotations.is_empty());
    edits.nodes.iter().map(|node| format!("{} {}", node.container_path.display(), node.permissions)).collect()
}

#[test]
fn both_nodes_are_offered_as_often_as_the_limits_say() {
    let both = format!("{ENCLAVE}{PROVISION}");
    assert_eq!(counts(&look(&both, 1, 1)), "enclave=1 provision=1");
    assert_eq!(counts(&look(&both, 0, 2)), "provision=2");
    assert_eq!(look(&both, 0, 0), Inventory::default());
    let inventory = look(&both, 10, 20);
    assert_eq!(counts(&inventory), "enclave=10 provision=20");
    assert_eq!(nodes(&inventory, "enclave", "sgx-enclave-9"), ["/dev/sgx_enclave rw"]);
    assert_eq!(nodes(&inventory, "provision", "sgx-provision-0"), ["/dev/sgx_provision rw"]);
    let devices = inventory.resources.values().flat_map(|resource| resource.devices.values());
    assert!(devices.clone().all(|device| device.is_healthy() && device.spec.numa.is_none()));
    assert!(devices.clone().all(|device| device.spec.cdi.is_none()));
}

#[test]
fn a_node_without_sgx_offers_nothing_and_says_nothing() {
    assert_eq!(look("dir /dev", 1, 1), Inventory::default());
}

#[test]
fn one_node_alone_is_left_out_with_a_warning() {
    for (profile, missing) in [(ENCLAVE, "/dev/sgx_provision"), (PROVISION, "/dev/sgx_enclave")] {
        let inventory = look(profile, 1, 1);
        assert_eq!(counts(&inventory), "");
        assert_eq!(inventory.warnings.len(), 1);
        assert!(inventory.warnings[0].contains(missing), "{:?}", inventory.warnings);
    }
}

#[test]
fn the_former_drivers_nodes_are_offered_where_there_are_no_others() {
    let inventory = look(OLD, 1, 1);
    assert_eq!(nodes(&inventory, "enclave", "sgx-enclave-0"), ["/dev/sgx/enclave rw"]);
    assert_eq!(nodes(&inventory, "provision", "sgx-provision-0"), ["/dev/sgx/provision rw"]);
    let inventory = look(&format!("{OLD}{ENCLAVE}{PROVISION}"), 1, 1);
    assert_eq!(nodes(&inventory, "enclave", "sgx-enclave-0"), ["/dev/sgx_enclave rw"]);
    // Not one of each.
    let inventory = look(&format!("{OLD}{ENCLAVE}"), 1, 1);
    assert_eq!(nodes(&inventory, "enclave", "sgx-enclave-0"), ["/dev/sgx/enclave rw"]);
    assert_eq!(inventory.warnings, [""; 0]);
}

/// Udev makes such links for programs that look for the old names.
#[test]
fn links_to_the_kernels_nodes_change_nothing() {
    let links = "link /dev/sgx/enclave -> ../sgx_enclave\nlink /dev/sgx/provision -> ../sgx_provision\n";
    let inventory = look(&format!("{ENCLAVE}{PROVISION}{links}"), 1, 1);
    assert_eq!(nodes(&inventory, "enclave", "sgx-enclave-0"), ["/dev/sgx_enclave rw"]);
    assert_eq!(inventory.warnings, [""; 0]);
}

#[test]
fn attestation_gets_both_nodes_and_the_firmwares_variables() {
    let node = node(&format!("{ENCLAVE}{PROVISION}"));
    let inventory = look_at(&node, 0, 3, true);
    assert_eq!(counts(&inventory), "provision=3 qe=1 registration=1");
    let both = ["/dev/sgx_enclave rw", "/dev/sgx_provision rw"];
    assert_eq!(nodes(&inventory, "qe", "qe-1"), both);
    assert_eq!(nodes(&inventory, "registration", "registration-1"), both);
    assert!(inventory.resources["qe"].devices["qe-1"].spec.cdi.is_none());
    let cdi = inventory.resources["registration"].devices["registration-1"].spec.cdi.as_ref();
    assert_eq!(cdi.unwrap().filesystems[0].kind, "efivarfs", "the golden file has the rest");
    assert_eq!(look_at(&node, 0, 0, false), Inventory::default());
    let node = self::node(OLD);
    let inventory = look_at(&node, 0, 0, true);
    assert_eq!(nodes(&inventory, "qe", "qe-1"), ["/dev/sgx/enclave rw", "/dev/sgx/provision rw"]);
}

#[test]
fn a_server_with_sgx_offers_it() {
    let node = TemporaryNode::new(&Profile::builtin("xeon-accelerators").unwrap()).unwrap();
    golden("tests/golden/xeon-accelerators.txt", &shown(&look_at(&node, 2, 1, true), node.root()));
    for profile in ["empty", "npu-laptop"] {
        let node = TemporaryNode::new(&Profile::builtin(profile).unwrap()).unwrap();
        assert_eq!(look_at(&node, 1, 1, true), Inventory::default());
    }
}

#[test]
fn nodes_that_come_later_are_found() {
    let mut node = node("dir /dev");
    assert_eq!(look_at(&node, 1, 1, false), Inventory::default());
    node.add("sgx as=sgx").unwrap();
    assert_eq!(counts(&look_at(&node, 1, 1, false)), "enclave=1 provision=1");
    node.remove("sgx").unwrap();
    assert_eq!(look_at(&node, 1, 1, false), Inventory::default());
    let plugin = SgxPlugin::new(Config { enclaves: 1, provisions: 1, infrastructure: false });
    assert_eq!(plugin.triggers().folders, ["/dev/sgx*", "/dev/sgx"]);
    assert_eq!(plugin.triggers().subsystems, ["misc/sgx*"]);
}

#[test]
fn what_is_no_device_node_is_not_offered() {
    for path in ["/dev/sgx_enclave", "/dev/sgx_provision"] {
        for damage in Damage::ALL {
            let mut node = node(&format!("{ENCLAVE}{PROVISION}"));
            node.damage(path, damage).unwrap();
            let inventory = look_at(&node, 1, 1, true);
            assert_eq!((counts(&inventory).as_str(), inventory.warnings.len()), ("", 1), "{path} {damage:?}");
            let warning = &inventory.warnings[0];
            assert!(warning.contains(path), "{warning}");
        }
    }
    let node = node(&format!("block /dev/sgx_enclave 10:125\n{PROVISION}"));
    let expected = "SGX is left out, it needs both of its nodes: /dev/sgx_enclave is a block device";
    assert_eq!(look_at(&node, 1, 1, false).warnings, [expected]);
}
