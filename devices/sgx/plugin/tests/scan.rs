//! What is offered on a node, tree by tree.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use device_plugin::{DevicePlugin, Inventory};
use sgx_plugin::{Config, SgxPlugin};
use simulator::{Damage, Profile, SimulatedNode};

const ENCLAVE: &str = "char /dev/sgx_enclave 10:125\n";
const PROVISION: &str = "char /dev/sgx_provision 10:126\n";
const OLD: &str = "char /dev/sgx/enclave 10:125\nchar /dev/sgx/provision 10:126\n";

fn node(profile: &str) -> (tempfile::TempDir, SimulatedNode) {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::parse("test", profile).unwrap();
    let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
    (folder, node)
}

fn look_at(node: &SimulatedNode, enclaves: u64, provisions: u64, infrastructure: bool) -> Inventory {
    SgxPlugin::new(Config { enclaves, provisions, infrastructure }).discover(&node.host()).unwrap()
}

fn look(profile: &str, enclaves: u64, provisions: u64) -> Inventory {
    let (_folder, node) = node(profile);
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
}

#[test]
fn attestation_gets_both_nodes_and_the_firmwares_variables() {
    let (_folder, node) = node(&format!("{ENCLAVE}{PROVISION}"));
    let inventory = look_at(&node, 0, 3, true);
    assert_eq!(counts(&inventory), "provision=3 qe=1 registration=1");
    let both = ["/dev/sgx_enclave rw", "/dev/sgx_provision rw"];
    assert_eq!(nodes(&inventory, "qe", "qe-1"), both);
    assert_eq!(nodes(&inventory, "registration", "registration-1"), both);
    assert!(inventory.resources["qe"].devices["qe-1"].spec.cdi.is_none());
    let cdi = inventory.resources["registration"].devices["registration-1"].spec.cdi.clone().unwrap();
    assert_eq!((cdi.kind.as_str(), cdi.name.as_str()), ("intel.cdi.k8s.io/sgx", "efivarfs"));
    assert_eq!(cdi.filesystems.len(), 1);
    assert_eq!(look_at(&node, 0, 0, false), Inventory::default());
}

#[test]
fn nodes_that_come_later_are_found() {
    let (_folder, mut node) = node("dir /dev");
    assert_eq!(look_at(&node, 1, 1, false), Inventory::default());
    node.add("sgx as=sgx").unwrap();
    assert_eq!(counts(&look_at(&node, 1, 1, false)), "enclave=1 provision=1");
    let plugin = SgxPlugin::new(Config { enclaves: 1, provisions: 1, infrastructure: false });
    assert!(plugin.triggers().folders.contains(&"/dev/sgx*"));
}

#[test]
fn what_is_no_device_node_is_not_offered() {
    for damage in Damage::ALL {
        let (_folder, mut node) = node(&format!("{ENCLAVE}{PROVISION}"));
        node.damage("/dev/sgx_enclave", damage).unwrap();
        let inventory = look_at(&node, 1, 1, false);
        assert_eq!((counts(&inventory).as_str(), inventory.warnings.len()), ("", 1), "{damage:?}");
    }
}
