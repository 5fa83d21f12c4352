//! Drivers of PCI functions.

use rustix::io::Errno;

use super::scene::{AT, Scene};

const VF: &str = "0000:6b:00.1";

const NODE: &str = "use pci-bus\nuse vfio\nuse pci-driver driver=4xxx\nuse pci-driver driver=4xxxvf\n\
    use pci-driver driver=igb_uio\n\
    use qat-pf as=pf at=pci0000:6b pci=0000:6b:00.0 group=100 vfs=1\n\
    use pci-vf as=vf at=pci0000:6b pci=0000:6b:00.1 pf=0000:6b:00.0 vf=0 device=0x4941 class=0x0b4000 group=101\n";

fn override_with(scene: &Scene, driver: &str) {
    scene.set(&format!("/sys/bus/pci/devices/{VF}/driver_override"), driver);
}

#[test]
fn an_override_is_shown_and_an_empty_line_clears_it() {
    let scene = Scene::of(NODE);
    let path = format!("/sys/bus/pci/devices/{VF}/driver_override");
    assert_eq!(scene.read(&path), "(null)");
    scene.set(&path, "vfio-pci\n");
    assert_eq!(scene.read(&path), "vfio-pci");
    // A write of nothing never reaches the kernel.
    scene.set(&path, "");
    assert_eq!(scene.read(&path), "vfio-pci");
    scene.set(&path, "\n");
    assert_eq!(scene.read(&path), "(null)");
    assert_eq!(scene.kernel.written().len(), 3);
}

#[test]
fn a_driver_takes_what_it_knows() {
    let mut scene = Scene::of(NODE);
    assert_eq!(scene.pci("4xxxvf", "bind", "0000:6b:01.0"), Err(Errno::NODEV));
    assert_eq!(scene.pci("4xxxvf", "bind", "nonsense"), Err(Errno::NODEV));
    for driver in ["4xxx", "vfio-pci", "igb_uio"] {
        assert_eq!(scene.pci(driver, "bind", VF), Err(Errno::NODEV), "{driver}");
    }
    assert_eq!(scene.driver(VF), "-");
    assert_eq!(scene.uevents(), [""; 0]);
    assert_eq!(scene.pci("4xxxvf", "bind", &format!("{VF}\n")), Ok(()));
    assert_eq!(scene.driver(VF), "4xxxvf");
    assert_eq!(scene.uevents(), [format!("bind pci {VF}")]);
    assert_eq!(scene.pci("4xxxvf", "bind", VF), Err(Errno::BUSY));
    assert_eq!(scene.pci("4xxx", "unbind", VF), Err(Errno::NODEV));
    assert_eq!(scene.pci("4xxxvf", "unbind", VF), Ok(()));
    assert_eq!(scene.driver(VF), "-");
    assert_eq!(scene.uevents(), [format!("unbind pci {VF}")]);
    assert_eq!(scene.pci("4xxxvf", "unbind", VF), Err(Errno::NODEV));
    scene.is_sound();
}

#[test]
fn an_override_binds_to_that_driver_only() {
    let scene = Scene::of(NODE);
    override_with(&scene, "vfio-pci");
    assert_eq!(scene.pci("4xxxvf", "bind", VF), Err(Errno::NODEV));
    assert_eq!(scene.pci("vfio-pci", "bind", VF), Ok(()));
    // It keeps its driver, whatever is written.
    override_with(&scene, "4xxxvf");
    assert_eq!(scene.driver(VF), "vfio-pci");
    // Whether the driver is for it is asked first.
    assert_eq!(scene.pci("vfio-pci", "bind", VF), Err(Errno::NODEV));
    override_with(&scene, "vfio-pci");
    assert_eq!(scene.pci("vfio-pci", "bind", VF), Err(Errno::BUSY));
    override_with(&scene, "\n");
    assert_eq!(scene.pci("4xxxvf", "bind", VF), Err(Errno::BUSY));
    assert_eq!(scene.driver(VF), "vfio-pci");
}

#[test]
fn vfio_brings_a_node_and_takes_it_away() {
    let mut scene = Scene::of(NODE);
    let before = scene.tree();
    override_with(&scene, "vfio-pci");
    for _ in 0..2 {
        assert_eq!(scene.pci("vfio-pci", "bind", VF), Ok(()));
        let number = scene.host.device_number("/dev/vfio/101").unwrap();
        assert_eq!((number.major, number.minor), (511, 101));
        assert!(scene.exists("/sys/class/vfio/101/dev") && scene.exists("/dev/char/511:101"));
        scene.is_sound();
        assert_eq!(scene.uevents(), ["add vfio 101".to_owned(), format!("bind pci {VF}")]);
        assert_eq!(scene.pci("vfio-pci", "unbind", VF), Ok(()));
        assert!(!scene.exists("/dev/vfio/101") && !scene.exists("/sys/class/vfio/101"));
        assert_eq!(scene.uevents(), ["remove vfio 101".to_owned(), format!("unbind pci {VF}")]);
    }
    override_with(&scene, "\n");
    assert_eq!(scene.tree(), before);
}

