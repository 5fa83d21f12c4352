//! Enabling and disabling accelerators and their work queues.

use rustix::io::Errno;

use super::idxd_attributes::{dsa, path};
use super::scene::Scene;

pub(super) fn dsa_driver(scene: &Scene, driver: &str, file: &str, name: &str) -> Result<(), Errno> {
    scene.write(&format!("/sys/bus/dsa/drivers/{driver}/{file}"), name)
}

/// The error, and the status that goes with it.
pub(super) fn bind(scene: &Scene, driver: &str, name: &str) -> Result<(), (Errno, String)> {
    scene.set(&path("dsa0/cmd_status"), "0");
    dsa_driver(scene, driver, "bind", name).map_err(|error| (error, scene.read(&path("dsa0/cmd_status"))))
}

fn no(error: Errno, status: &str) -> Result<(), (Errno, String)> {
    Err((error, status.to_owned()))
}

pub(super) fn set(scene: &Scene, part: &str, values: &[(&str, &str)]) {
    for (name, value) in values {
        scene.set(&path(&format!("{part}/{name}")), value);
    }
}

pub(super) const USER: [(&str, &str); 7] = [
    ("group_id", "0"),
    ("size", "16"),
    ("priority", "10"),
    ("mode", "dedicated"),
    ("type", "user"),
    ("name", "app"),
    ("driver_name", "user"),
];

/// An accelerator that is enabled, with a queue that can be.
pub(super) fn ready() -> Scene {
    let scene = dsa();
    scene.set(&path("engine0.0/group_id"), "0");
    set(&scene, "wq0.0", &USER);
    assert_eq!(bind(&scene, "idxd", "dsa0"), Ok(()));
    scene
}

#[test]
fn an_accelerator_needs_queues_with_engines() {
    let scene = dsa();
    assert_eq!(bind(&scene, "idxd", "dsa0"), no(Errno::NXIO, "0x800d0000"));
    set(&scene, "wq0.0", &[("group_id", "0")]);
    assert_eq!(bind(&scene, "idxd", "dsa0"), no(Errno::NXIO, "0"));
    scene.set(&path("engine0.0/group_id"), "1");
    assert_eq!(bind(&scene, "idxd", "dsa0"), no(Errno::NXIO, "0x15"));
    scene.set(&path("engine0.0/group_id"), "0");
    scene.kernel.node().set_attribute(path("dsa0/pasid_enabled"), "0").unwrap();
    assert_eq!(bind(&scene, "idxd", "dsa0"), no(Errno::NXIO, "0x800c0000"));
    scene.kernel.node().set_attribute(path("dsa0/pasid_enabled"), "1").unwrap();
    scene.kernel.node().set_attribute(path("dsa0/state"), "halted").unwrap();
    assert_eq!(bind(&scene, "idxd", "dsa0"), no(Errno::NXIO, "0x80000010"));
    scene.kernel.node().set_attribute(path("dsa0/state"), "disabled").unwrap();
    assert_eq!(bind(&scene, "idxd", "dsa0\n"), Ok(()));
    assert_eq!(scene.read(&path("dsa0/state")), "enabled");
    assert_eq!(bind(&scene, "idxd", "dsa0"), no(Errno::BUSY, "0"));
}

#[test]
fn a_size_that_was_not_chosen_is_16() {
    let scene = dsa();
    scene.set(&path("engine0.0/group_id"), "0");
    set(&scene, "wq0.0", &[("group_id", "0"), ("type", "user")]);
    set(&scene, "wq0.1", &[("group_id", "0"), ("size", "120")]);
    assert_eq!(bind(&scene, "idxd", "dsa0"), no(Errno::NXIO, "0x14"));
    assert_eq!(scene.read(&path("wq0.0/size")), "16");
    set(&scene, "wq0.1", &[("size", "0")]);
    assert_eq!(bind(&scene, "idxd", "dsa0"), Ok(()));
    assert_eq!(scene.read(&path("wq0.1/size")), "0");
}

#[test]
fn drivers_are_for_accelerators_or_queues() {
    let scene = ready();
    for (driver, name) in [
        ("user", "dsa0"),
        ("idxd", "wq0.0"),
        ("idxd", "dsa1"),
        ("user", "wq0.9"),
        ("user", "engine0.0"),
        ("user", "group0.0"),
    ] {
        assert_eq!(bind(&scene, driver, name), no(Errno::NODEV, "0"), "{driver} {name}");
        assert_eq!(dsa_driver(&scene, driver, "unbind", name), Err(Errno::NODEV), "{driver} {name}");
    }
}

