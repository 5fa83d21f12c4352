//! Whole nodes.

use host::{PciFunction, pci};
use simulator::Profile;

use super::scene::Scene;

fn node(name: &str) -> Scene {
    Scene::on(&Profile::builtin(name).unwrap())
}

#[test]
fn after_boot_nothing_is_configured() {
    let scene = node("xeon-unconfigured");
    let addresses = pci::addresses(&scene.host).unwrap();
    assert_eq!(addresses.len(), 4 + 8 + 2);
    for address in addresses {
        let function = PciFunction::at(&scene.host, address).unwrap();
        assert!(function.driver().unwrap().is_some());
        assert_eq!(function.sriov_numvfs().unwrap().unwrap_or_default(), 0);
    }
    let names = scene.host.names("/sys/bus/dsa/devices").unwrap();
    for name in &names {
        if name.starts_with("wq") || name.starts_with("dsa") || name.starts_with("iax") {
            assert_eq!(scene.read(&format!("/sys/bus/dsa/devices/{name}/state")), "disabled");
        }
    }
    assert_eq!(names.iter().filter(|name| name.starts_with("wq")).count(), 64);
    for driver in [
        "pci/drivers/4xxx",
        "pci/drivers/4xxxvf",
        "pci/drivers/vfio-pci",
        "pci/drivers/idxd",
        "pci/drivers/dlb2",
    ] {
        assert!(scene.exists(&format!("/sys/bus/{driver}/bind")), "{driver}");
    }
    for driver in ["idxd", "user", "dmaengine"] {
        assert!(scene.exists(&format!("/sys/bus/dsa/drivers/{driver}/bind")), "{driver}");
    }
}

#[test]
fn a_node_can_be_configured_wholly_and_set_back() {
    let scene = node("xeon-unconfigured");
    let before = scene.tree();
    let all = || pci::addresses(&scene.host).unwrap().into_iter();
    let function = |address| PciFunction::at(&scene.host, address).unwrap();
    let physical: Vec<PciFunction> =
        all().map(function).filter(|one| one.sriov_totalvfs().unwrap().is_some()).collect();
    let set = |value: &str| {
        for one in &physical {
            scene.set(one.folder().join("sriov_numvfs").to_str().unwrap(), value);
        }
    };
    set("16");
    assert_eq!(all().count(), 14 + 6 * 16);
    for one in all().map(function) {
        if one.physical_function().unwrap().is_some() {
            let (driver, address) = (one.driver().unwrap().unwrap(), one.address().to_string());
            assert_eq!(scene.pci(&driver, "unbind", &address), Ok(()));
            scene.set(&format!("/sys/bus/pci/devices/{address}/driver_override"), "vfio-pci");
            assert_eq!(scene.pci("vfio-pci", "bind", &address), Ok(()));
        }
    }
    assert_eq!(scene.host.names("/dev/vfio").unwrap().len(), 1 + 6 * 16);
    scene.is_sound();
    set("0");
    assert_eq!(scene.tree(), before);
}

#[test]
fn what_a_configured_node_has_can_be_undone() {
    let scene = node("xeon-accelerators");
    for name in scene.host.names("/sys/bus/dsa/devices").unwrap() {
        if !name.contains('!') && (name.starts_with("dsa") || name.starts_with("iax")) {
            scene.set("/sys/bus/dsa/drivers/idxd/unbind", &name);
        }
    }
    for bus in ["6b", "70", "e8", "ed", "ea"] {
        scene.set(&format!("/sys/bus/pci/devices/0000:{bus}:00.0/sriov_numvfs"), "0");
    }
    assert!(!scene.exists("/dev/dsa") && !scene.exists("/dev/iax") && !scene.exists("/dev/dlb2"));
    assert_eq!(scene.host.names("/dev/vfio").unwrap(), ["vfio"]);
    assert_eq!(pci::addresses(&scene.host).unwrap().len(), 14);
    scene.is_sound();
}