#[test]
fn functions_of_one_group_share_a_node() {
    let second = "use pci-function as=second at=pci0000:6b pci=0000:6b:00.2 device=0x4941 class=0x0b4000\n\
        link /sys/devices/pci0000:6b/0000:6b:00.2/iommu_group -> /sys/kernel/iommu_groups/101\n\
        link /sys/kernel/iommu_groups/101/devices/0000:6b:00.2 -> /sys/devices/pci0000:6b/0000:6b:00.2\n";
    let scene = Scene::of(&format!("{NODE}{second}"));
    for address in [VF, "0000:6b:00.2"] {
        scene.set(&format!("/sys/bus/pci/devices/{address}/driver_override"), "vfio-pci");
        assert_eq!(scene.pci("vfio-pci", "bind", address), Ok(()));
    }
    assert_eq!(scene.pci("vfio-pci", "unbind", VF), Ok(()));
    assert!(scene.exists("/dev/vfio/101"));
    assert_eq!(scene.pci("vfio-pci", "unbind", "0000:6b:00.2"), Ok(()));
    assert!(!scene.exists("/dev/vfio/101"));
}

#[test]
fn vfio_needs_a_group() {
    let scene = Scene::of(
        &NODE.replace("use pci-vf", "use qat-vf").replace(" device=0x4941 class=0x0b4000 group=101", ""),
    );
    override_with(&scene, "vfio-pci");
    assert_eq!(scene.pci("vfio-pci", "bind", VF), Err(Errno::INVAL));
    assert_eq!(scene.driver(VF), "-");
}

#[test]
fn what_the_profile_bound_can_be_unbound_and_bound_again() {
    let mut scene = Scene::of(&format!(
        "{NODE}use qat-vf-vfio as=bound at=pci0000:6b pci=0000:6b:00.2 pf=0000:6b:00.0 vf=1 group=102\n"
    ));
    let before = scene.tree();
    let vf = "0000:6b:00.2";
    assert_eq!(scene.pci("vfio-pci", "unbind", vf), Ok(()));
    assert_eq!(scene.driver(vf), "-");
    assert!(!scene.exists("/dev/vfio/102"));
    scene.set(&format!("/sys/bus/pci/devices/{vf}/driver_override"), "vfio-pci");
    assert_eq!(scene.pci("vfio-pci", "bind", vf), Ok(()));
    scene.set(&format!("/sys/bus/pci/devices/{vf}/driver_override"), "\n");
    assert_eq!(scene.tree(), before);
    // Its driver goes with it.
    let _ = scene.uevents();
    scene.kernel.node().remove("bound").unwrap();
    assert_eq!(scene.uevents(), ["remove vfio 102".to_owned(), format!("remove pci {vf}")]);
    scene.is_sound();
    assert!(!scene.exists("/dev/vfio/102"));
}

#[test]
fn the_bus_finds_a_driver() {
    let scene = Scene::of(NODE);
    let probe = |address| scene.write("/sys/bus/pci/drivers_probe", address);
    assert_eq!(probe("0000:6b:00.7"), Err(Errno::NODEV));
    assert_eq!(probe(VF), Ok(()));
    assert_eq!(scene.driver(VF), "4xxxvf");
    override_with(&scene, "vfio-pci");
    // It has one.
    assert_eq!(probe(VF), Ok(()));
    assert_eq!(scene.driver(VF), "4xxxvf");
    assert_eq!(scene.pci("4xxxvf", "unbind", VF), Ok(()));
    assert_eq!(probe(VF), Ok(()));
    assert_eq!(scene.driver(VF), "vfio-pci");
    assert_eq!(scene.pci("vfio-pci", "unbind", VF), Ok(()));
    override_with(&scene, "nobody");
    assert_eq!(probe(VF), Ok(()));
    assert_eq!(scene.driver(VF), "-");
}

#[test]
fn a_driver_can_be_told_of_more() {
    let scene = Scene::of(NODE);
    assert_eq!(scene.pci("igb_uio", "new_id", "8086"), Err(Errno::INVAL));
    assert_eq!(scene.pci("igb_uio", "new_id", "8086 nonsense"), Err(Errno::INVAL));
    assert_eq!(scene.pci("4xxxvf", "new_id", "8086 4941"), Err(Errno::EXIST));
    assert_eq!(scene.pci("igb_uio", "remove_id", "8086 4941"), Err(Errno::NODEV));
    // It takes what it can at once.
    assert_eq!(scene.pci("igb_uio", "new_id", "8086 4941\n"), Ok(()));
    assert_eq!(scene.driver(VF), "igb_uio");
    assert_eq!(scene.pci("igb_uio", "new_id", "0x8086 0x4941"), Err(Errno::EXIST));
    assert_eq!(scene.pci("igb_uio", "unbind", VF), Ok(()));
    assert_eq!(scene.pci("igb_uio", "bind", VF), Ok(()));
    assert_eq!(scene.pci("igb_uio", "unbind", VF), Ok(()));
    assert_eq!(scene.pci("igb_uio", "remove_id", "8086 4941"), Ok(()));
    assert_eq!(scene.pci("igb_uio", "bind", VF), Err(Errno::NODEV));
    assert_eq!(scene.driver("0000:6b:00.0"), "4xxx");
}

