//! Which resource a function belongs to.

use simulator::Damage;

use super::scene::{C62X_ON_VFIO, FOLDER, HEARTBEAT, PF, Scene, VF0, c62x, counts, ills};

#[test]
fn services_come_from_sysfs() {
    for (services, resource) in [
        ("sym;asym", "cy"),
        ("asym;sym", "cy"),
        ("dc", "dc"),
        ("dc;sym", "sym-dc"),
        ("asym;sym;dc", "asym-sym-dc"),
        ("decomp", "decomp"),
    ] {
        let mut scene = Scene::loaded(&[PF, VF0]);
        scene.set(&format!("{FOLDER}/0000:6b:00.0/qat/cfg_services"), services);
        let inventory = scene.look(&[]);
        let expected = format!("{resource}=1");
        assert_eq!((counts(&inventory), inventory.warnings.len()), (expected, 0), "{services}");
    }
}

#[test]
fn services_of_the_sixth_generation() {
    let lines = "use vfio\nuse pci-driver driver=6xxx
use pci-function at=pci0000:6b pci=0000:6b:00.0 device=0x4948 class=0x0b4000
use pci-bound at=pci0000:6b pci=0000:6b:00.0 driver=6xxx
file /sys/devices/pci0000:6b/0000:6b:00.0/qat/state up
file /sys/devices/pci0000:6b/0000:6b:00.0/qat/cfg_services decomp
use pci-function at=pci0000:6b pci=0000:6b:00.1 device=0x4949 class=0x0b4000
use sriov-vf at=pci0000:6b pci=0000:6b:00.1 pf=0000:6b:00.0 vf=0
use vfio-group at=pci0000:6b pci=0000:6b:00.1 group=101";
    let scene = Scene::of(&[lines]);
    assert_eq!(scene.counts(&["-kernel-vf-drivers=6xxxvf"]), "decomp=1");
    assert_eq!(scene.counts(&[]), "", "not configured");
}

#[test]
fn services_of_older_kernels_come_from_debugfs() {
    let mut scene = Scene::loaded(&[&format!("{PF} services=dc"), VF0]);
    let services = format!("{FOLDER}/0000:6b:00.0/qat/cfg_services");
    scene.node.damage(&services, Damage::Empty).unwrap();
    assert_eq!(scene.counts(&[]), "dc=1");
    scene.node.delete(format!("{FOLDER}/0000:6b:00.0/qat")).unwrap();
    assert_eq!(scene.counts(&[]), "dc=1");
    let config = "/sys/kernel/debug/qat_4xxx_0000:6b:00.0/dev_cfg";
    for (text, expected) in
        [("[GENERAL]\nServicesEnabled = asym;dc", "asym-dc=1"), ("[GENERAL]", "generic=1")]
    {
        scene.set(config, text);
        let inventory = scene.look(&[]);
        assert_eq!((counts(&inventory).as_str(), inventory.warnings.len()), (expected, 0));
    }
    scene.node.delete(config).unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(counts(&inventory), "generic=1");
    assert!(inventory.warnings[0].contains(config), "{:?}", inventory.warnings);
}

#[test]
fn debugfs_is_found_for_functions_behind_bridges_too() {
    let at = "pci0000:6a/0000:6a:01.0";
    let lines = [
        "use pci-driver driver=pcieport",
        "use pci-bridge at=pci0000:6a pci=0000:6a:01.0 device=0x352a",
        &format!("use qat-pf at={at} pci=0000:6b:00.0 group=100 services=dc"),
        &format!("use qat-vf-vfio at={at} pf=0000:6b:00.0 vf=0 pci=0000:6b:00.1 group=101"),
    ];
    let mut scene = Scene::loaded(&lines);
    scene.node.delete("/sys/bus/pci/devices/0000:6b:00.0/qat").unwrap();
    assert_eq!(scene.counts(&[]), "dc=1");
    scene.set(HEARTBEAT, "-1");
    assert_eq!(ills(&scene.look(&[])).len(), 1);
}

#[test]
fn services_that_make_no_name_are_offered_as_generic() {
    let mut scene = Scene::loaded(&[PF, VF0]);
    scene.set(&format!("{FOLDER}/0000:6b:00.0/qat/cfg_services"), "no such thing!");
    let inventory = scene.look(&[]);
    assert_eq!(counts(&inventory), "generic=1");
    assert!(inventory.warnings[0].contains("no such thing!"), "{:?}", inventory.warnings);
}

#[test]
fn older_generations_have_no_services_and_nobody_is_warned() {
    let scene = Scene::of(&["use vfio", &c62x(C62X_ON_VFIO, "")]);
    let inventory = scene.look(&["-kernel-vf-drivers=c6xxvf"]);
    assert_eq!((counts(&inventory).as_str(), inventory.warnings.len()), ("generic=1", 0));
}

#[test]
fn two_physical_functions_of_different_services() {
    let second = [
        "use qat-pf at=pci0000:e8 pci=0000:e8:00.0 group=103 services=dc numa=1",
        "use qat-vf-vfio at=pci0000:e8 pf=0000:e8:00.0 vf=0 pci=0000:e8:00.1 group=104 numa=1",
    ];
    let scene = Scene::loaded(&[&[PF, VF0], &second[..]].concat());
    assert_eq!(scene.counts(&[]), "cy=1 dc=1");
}
