//! What is written to accelerators, and when nothing is.

use std::path::{Path, PathBuf};

use crate::scene::{Scene, edited, fresh_dsa, fresh_iaa, older_dsa, one_queue};

/// All values below the accelerators of a node.
fn values(scene: &Scene) -> Vec<(PathBuf, String)> {
    fn add(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
        entries.sort_by_key(std::fs::DirEntry::path);
        for entry in entries {
            if entry.file_type().unwrap().is_dir() {
                add(&entry.path(), found);
            } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
                found.push((entry.path(), text));
            }
        }
    }
    let mut found = Vec::new();
    add(&scene.kernel.node().root().join("sys/devices"), &mut found);
    found.retain(|(path, _)| path.file_name().is_some_and(|name| name != "cmd_status"));
    found
}

/// A node with a DSA that is as the built-in file says.
pub(crate) fn configured() -> Scene {
    let scene = Scene::of(&fresh_dsa(0));
    assert_eq!(scene.dsa(&[]).plan(), "");
    scene
}

/// From now on it is to be another way.
pub(crate) fn other(scene: &Scene) {
    scene.config("dsa.conf", &edited("\"priority\": 10", "\"priority\": 11"));
}

#[test]
fn a_fresh_node_is_configured_and_left_alone_from_then_on() {
    let scene = Scene::of(&(fresh_dsa(0) + &fresh_iaa(1)));
    assert_eq!(scene.dsa(&[]).plan(), "");
    assert_eq!(scene.read("iax1/state"), "disabled");
    assert_eq!(scene.iaa(&[]).plan(), "");
    for (path, value) in [
        ("dsa0/state", "enabled"),
        ("wq0.3/state", "enabled"),
        ("wq0.3/name", "dpdk_03"),
        ("wq0.3/mode", "dedicated"),
        ("wq0.4/state", "disabled"),
        ("engine0.2/group_id", "2"),
        ("iax1/state", "enabled"),
        ("wq1.2/max_transfer_size", "4194304"),
    ] {
        assert_eq!(scene.read(path), value, "{path}");
    }
    let written = scene.kernel.written().len();
    // Also while it is in use.
    scene.set("wq0.3/clients", "2");
    for _ in 0..2 {
        assert_eq!(scene.dsa(&[]).plan(), "");
        assert_eq!(scene.iaa(&[]).plan(), "");
    }
    assert_eq!(scene.kernel.written().len(), written);
    assert_eq!(scene.dsa(&["-dry-run"]).plan(), "# dsa0: nothing to write\n");
}

#[test]
fn what_differs_is_disabled_configured_and_enabled_again() {
    let differences: [(&str, &str); 8] = [
        ("wq0.1/block_on_fault", "0"),
        ("wq0.1/priority", "9"),
        ("wq0.1/name", "another"),
        ("wq0.1/driver_name", "dmaengine"),
        ("wq0.1/state", "disabled"),
        ("wq0.5/state", "enabled"),
        ("engine0.1/group_id", "0"),
        ("group0.2/read_buffers_reserved", "1"),
    ];
    let scene = configured();
    let expected = values(&scene);
    for (path, value) in differences {
        scene.set(path, value);
        let before = scene.kernel.written().len();
        assert_eq!(scene.dsa(&[]).plan(), "", "{path}");
        let written = scene.kernel.written();
        assert_eq!(written[before].0, Path::new("/sys/bus/dsa/drivers/idxd/unbind"), "{path}");
        assert_eq!(values(&scene), expected, "{path}");
        assert_eq!(scene.dsa(&["-dry-run"]).plan(), "# dsa0: nothing to write\n", "{path}");
    }
}

#[test]
fn what_the_kernel_forgets_to_clear_is_cleared() {
    let scene = configured();
    scene.set("wq0.1/prs_disable", "1");
    assert_eq!(scene.dsa(&[]).plan(), "");
    assert_eq!(scene.read("wq0.1/prs_disable"), "0");
    assert_eq!(scene.read("wq0.1/block_on_fault"), "1");
}

#[test]
fn values_are_compared_as_the_kernel_shows_them() {
    let scene = Scene::of(&fresh_dsa(0));
    scene.set("wq0.0/op_config", "00000000,00000000,00000000,00000000,00000000,00000000,00000001,003f03ff");
    let settings = "\"type\": \"user\", \"op_config\": \"1,3F03ff\", \"max_transfer_size\": 1000";
    scene.config("dsa.conf", &one_queue(settings));
    assert!(!scene.dsa(&["-dry-run"]).plan().contains("op_config"));
    assert_eq!(scene.dsa(&[]).plan(), "");
    assert_eq!(scene.read("wq0.0/max_transfer_size"), "1024");
    assert_eq!(scene.dsa(&["-dry-run"]).plan(), "# dsa0: nothing to write\n");
}