#[test]
fn a_queue_of_users_has_a_node() {
    let mut scene = ready();
    let before = scene.tree();
    let _ = scene.uevents();
    for _ in 0..2 {
        assert_eq!(bind(&scene, "user", "wq0.0"), Ok(()));
        assert_eq!(scene.read(&path("wq0.0/state")), "enabled");
        assert_eq!(scene.read(&path("wq0.0/cdev_minor")), "0");
        let number = scene.host.device_number("/dev/dsa/wq0.0").unwrap();
        assert_eq!((number.major, number.minor), (236, 0));
        assert_eq!(scene.read(&path("wq0.0/dsa!wq0.0/dev")), "236:0");
        assert_eq!(scene.host.link_name(path("wq0.0/driver")).unwrap(), "user");
        assert!(scene.exists("/sys/bus/dsa/drivers/user/wq0.0/size") && scene.exists("/dev/char/236:0"));
        scene.is_sound();
        assert_eq!(scene.uevents(), ["add dsa dsa!wq0.0", "bind dsa wq0.0"]);
        assert_eq!(bind(&scene, "user", "wq0.0"), no(Errno::BUSY, "0"));
        assert_eq!(dsa_driver(&scene, "dmaengine", "unbind", "wq0.0"), Err(Errno::NODEV));
        assert_eq!(dsa_driver(&scene, "user", "unbind", "wq0.0"), Ok(()));
        assert!(!scene.exists("/dev/dsa") && !scene.exists("/sys/bus/dsa/drivers/user/wq0.0"));
        assert!(!scene.exists(&path("wq0.0/cdev_minor")) && !scene.exists(&path("wq0.0/driver")));
        assert_eq!(scene.uevents(), ["remove dsa dsa!wq0.0", "unbind dsa wq0.0"]);
        // The settings are gone, but not those that need a disabled accelerator.
        let read = |name: &str| scene.read(&path(&format!("wq0.0/{name}")));
        for (name, value) in
            [("state", "disabled"), ("type", "none"), ("name", ""), ("mode", "shared"), ("priority", "0")]
        {
            assert_eq!(read(name), value, "{name}");
        }
        assert_eq!(
            (read("size").as_str(), read("group_id").as_str(), read("driver_name").as_str()),
            ("16", "0", "user")
        );
        assert_eq!(dsa_driver(&scene, "user", "unbind", "wq0.0"), Err(Errno::NODEV));
        set(&scene, "wq0.0", &[("type", "user"), ("name", "app"), ("mode", "dedicated"), ("priority", "10")]);
    }
    assert_eq!(scene.tree(), before);
}

#[test]
fn a_queue_lacks_something() {
    let scene = ready();
    let broken = |name: &str, value: &str, driver: &str, answer| {
        set(&scene, "wq0.0", &[("type", "user"), ("name", "app"), ("driver_name", driver)]);
        let was = scene.read(&path(&format!("wq0.0/{name}")));
        scene.kernel.node().set_attribute(path(&format!("wq0.0/{name}")), value).unwrap();
        assert_eq!(bind(&scene, driver, "wq0.0"), answer, "{name}");
        assert_eq!(scene.read(&path("wq0.0/state")), "disabled");
        assert!(!scene.exists("/dev/dsa") && !scene.exists(&path("wq0.0/driver")));
        scene.kernel.node().set_attribute(path(&format!("wq0.0/{name}")), &was).unwrap();
    };
    for driver in ["user", "dmaengine"] {
        broken("group_id", "-1", driver, no(Errno::NXIO, "0x80030000"));
        broken("name", "", driver, no(Errno::NXIO, "0x80040000"));
        broken("mode", "shared", driver, no(Errno::NXIO, "0x80060000"));
        broken("priority", "0", driver, no(Errno::NXIO, "0x23"));
        broken("driver_name", "other", driver, no(Errno::NODEV, "0x80200000"));
    }
    // The name of the driver is a beginning.
    broken("driver_name", "use", "user", no(Errno::NODEV, "0x80200000"));
    broken("size", "0", "user", no(Errno::NXIO, "0x22"));
    // What failed is of no type.
    broken("group_id", "-1", "user", no(Errno::NXIO, "0x80030000"));
    assert_eq!(scene.read(&path("wq0.0/type")), "none");
    scene.set(&path("engine0.0/group_id"), "-1");
    broken("clients", "0", "user", no(Errno::INVAL, "0"));
    broken("clients", "0", "dmaengine", no(Errno::NXIO, "0"));
    scene.set(&path("engine0.0/group_id"), "0");
    scene.kernel.node().set_attribute(path("dsa0/pasid_enabled"), "0").unwrap();
    broken("clients", "0", "user", no(Errno::OPNOTSUPP, "0x80110000"));
    for (name, value) in [("mode", "shared"), ("threshold", "8")] {
        scene.kernel.node().set_attribute(path(&format!("wq0.0/{name}")), value).unwrap();
    }
    broken("clients", "0", "dmaengine", no(Errno::NXIO, "0x80050000"));
}

