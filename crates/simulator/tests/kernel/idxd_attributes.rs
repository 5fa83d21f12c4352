//! Attributes of accelerators, groups, engines and work queues.

use rustix::io::Errno;

use super::scene::Scene;

const PCI: &str = "at=pci0000:6a pci=0000:6a:01.0";

/// A DSA as it is after boot, with three of its queues.
pub(super) fn dsa() -> Scene {
    let mut lines =
        format!("use idxd\nuse vfio\nuse dsa as=dsa0 id=0 {PCI} group=112 state=disabled engine-group=-1\n");
    for queue in 0..3 {
        lines += &format!("use idxd-wq as=wq0.{queue} name=dsa0 wq=0.{queue} {PCI} mode=shared\n");
    }
    Scene::of(&lines)
}

/// An attribute of the accelerator or a part of it.
pub(super) fn path(name: &str) -> String {
    format!("/sys/bus/dsa/devices/{name}")
}

/// Writes each value, and tells what is shown then.
fn shown(scene: &Scene, name: &str, values: &[(&str, Result<&str, Errno>)]) {
    for (value, expected) in values {
        let before = scene.host.read(path(name)).unwrap();
        let answer = scene.write(&path(name), value);
        assert_eq!(answer, expected.map(drop), "{value:?} to {name}");
        assert_eq!(scene.read(&path(name)), expected.unwrap_or(&before), "{value:?} to {name}");
    }
}

const INVAL: Result<&str, Errno> = Err(Errno::INVAL);
const PERM: Result<&str, Errno> = Err(Errno::PERM);

#[test]
fn what_a_queue_takes() {
    let scene = dsa();
    shown(
        &scene,
        "wq0.0/group_id",
        &[("0", Ok("0")), ("3\n", Ok("3")), ("4", INVAL), ("-2", INVAL), ("x", INVAL), ("-1", Ok("-1"))],
    );
    shown(
        &scene,
        "wq0.0/priority",
        &[("15", Ok("15")), ("16", INVAL), ("-1", INVAL), ("0x1", INVAL), ("0", Ok("0")), ("1", Ok("1"))],
    );
    shown(
        &scene,
        "wq0.0/mode",
        &[("dedicated\n", Ok("dedicated")), ("shared", Ok("shared")), ("Shared", INVAL), ("", Ok("shared"))],
    );
    shown(
        &scene,
        "wq0.0/type",
        &[("user", Ok("user")), ("kernel", Ok("kernel")), ("mdev", INVAL), ("none", Ok("none"))],
    );
    shown(&scene, "wq0.0/driver_name", &[("user\n", Ok("user")), (&"u".repeat(129), INVAL)]);
    shown(&scene, "wq0.0/block_on_fault", &[("1", Ok("1")), ("x", INVAL), ("0", Ok("0")), ("on", Ok("1"))]);
    shown(&scene, "wq0.0/ats_disable", &[("1", Ok("1")), ("2", INVAL), ("n", Ok("0"))]);
    shown(
        &scene,
        "wq0.0/max_transfer_size",
        &[
            ("0", INVAL),
            ("5000", Ok("8192")),
            ("0x1000", Ok("4096")),
            ("2147483648", Ok("2147483648")),
            ("2147483649", INVAL),
        ],
    );
    shown(
        &scene,
        "wq0.0/max_batch_size",
        &[("0", INVAL), ("33", Ok("64")), ("1024", Ok("1024")), ("1025", INVAL)],
    );
    shown(
        &scene,
        "wq0.0/enqcmds_retries",
        &[("64", Ok("64")), ("65", Ok("64")), ("x", INVAL), ("5", Ok("5"))],
    );
    for name in ["state", "clients"] {
        shown(&scene, &format!("wq0.0/{name}"), &[("1", Err(Errno::ACCESS))]);
    }
}