#[test]
fn a_queue_with_another_driver_than_wanted_differs() {
    let scene = configured();
    scene.delete("wq0.1/driver_name");
    let link = scene.kernel.node().root().join("sys/bus/dsa/devices/wq0.1/driver");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("/sys/bus/dsa/drivers/dmaengine", &link).unwrap();
    assert!(scene.dsa(&["-dry-run"]).plan().starts_with("# dsa0\n/sys/bus/dsa/drivers/idxd/unbind = dsa0\n"));
}

#[test]
fn a_device_in_use_is_not_touched() {
    let scene = configured();
    other(&scene);
    // A queue that the file does not even name.
    scene.set("wq0.6/clients", "3");
    let written = scene.kernel.written();
    let refused = "dsa0 is left as it is: /sys/bus/dsa/devices/wq0.0/priority is \"10\", not \"11\" (and 3 more differ), but wq0.6 is in use (clients: 3)";
    assert_eq!(scene.dsa(&[]).error(), refused);
    assert_eq!(scene.dsa(&["-dry-run"]).error(), refused);
    scene.set("wq0.6/clients", "many");
    assert_eq!(scene.dsa(&[]).error(), "wq0.6: clients is \"many\", which is no number");
    assert_eq!(scene.kernel.written(), written);
    scene.set("wq0.6/clients", "0");
    assert_eq!(scene.dsa(&[]).plan(), "");
    assert_eq!(scene.read("wq0.0/priority"), "11");
}

#[test]
fn queues_that_are_not_wanted_any_more_are_given_up() {
    let scene = configured();
    scene.config("dsa.conf", &one_queue("\"type\": \"user\""));
    assert_eq!(scene.dsa(&[]).plan(), "");
    assert_eq!(scene.read("wq0.0/state"), "enabled");
    for queue in 1..4 {
        assert_eq!(scene.read(&format!("wq0.{queue}/state")), "disabled");
        assert_eq!(scene.read(&format!("wq0.{queue}/size")), "0");
        assert_eq!(scene.read(&format!("engine0.{queue}/group_id")), "-1");
    }
}

#[test]
fn what_was_left_on_a_disabled_device_does_not_stand_in_the_way() {
    let scene = Scene::of(&fresh_dsa(0));
    for (path, value) in [
        ("wq0.5/size", "100"),
        ("wq0.5/group_id", "2"),
        ("wq0.0/prs_disable", "1"),
        ("engine0.0/group_id", "1"),
        ("engine0.2/group_id", "1"),
        ("engine0.3/group_id", "1"),
        ("group0.3/read_buffers_reserved", "96"),
    ] {
        scene.set(path, value);
    }
    assert_eq!(scene.dsa(&[]).plan(), "");
    assert_eq!(scene.read("wq0.0/block_on_fault"), "1");
    assert_eq!(scene.read("group0.3/read_buffers_reserved"), "0");
}

#[test]
fn an_older_kernel_is_configured_through_its_one_driver() {
    let scene = older_dsa();
    assert_eq!(scene.dsa(&[]).plan(), "");
    assert_eq!(scene.read("wq0.3/state"), "enabled");
    let written = scene.kernel.written().len();
    assert_eq!(scene.dsa(&[]).plan(), "");
    assert_eq!(scene.kernel.written().len(), written);
}

#[test]
fn what_the_firmware_configured_is_only_enabled() {
    let scene = Scene::of(&fresh_dsa(0));
    for (path, value) in [
        ("dsa0/configurable", "0"),
        ("engine0.0/group_id", "0"),
        ("wq0.0/group_id", "0"),
        ("wq0.0/size", "32"),
        ("wq0.0/mode", "dedicated"),
        ("wq0.0/priority", "10"),
    ] {
        scene.set(path, value);
    }
    scene.config("dsa.conf", &one_queue("\"type\": \"user\""));
    let run = scene.dsa(&[]);
    assert_eq!(run.report.errors, [""; 0]);
    assert_eq!(run.report.warnings, ["dsa0 is configured by the firmware: size of wq0.0 stays \"32\""]);
    let written: Vec<String> =
        scene.kernel.written().iter().map(|(path, value)| format!("{}={value}", path.display())).collect();
    let queue = "/sys/devices/pci0000:6a/0000:6a:01.0/dsa0/wq0.0";
    let expected = [
        format!("{queue}/type=user"),
        format!("{queue}/name=app"),
        format!("{queue}/driver_name=user"),
        "/sys/bus/dsa/drivers/idxd/bind=dsa0".to_owned(),
        "/sys/bus/dsa/drivers/user/bind=wq0.0".to_owned(),
    ];
    assert_eq!(written, expected);
    assert_eq!(scene.read("wq0.0/state"), "enabled");
    assert_eq!(scene.read("wq0.0/size"), "32");
}
