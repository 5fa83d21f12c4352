//! Which driver the PCI functions get.

use std::io::ErrorKind;

use crate::scene::{Scene, fresh_dsa, fresh_iaa};

const VFIO: &str = "use vfio\n";
/// Another vendor's, an id that is only nearly one, and ones that are it: bound to VFIO, to nothing.
const FUNCTIONS: &str = "
use pci-function at=pci0000:00 pci=0000:00:01.0 device=0x0b25 vendor=0x1af4 class=0x088000
use pci-function at=pci0000:00 pci=0000:00:02.0 device=0xb250 class=0x088000
use pci-function at=pci0000:00 pci=0000:00:03.0 device=0x11fb class=0x088000
use iommu-group at=pci0000:00 pci=0000:00:03.0 group=13
use pci-bound at=pci0000:00 pci=0000:00:03.0 driver=vfio-pci
use pci-function at=pci0000:00 pci=0000:00:04.0 device=0x1212 class=0x088000
use iommu-group at=pci0000:00 pci=0000:00:04.0 group=14
";

fn driver(scene: &Scene, address: &str) -> Option<String> {
    scene.kernel.host().link_name(format!("/sys/bus/pci/devices/{address}/driver")).ok()
}

#[test]
fn functions_are_given_to_vfio() {
    let scene = Scene::of(&(fresh_dsa(0) + &fresh_iaa(1) + VFIO + FUNCTIONS));
    let run = scene.dsa(&["-driver=vfio-pci", "-dry-run"]);
    let expected = "\
# 0000:00:04.0
/sys/bus/pci/devices/0000:00:04.0/driver_override = vfio-pci
/sys/bus/pci/drivers/vfio-pci/bind = 0000:00:04.0
# 0000:6a:01.0
/sys/bus/pci/drivers/idxd/unbind = 0000:6a:01.0
/sys/bus/pci/devices/0000:6a:01.0/driver_override = vfio-pci
/sys/bus/pci/drivers/vfio-pci/bind = 0000:6a:01.0
";
    assert_eq!(run.plan(), expected);
    assert_eq!(scene.kernel.written(), []);
    assert_eq!(scene.dsa(&["-driver=vfio-pci"]).plan(), "");
    for (address, expected) in [
        ("0000:00:01.0", None),
        ("0000:00:02.0", None),
        ("0000:00:03.0", Some("vfio-pci")),
        ("0000:00:04.0", Some("vfio-pci")),
        ("0000:6a:01.0", Some("vfio-pci")),
        ("0000:6b:02.0", Some("idxd")),
    ] {
        assert_eq!(driver(&scene, address).as_deref(), expected, "{address}");
    }
    let written = scene.kernel.written().len();
    assert_eq!(scene.dsa(&["-driver=vfio-pci"]).plan(), "");
    assert_eq!(scene.kernel.written().len(), written);
}

#[test]
fn functions_come_back_to_idxd() {
    let scene = Scene::of(&(VFIO.to_owned() + FUNCTIONS));
    assert_eq!(scene.dsa(&[]).plan(), "");
    for (address, device) in [("0000:00:03.0", "dsa0"), ("0000:00:04.0", "dsa1")] {
        assert_eq!(driver(&scene, address).as_deref(), Some("idxd"));
        assert_eq!(scene.read(&format!("{device}/state")), "enabled");
    }
    assert_eq!(scene.read("wq1.3/name"), "dpdk_13");
}

#[test]
fn functions_of_which_the_driver_makes_nothing_are_told() {
    let scene = Scene::of(
        "use pci-function at=pci0000:00 pci=0000:00:03.0 device=0x11fb class=0x088000
        use pci-bound at=pci0000:00 pci=0000:00:03.0 driver=idxd",
    );
    let run = scene.dsa(&[]);
    let warning = "the driver idxd made no dsa of the PCI functions; see the kernel's log";
    assert_eq!((run.report.warnings, run.report.errors), (vec![warning.to_owned()], Vec::new()));
}