#[test]
fn sizes_share_what_there_is() {
    let scene = dsa();
    shown(&scene, "wq0.0/size", &[("129", INVAL), ("128", Ok("128")), ("-1", INVAL), ("100", Ok("100"))]);
    shown(&scene, "wq0.1/size", &[("29", INVAL), ("28", Ok("28"))]);
    shown(&scene, "wq0.2/size", &[("1", INVAL), ("0", Ok("0"))]);
    shown(&scene, "wq0.0/size", &[("18446744073709551615", INVAL), ("0", Ok("0"))]);
    shown(&scene, "wq0.2/size", &[("100", Ok("100"))]);
}

#[test]
fn a_threshold_is_within_the_size_of_a_shared_queue() {
    let scene = dsa();
    shown(&scene, "wq0.0/threshold", &[("1", INVAL)]);
    scene.set(&path("wq0.0/size"), "16");
    shown(&scene, "wq0.0/threshold", &[("16", Ok("16")), ("17", INVAL), ("0", INVAL), ("0x8", Ok("8"))]);
    scene.set(&path("wq0.0/mode"), "dedicated");
    assert_eq!(scene.read(&path("wq0.0/threshold")), "0");
    shown(&scene, "wq0.0/threshold", &[("8", INVAL)]);
    shown(&scene, "wq0.0/enqcmds_retries", &[("8", Err(Errno::OPNOTSUPP))]);
}

#[test]
fn another_type_takes_the_name() {
    let scene = dsa();
    shown(&scene, "wq0.0/name", &[("  app 1\n", Ok("app 1")), (&"n".repeat(1025), INVAL)]);
    // As it is already.
    scene.set(&path("wq0.0/type"), "none");
    assert_eq!(scene.read(&path("wq0.0/name")), "app 1");
    scene.set(&path("wq0.0/type"), "user");
    assert_eq!(scene.read(&path("wq0.0/name")), "");
}

#[test]
fn operations_are_those_of_the_hardware() {
    let scene = dsa();
    let capable = scene.read(&path("dsa0/op_cap"));
    scene.kernel.node().set_attribute(path("wq0.0/op_config"), &capable).unwrap();
    shown(
        &scene,
        "wq0.0/op_config",
        &[
            ("00000001,00000008", Ok("00000001,00000008")),
            ("00000002,00000000", INVAL),
            ("400000", INVAL),
            ("x", INVAL),
            ("8", Ok("8")),
        ],
    );
}

#[test]
fn page_requests_and_blocking_exclude_each_other() {
    let scene = dsa();
    scene.kernel.node().set_attribute(path("wq0.0/prs_disable"), "0").unwrap();
    scene.set(&path("wq0.0/block_on_fault"), "1");
    scene.set(&path("wq0.0/prs_disable"), "1");
    assert_eq!(scene.read(&path("wq0.0/block_on_fault")), "0");
    shown(&scene, "wq0.0/block_on_fault", &[("1", Err(Errno::OPNOTSUPP)), ("0", Ok("0"))]);
    scene.kernel.node().set_attribute(path("dsa0/gen_cap"), "0x2").unwrap();
    shown(&scene, "wq0.0/block_on_fault", &[("0", Err(Errno::OPNOTSUPP))]);
}

#[test]
fn groups_show_who_is_in_them() {
    let scene = dsa();
    for (part, group) in
        [("engine0.3", "1"), ("engine0.1", "1"), ("wq0.2", "1"), ("wq0.0", "1"), ("wq0.1", "0")]
    {
        scene.set(&path(&format!("{part}/group_id")), group);
    }
    assert_eq!(scene.read(&path("group0.1/engines")), "engine0.1 engine0.3");
    assert_eq!(scene.read(&path("group0.1/work_queues")), "wq0.0 wq0.2");
    assert_eq!(scene.read(&path("group0.0/work_queues")), "wq0.1");
    scene.set(&path("wq0.1/group_id"), "-1");
    assert!(scene.tree().contains("/group0.0/work_queues\n"), "not even a newline");
    for name in ["engines", "work_queues"] {
        shown(&scene, &format!("group0.1/{name}"), &[("x", Err(Errno::ACCESS))]);
    }
    shown(&scene, "engine0.0/group_id", &[("4", INVAL), ("-2", INVAL), ("0", Ok("0"))]);
}