#[test]
fn an_unknown_driver_is_for_what_it_had() {
    let scene = Scene::of(
        "use drm\nuse vfio\nuse pci-driver driver=i915\n\
         use pci-gpu as=card0 at=pci0000:3a pci=0000:3a:00.0 device=0x56c0 driver=i915 card=0 render=128\n\
         use pci-function as=other at=pci0000:3a pci=0000:3b:00.0 device=0x56c1 class=0x038000\n",
    );
    assert_eq!(scene.pci("i915", "bind", "0000:3b:00.0"), Err(Errno::NODEV));
    assert_eq!(scene.pci("i915", "unbind", "0000:3a:00.0"), Ok(()));
    for gone in ["/dev/dri/card0", "/dev/dri/renderD128", "/sys/class/drm/card0", "/dev/dri/by-path"] {
        assert!(!scene.exists(gone), "{gone}");
    }
    scene.is_sound();
    assert_eq!(scene.pci("i915", "bind", "0000:3a:00.0"), Ok(()));
    assert_eq!(scene.driver("0000:3a:00.0"), "i915");
}

#[test]
fn some_attributes_can_only_be_read() {
    let scene = Scene::of(NODE);
    for name in ["vendor", "device", "class", "sriov_totalvfs", "sriov_offset", "sriov_vf_device"] {
        assert_eq!(scene.write(&format!("{AT}/0000:6b:00.0/{name}"), "1"), Err(Errno::ACCESS), "{name}");
    }
}

#[test]
fn a_test_can_change_the_node_in_any_way() {
    let scene = Scene::of(NODE);
    override_with(&scene, "vfio-pci");
    assert_eq!(scene.pci("vfio-pci", "bind", VF), Ok(()));
    for name in [format!("{AT}/{VF}/driver"), "/dev/vfio/101".to_owned()] {
        scene.kernel.node().delete(name).unwrap();
    }
    scene.kernel.node().delete("/sys/devices/virtual/vfio/101").unwrap();
    assert_eq!(scene.pci("vfio-pci", "bind", VF), Ok(()));
    assert_eq!(scene.driver(VF), "vfio-pci");
    assert!(scene.exists("/dev/vfio/101"));
    scene.is_sound();
    // A link that this kernel did not make.
    assert_eq!(scene.pci("vfio-pci", "unbind", VF), Ok(()));
    let link = scene.kernel.node().root().join(&AT[1..]).join(VF).join("driver");
    std::os::unix::fs::symlink("../../../bus/pci/drivers/4xxxvf", link).unwrap();
    assert_eq!(scene.pci("vfio-pci", "bind", VF), Err(Errno::BUSY));
    assert_eq!(scene.pci("4xxxvf", "unbind", VF), Ok(()));
    assert_eq!(scene.driver(VF), "-");
}

#[test]
fn writes_can_be_refused() {
    let scene = Scene::of(NODE);
    scene.kernel.refuse("4xxxvf/bind", std::io::ErrorKind::ResourceBusy);
    let error = scene.host.write("/sys/bus/pci/drivers/4xxxvf/bind", VF).unwrap_err();
    assert_eq!(error.source.kind(), std::io::ErrorKind::ResourceBusy);
    assert_eq!(scene.driver(VF), "-");
    assert_eq!(scene.kernel.written().len(), 1);
    scene.kernel.obey();
    scene.kernel.refuse(&format!("4xxxvf/bind={VF}"), std::io::ErrorKind::ResourceBusy);
    assert!(scene.host.write("/sys/bus/pci/drivers/4xxxvf/bind", VF).is_err());
    assert_eq!(
        scene.pci("4xxxvf", "bind", "0000:6b:00.7"),
        Err(Errno::NODEV),
        "another value is not refused"
    );
    scene.kernel.obey();
    scene.kernel.ignore("4xxxvf/bind");
    assert_eq!(scene.pci("4xxxvf", "bind", VF), Ok(()));
    assert_eq!(scene.driver(VF), "-");
    scene.kernel.obey();
    assert_eq!(scene.pci("4xxxvf", "bind", VF), Ok(()));
    assert_eq!(scene.driver(VF), "4xxxvf");
}

#[test]
fn one_write_can_be_refused() {
    let scene = Scene::of(NODE);
    scene.kernel.refuse_once("/driver_override", 1, std::io::ErrorKind::ResourceBusy);
    let path = format!("/sys/bus/pci/devices/{VF}/driver_override");
    let answers = ["a", "b", "c"].map(|driver| scene.host.write(&path, driver).is_ok());
    assert_eq!(answers, [true, false, true]);
    assert_eq!(scene.read(&path), "c");
}

#[test]
fn writes_can_be_ignored() {
    let scene = Scene::of(NODE);
    scene.kernel.ignore("/driver_override");
    override_with(&scene, "vfio-pci");
    assert_eq!(scene.read(&format!("/sys/bus/pci/devices/{VF}/driver_override")), "(null)");
    assert_eq!(scene.pci("4xxxvf", "bind", VF), Ok(()));
}