#[test]
fn a_queue_needs_an_enabled_accelerator() {
    let scene = dsa();
    set(&scene, "wq0.0", &USER);
    assert_eq!(bind(&scene, "user", "wq0.0"), no(Errno::NXIO, "0"));
    assert_eq!(bind(&scene, "dmaengine", "wq0.0"), no(Errno::NXIO, "0"));
}

#[test]
fn a_kernel_without_names_of_drivers_asks_for_none() {
    let scene = ready();
    scene.kernel.node().delete(path("wq0.0/driver_name")).unwrap();
    assert_eq!(bind(&scene, "user", "wq0.0"), Ok(()));
}

#[test]
fn what_is_enabled_cannot_be_changed() {
    let scene = ready();
    for (name, value, error) in [
        ("wq0.1/size", "1", Errno::PERM),
        ("group0.0/read_buffers_reserved", "1", Errno::PERM),
        ("group0.0/read_buffers_allowed", "8", Errno::PERM),
        ("group0.0/traffic_class_a", "1", Errno::PERM),
        ("dsa0/read_buffer_limit", "1", Errno::PERM),
    ] {
        assert_eq!(scene.write(&path(name), value), Err(error), "{name}");
    }
    // A queue that is disabled can be changed for the most part.
    set(&scene, "wq0.1", &[("priority", "1"), ("mode", "shared"), ("type", "user")]);
    assert_eq!(bind(&scene, "user", "wq0.0"), Ok(()));
    for (name, value, error) in [
        ("group_id", "1", Errno::PERM),
        ("size", "1", Errno::PERM),
        ("mode", "shared", Errno::PERM),
        ("priority", "1", Errno::PERM),
        ("type", "user", Errno::PERM),
        ("name", "other", Errno::PERM),
        ("driver_name", "user", Errno::PERM),
        ("ats_disable", "1", Errno::PERM),
        ("max_transfer_size", "4096", Errno::PERM),
        ("max_batch_size", "16", Errno::PERM),
        ("threshold", "8", Errno::NXIO),
        ("block_on_fault", "1", Errno::NXIO),
    ] {
        assert_eq!(scene.write(&path(&format!("wq0.0/{name}")), value), Err(error), "{name}");
    }
}

#[test]
fn an_accelerator_that_is_disabled_forgets() {
    let mut scene = ready();
    set(
        &scene,
        "wq0.1",
        &[("type", "kernel"), ("name", "copy"), ("driver_name", "dmaengine"), ("priority", "1")],
    );
    assert_eq!(bind(&scene, "user", "wq0.0"), Ok(()));
    let _ = scene.uevents();
    assert_eq!(dsa_driver(&scene, "idxd", "unbind", "dsa0"), Ok(()));
    assert_eq!(scene.uevents(), ["remove dsa dsa!wq0.0", "unbind dsa wq0.0", "unbind dsa dsa0"]);
    assert_eq!(dsa_driver(&scene, "idxd", "unbind", "dsa0"), Err(Errno::NODEV));
    // Even of a queue that was not enabled; but not the names of drivers.
    for (queue, driver) in [("wq0.0", "user"), ("wq0.1", "dmaengine")] {
        let name = path(&format!("{queue}/driver_name"));
        assert_eq!(scene.read(&name), driver);
        scene.kernel.node().set_attribute(&name, "").unwrap();
    }
    assert_eq!(scene.tree(), dsa().tree());
}

#[test]
fn enable_change_disable_change_enable() {
    let scene = ready();
    assert_eq!(bind(&scene, "user", "wq0.0"), Ok(()));
    assert_eq!(scene.write(&path("wq0.0/size"), "32"), Err(Errno::PERM));
    assert_eq!(dsa_driver(&scene, "idxd", "unbind", "dsa0"), Ok(()));
    scene.set(&path("engine0.0/group_id"), "0");
    set(&scene, "wq0.0", &USER);
    set(&scene, "wq0.0", &[("size", "32"), ("mode", "shared"), ("threshold", "32")]);
    set(&scene, "wq0.1", &USER);
    assert_eq!(bind(&scene, "idxd", "dsa0"), Ok(()));
    assert_eq!(bind(&scene, "user", "wq0.1"), Ok(()));
    assert_eq!(bind(&scene, "user", "wq0.0"), Ok(()));
    assert_eq!(scene.read(&path("wq0.1/cdev_minor")), "0");
    assert_eq!(scene.read(&path("wq0.0/cdev_minor")), "1");
    scene.is_sound();
}