#[test]
fn read_buffers_are_shared() {
    let scene = dsa();
    shown(&scene, "group0.0/read_buffers_reserved", &[("97", INVAL), ("90", Ok("90"))]);
    shown(&scene, "group0.1/read_buffers_reserved", &[("7", INVAL), ("6", Ok("6"))]);
    shown(&scene, "group0.0/read_buffers_reserved", &[("91", INVAL), ("10", Ok("10"))]);
    scene.set(&path("engine0.0/group_id"), "0");
    scene.set(&path("engine0.1/group_id"), "0");
    // 4 for each engine at least.
    shown(
        &scene,
        "group0.0/read_buffers_allowed",
        &[("7", INVAL), ("8", Ok("8")), ("90", Ok("90")), ("91", INVAL)],
    );
    shown(&scene, "group0.0/use_read_buffer_limit", &[("1", PERM)]);
    shown(&scene, "dsa0/read_buffer_limit", &[("97", INVAL), ("40", Ok("40"))]);
    shown(&scene, "group0.0/use_read_buffer_limit", &[("7", Ok("1")), ("x", INVAL), ("0", Ok("0"))]);
}

#[test]
fn traffic_classes_are_fixed_unless_the_module_says_otherwise() {
    let scene = dsa();
    shown(&scene, "group0.0/traffic_class_a", &[("x", INVAL), ("1", PERM)]);
    scene.kernel.node().set_attribute("/sys/module/idxd/parameters/tc_override", "Y").unwrap();
    shown(&scene, "group0.0/traffic_class_a", &[("7", Ok("7")), ("8", INVAL), ("-1", INVAL), ("0", Ok("0"))]);
}

#[test]
fn groups_limit_progress() {
    let scene = dsa();
    for name in ["group0.0/desc_progress_limit", "group0.0/batch_progress_limit"] {
        scene.kernel.node().set_attribute(path(name), "0").unwrap();
        shown(&scene, name, &[("4", INVAL), ("-1", INVAL), ("x", INVAL), ("3", Ok("3"))]);
    }
}

#[test]
fn what_an_accelerator_takes() {
    let scene = dsa();
    for name in ["state", "version", "max_groups", "gen_cap", "op_cap", "cdev_major", "configurable"] {
        shown(&scene, &format!("dsa0/{name}"), &[("1", Err(Errno::ACCESS))]);
    }
    scene.kernel.node().set_attribute(path("dsa0/cmd_status"), "0x80030000").unwrap();
    shown(&scene, "dsa0/cmd_status", &[("1", Ok("0"))]);
    scene.kernel.node().set_attribute(path("dsa0/event_log_size"), "64").unwrap();
    shown(&scene, "dsa0/event_log_size", &[("63", INVAL), ("65536", INVAL), ("128", Ok("128"))]);
}

#[test]
fn one_that_cannot_be_configured_takes_names_and_types() {
    let scene = dsa();
    scene.kernel.node().set_attribute(path("dsa0/configurable"), "0").unwrap();
    for (name, value) in [
        ("wq0.0/group_id", "0"),
        ("wq0.0/size", "16"),
        ("wq0.0/mode", "shared"),
        ("wq0.0/priority", "1"),
        ("wq0.0/block_on_fault", "0"),
        ("wq0.0/max_transfer_size", "4096"),
        ("engine0.0/group_id", "0"),
        ("group0.0/read_buffers_reserved", "1"),
        ("dsa0/read_buffer_limit", "1"),
    ] {
        shown(&scene, name, &[(value, PERM)]);
    }
    shown(&scene, "wq0.0/type", &[("user", Ok("user"))]);
    shown(&scene, "wq0.0/name", &[("app", Ok("app"))]);
}
