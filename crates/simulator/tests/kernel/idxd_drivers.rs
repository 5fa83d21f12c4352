//! Drivers of accelerators, and what they keep.

use rustix::io::Errno;

use super::idxd::{USER, bind, dsa_driver, ready, set};
use super::idxd_attributes::{dsa, path};

#[test]
fn the_driver_of_old_tools_finds_the_others() {
    let scene = dsa();
    scene.set(&path("engine0.0/group_id"), "0");
    set(&scene, "wq0.0", &USER);
    assert_eq!(dsa_driver(&scene, "dsa", "bind", "dsa0"), Ok(()));
    assert_eq!(scene.host.link_name(path("dsa0/driver")).unwrap(), "idxd");
    assert_eq!(dsa_driver(&scene, "dsa", "bind", "dsa0"), Err(Errno::NODEV));
    assert_eq!(dsa_driver(&scene, "dsa", "bind", "wq0.1"), Err(Errno::NODEV));
    assert_eq!(dsa_driver(&scene, "dsa", "bind", "wq0.0"), Ok(()));
    assert!(scene.exists("/dev/dsa/wq0.0"));
    assert_eq!(dsa_driver(&scene, "dsa", "unbind", "wq0.0"), Ok(()));
    assert_eq!(dsa_driver(&scene, "dsa", "unbind", "dsa0"), Ok(()));
}

#[test]
fn one_that_cannot_be_configured_keeps_its_configuration() {
    let scene = ready();
    scene.kernel.node().set_attribute(path("dsa0/configurable"), "0").unwrap();
    assert_eq!(dsa_driver(&scene, "idxd", "unbind", "dsa0"), Ok(()));
    assert_eq!(scene.read(&path("wq0.0/size")), "16");
    assert_eq!(bind(&scene, "idxd", "dsa0"), Ok(()));
}

#[test]
fn a_function_moves_to_vfio_and_back() {
    let scene = ready();
    assert_eq!(bind(&scene, "user", "wq0.0"), Ok(()));
    let function = "0000:6a:01.0";
    assert_eq!(scene.pci("idxd", "unbind", function), Ok(()));
    for gone in [
        path("dsa0"),
        path("wq0.0"),
        path("engine0.0"),
        "/dev/dsa".into(),
        "/sys/bus/dsa/drivers/user/wq0.0".into(),
    ] {
        assert!(!scene.exists(&gone), "{gone}");
    }
    scene.is_sound();
    scene.set(&format!("/sys/bus/pci/devices/{function}/driver_override"), "vfio-pci");
    assert_eq!(scene.pci("vfio-pci", "bind", function), Ok(()));
    assert!(scene.exists("/dev/vfio/112"));
    assert_eq!(scene.pci("vfio-pci", "unbind", function), Ok(()));
    scene.set(&format!("/sys/bus/pci/devices/{function}/driver_override"), "\n");
    assert_eq!(scene.pci("idxd", "bind", function), Ok(()));
    scene.is_sound();
    // It has all its queues, and is as after boot.
    assert_eq!(
        scene.host.names(path("dsa0")).unwrap().iter().filter(|name| name.starts_with("wq")).count(),
        8
    );
    assert_eq!(scene.read(&path("dsa0/state")), "disabled");
    assert_eq!(scene.read(&path("wq0.0/name")), "");
    scene.set(&path("engine0.0/group_id"), "0");
    set(&scene, "wq0.7", &USER);
    assert_eq!(bind(&scene, "idxd", "dsa0"), Ok(()));
    assert_eq!(bind(&scene, "user", "wq0.7"), Ok(()));
}

#[test]
fn an_older_kernel_does_not_clear_all() {
    for (release, kept) in [((6, 5), "1"), ((6, 6), "0")] {
        let scene = ready();
        scene.kernel.behave_as(release);
        scene.kernel.node().set_attribute(path("wq0.1/prs_disable"), "1").unwrap();
        assert_eq!(dsa_driver(&scene, "idxd", "unbind", "dsa0"), Ok(()));
        assert_eq!(scene.read(&path("wq0.1/prs_disable")), kept, "{release:?}");
    }
}

#[test]
fn before_linux_5_15_there_is_one_driver() {
    let scene = dsa();
    for driver in ["idxd", "user", "dmaengine"] {
        scene.kernel.node().delete(format!("/sys/bus/dsa/drivers/{driver}")).unwrap();
    }
    scene.set(&path("engine0.0/group_id"), "0");
    set(&scene, "wq0.0", &USER);
    set(&scene, "wq0.1", &[("group_id", "0"), ("size", "16"), ("type", "kernel"), ("name", "copy")]);
    scene.kernel.node().delete(path("wq0.1/driver_name")).unwrap();
    set(&scene, "wq0.1", &[("mode", "dedicated"), ("priority", "10")]);
    assert_eq!(dsa_driver(&scene, "dsa", "bind", "dsa0"), Ok(()));
    for queue in ["wq0.0", "wq0.1"] {
        assert_eq!(dsa_driver(&scene, "dsa", "bind", queue), Ok(()));
        assert_eq!(scene.host.link_name(path(&format!("{queue}/driver"))).unwrap(), "dsa");
        assert_eq!(dsa_driver(&scene, "dsa", "bind", queue), Err(Errno::NODEV));
    }
    assert!(scene.exists("/dev/dsa/wq0.0") && !scene.exists("/dev/dsa/wq0.1"));
    assert_eq!(dsa_driver(&scene, "dsa", "bind", "wq0.2"), Err(Errno::NODEV));
    assert_eq!(dsa_driver(&scene, "dsa", "unbind", "dsa0"), Ok(()));
    assert_eq!(scene.read(&path("wq0.1/state")), "disabled");
    scene.is_sound();
}