#[test]
fn only_the_ids_that_are_named_count() {
    let scene = Scene::of(&(VFIO.to_owned() + FUNCTIONS));
    assert_eq!(scene.dsa(&["-driver=vfio-pci", "-pci-ids=11fb"]).plan(), "");
    assert_eq!(scene.kernel.written(), []);
    assert_eq!(scene.dsa(&["-driver=vfio-pci", "-pci-ids=1212"]).plan(), "");
    assert_eq!(driver(&scene, "0000:00:04.0").as_deref(), Some("vfio-pci"));
}

#[test]
fn a_function_whose_queue_is_in_use_stays() {
    let scene = Scene::of(&(fresh_dsa(0) + VFIO + FUNCTIONS));
    scene.set("wq0.5/clients", "1");
    let run = scene.dsa(&["-driver=vfio-pci"]);
    let expected = "0000:6a:01.0 cannot be bound to vfio-pci: wq0.5 is in use (clients: 1)";
    assert_eq!(run.error(), expected);
    assert_eq!(driver(&scene, "0000:6a:01.0").as_deref(), Some("idxd"));
    assert_eq!(driver(&scene, "0000:00:04.0").as_deref(), Some("vfio-pci"));
}

#[test]
fn a_bind_that_fails_is_undone_and_told() {
    let scene = Scene::of(&(fresh_dsa(0) + VFIO + FUNCTIONS));
    scene.kernel.refuse_once("vfio-pci/bind", 1, ErrorKind::ResourceBusy);
    let run = scene.dsa(&["-driver=vfio-pci"]);
    let expected = "0000:6a:01.0 cannot be bound to vfio-pci: step 3 of 3 failed, the steps before it were undone: cannot write \"0000:6a:01.0\" to /sys/bus/pci/drivers/vfio-pci/bind: ";
    assert!(run.error().starts_with(expected), "{}", run.error());
    assert_eq!(driver(&scene, "0000:00:04.0").as_deref(), Some("vfio-pci"));
}

#[test]
fn a_driver_that_is_not_loaded_is_named_with_what_loads_it() {
    let scene = Scene::of(&(fresh_dsa(0) + &fresh_iaa(1)));
    let run = scene.dsa(&["-driver=vfio-pci"]);
    let expected = "the driver vfio-pci, which 0000:6a:01.0 should have, is not loaded; run `modprobe vfio-pci disable_denylist=1` on the node";
    assert_eq!(run.error(), expected);

    let functions = "
use pci-function at=pci0000:00 pci=0000:00:03.0 device=0x0b25 class=0x088000
use pci-function at=pci0000:00 pci=0000:00:04.0 device=0x0cfe class=0x088000
";
    let scene = Scene::of(functions);
    scene.delete("/sys/bus/pci/drivers/idxd");
    let missing = |address: &str| {
        format!(
            "the driver idxd, which {address} should have, is not loaded; run `modprobe idxd` on the node"
        )
    };
    assert_eq!(scene.dsa(&[]).error(), missing("0000:00:03.0"));
    assert_eq!(scene.iaa(&[]).error(), missing("0000:00:04.0"));
    assert_eq!(scene.kernel.written(), []);
}

#[test]
fn functions_of_iaa_are_left_where_they_are() {
    let scene = Scene::of(&(fresh_iaa(1) + VFIO));
    let node = scene.kernel.node().root().to_owned();
    let link = node.join("sys/bus/pci/devices/0000:6b:02.0/driver");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("/sys/bus/pci/drivers/vfio-pci", &link).unwrap();
    scene.delete("iax1");
    let run = scene.iaa(&[]);
    assert_eq!(run.report.errors, [""; 0]);
    assert_eq!(run.report.warnings, ["0000:6b:02.0 is not bound to idxd, and left as it is"]);
    assert_eq!(scene.kernel.written(), []);
}
