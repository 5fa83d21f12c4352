//! DLB.

use rustix::io::Errno;

use super::scene::Scene;

const PF: &str = "0000:6d:00.0";
const VF: &str = "0000:6d:00.1";

fn dlb() -> Scene {
    Scene::of(
        "use pci-bus\nuse vfio\nuse pci-driver driver=dlb2\n\
         use dlb-pf as=dlb0 id=0 at=pci0000:6d pci=0000:6d:00.0 group=120\n",
    )
}

fn path(name: &str) -> String {
    format!("/sys/bus/pci/devices/{PF}/{name}")
}

#[test]
fn functions_come_with_resources_and_nodes() {
    let scene = dlb();
    let before = scene.tree();
    scene.set(&path("sriov_numvfs"), "2");
    assert_eq!(scene.read(&format!("/sys/bus/pci/devices/{VF}/device")), "0x2711");
    assert_eq!((scene.driver(VF).as_str(), scene.driver("0000:6d:00.2").as_str()), ("dlb2", "dlb2"));
    assert!(scene.exists("/dev/dlb1") && scene.exists("/dev/dlb2") && scene.exists("/sys/class/dlb2/dlb2"));
    assert_eq!(scene.read(&path("vf1_resources/num_ldb_queues")), "0");
    scene.is_sound();
    scene.set(&path("sriov_numvfs"), "0");
    assert_eq!(scene.tree(), before);
}

#[test]
fn resources_are_given_while_no_driver_has_the_function() {
    let scene = dlb();
    scene.set(&path("sriov_numvfs"), "2");
    let queues = path("vf0_resources/num_ldb_queues");
    assert_eq!(scene.read(&path("vf0_resources/locked")), "1");
    assert_eq!(scene.write(&queues, "16"), Err(Errno::PERM));
    assert_eq!(scene.pci("dlb2", "unbind", VF), Ok(()));
    assert!(!scene.exists("/dev/dlb1") && scene.exists("/dev/dlb2"));
    assert_eq!(scene.read(&path("vf0_resources/locked")), "0");
    scene.set(&queues, "0x10\n");
    assert_eq!(scene.read(&queues), "16");
    // The other one is still locked.
    assert_eq!(scene.write(&path("vf1_resources/num_ldb_queues"), "1"), Err(Errno::PERM));
    assert_eq!(scene.pci("dlb2", "bind", VF), Ok(()));
    assert!(scene.exists("/dev/dlb1"));
    assert_eq!(scene.write(&queues, "0"), Err(Errno::PERM));
    assert_eq!(scene.read(&queues), "16");
    // A guest that has not come up has not locked it.
    assert_eq!(scene.pci("dlb2", "unbind", VF), Ok(()));
    scene.set(&format!("/sys/bus/pci/devices/{VF}/driver_override"), "vfio-pci");
    assert_eq!(scene.pci("vfio-pci", "bind", VF), Ok(()));
    scene.set(&queues, "8");
}

#[test]
fn functions_share_what_there_is() {
    let scene = dlb();
    scene.set(&path("sriov_drivers_autoprobe"), "0");
    scene.set(&path("sriov_numvfs"), "2");
    let (first, second) = (path("vf0_resources/num_ldb_credits"), path("vf1_resources/num_ldb_credits"));
    assert_eq!(scene.write(&first, "8193"), Err(Errno::INVAL));
    scene.set(&first, "8000");
    assert_eq!(scene.write(&second, "193"), Err(Errno::INVAL));
    scene.set(&second, "192");
    // What it has already is its own.
    scene.set(&first, "7000");
    scene.set(&second, "1192");
    for (name, error) in [("locked", Errno::ACCESS), ("num_ldb_ports", Errno::PERM)] {
        assert_eq!(scene.write(&path(&format!("vf0_resources/{name}")), "many"), Err(error), "{name}");
    }
}

#[test]
fn a_setup_that_fails_can_be_undone() {
    let scene = dlb();
    let before = scene.tree();
    for round in 0..2 {
        scene.set(&path("sriov_drivers_autoprobe"), "0");
        scene.set(&path("sriov_numvfs"), "16");
        scene.set(&path("sriov_drivers_autoprobe"), "1");
        for number in 0..16 {
            scene.set(&path(&format!("vf{number}_resources/num_dir_ports")), "4");
        }
        let last = "0000:6d:02.0";
        assert_eq!(scene.pci("dlb2", "bind", VF), Ok(()));
        assert_eq!(scene.pci("dlb2", "bind", last), Ok(()));
        assert_eq!(scene.driver("0000:6d:00.2"), "-");
        assert_eq!(scene.pci("dlb2", "unbind", last), Ok(()), "{round}");
        scene.set(&path("vf15_resources/num_dir_ports"), "0");
        scene.set(&path("sriov_numvfs"), "0");
        assert_eq!(scene.tree(), before);
    }
}

#[test]
fn functions_that_the_profile_made_can_be_changed() {
    let scene = Scene::of(
        "use vfio\nuse pci-driver driver=dlb2\n\
         use dlb-pf as=dlb1 id=1 at=pci0000:6d pci=0000:6d:00.0 group=121 vfs=1\n\
         use dlb-vf as=dlb2 id=2 at=pci0000:6d pci=0000:6d:00.1 pf=0000:6d:00.0 vf=0 group=122\n",
    );
    let queues = path("vf0_resources/num_ldb_queues");
    assert_eq!(scene.write(&queues, "16"), Err(Errno::PERM));
    assert_eq!(scene.pci("dlb2", "unbind", VF), Ok(()));
    scene.set(&queues, "16");
    assert_eq!(scene.pci("dlb2", "bind", VF), Ok(()));
    assert!(scene.exists("/dev/dlb0") && !scene.exists("/dev/dlb2"));
    scene.set(&path("sriov_numvfs"), "0");
    assert!(scene.kernel.node().devices().eq(["dlb1"]));
    scene.is_sound();
    // The driver of the physical function.
    assert_eq!(scene.pci("dlb2", "unbind", PF), Ok(()));
    assert!(!scene.exists("/dev/dlb1") && !scene.exists("/sys/class/dlb2"));
}
