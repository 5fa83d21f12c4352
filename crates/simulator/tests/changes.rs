//! Nodes that change, and what nodes refuse.

#![expect(clippy::unwrap_used, reason = "a helper of tests that fails should end the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use host::uevent::{Drained, Uevent, UeventSource};
use simulator::{Damage, Profile, SimulatedNode, SimulatorError, listing};

const CARD: &str =
    "pci-gpu as=card8 at=pci0000:3a pci=0000:3a:00.0 device=0x56c0 driver=i915 card=8 render=136";
const FOLDER: &str = "/sys/devices/pci0000:3a/0000:3a:00.0";

fn node_of(profile: &str) -> (tempfile::TempDir, SimulatedNode) {
    let folder = tempfile::tempdir().unwrap();
    let node = SimulatedNode::create(folder.path().join("node"), &Profile::parse("test", profile).unwrap());
    (folder, node.unwrap())
}

fn refusal(profile: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::parse("test", profile).unwrap();
    chain(&SimulatedNode::create(folder.path(), &profile).unwrap_err())
}

fn chain(error: &SimulatorError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn tree(node: &SimulatedNode) -> String {
    listing(node.root()).unwrap()
}

/// `add drm /devices/..` of each event.
fn said(drained: &Drained) -> Vec<String> {
    assert!(!drained.lost);
    drained
        .events
        .iter()
        .map(|event| format!("{} {} {}", event.action, event.subsystem, event.devpath))
        .collect()
}

#[test]
fn what_is_plugged_in_and_pulled_out_is_announced() {
    let (_folder, mut node) = node_of("use drm\nuse pci-driver driver=i915");
    let mut uevents = UeventSource::open(&node.host()).unwrap();
    node.add(CARD).unwrap();
    let added = uevents.drain().unwrap();
    let path = "/devices/pci0000:3a/0000:3a:00.0";
    assert_eq!(
        said(&added),
        [
            format!("add pci {path}"),
            format!("add drm {path}/drm/renderD136"),
            format!("add drm {path}/drm/card8"),
        ]
    );
    let properties = BTreeMap::from([("DEVNAME", "dri/card8"), ("MAJOR", "226"), ("MINOR", "8")]);
    assert!(added.events[2].properties.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(properties));

    node.remove("card8").unwrap();
    let removed = uevents.drain().unwrap();
    assert_eq!(
        said(&removed),
        [
            format!("remove drm {path}/drm/card8"),
            format!("remove drm {path}/drm/renderD136"),
            format!("remove pci {path}"),
        ]
    );
    assert_eq!(removed.events[0].properties, added.events[2].properties);

    let event = Uevent { action: "change".into(), devpath: path.into(), ..Uevent::default() };
    node.uevent(&event).unwrap();
    assert_eq!(uevents.drain().unwrap().events, [event]);
    let broken = Uevent { action: "a\0b".into(), devpath: path.into(), ..Uevent::default() };
    assert!(chain(&node.uevent(&broken).unwrap_err()).contains("zero byte"));
}

#[test]
fn a_device_that_cannot_be_plugged_in_wholly_leaves_nothing_behind() {
    // In the way of udev: the kernel's part is there by then, and has been announced.
    let (_folder, mut node) = node_of("dangling /dev/char/226:8 -> ../gone");
    let mut uevents = UeventSource::open(&node.host()).unwrap();
    let before = tree(&node);
    let message = chain(&node.add(CARD).unwrap_err());
    assert!(message.contains("char-device:7: /dev/char/226:8 is made by test:1 already"), "{message}");
    assert_eq!(tree(&node), before);
    assert_eq!(node.devices().count(), 0);
    let said = said(&uevents.drain().unwrap());
    assert_eq!(said.len(), 6, "{said:?}");
    assert!(said[2].starts_with("add ") && said[3].starts_with("remove "), "{said:?}");

    // In the way of the kernel: nobody ever heard of the device.
    let (_folder, mut node) = node_of("char /dev/dri/card8 1:3");
    let mut uevents = UeventSource::open(&node.host()).unwrap();
    let before = tree(&node);
    assert!(node.add(CARD).is_err());
    assert_eq!(tree(&node), before);
    assert_eq!(uevents.drain().unwrap().events, []);
}

#[test]
fn folders_of_the_kernel_stay_when_the_last_device_goes() {
    let (_folder, mut node) = node_of("");
    node.add(CARD).unwrap();
    // Of another program, and no device's.
    fs::create_dir(node.root().join("sys/devices/system")).unwrap();
    node.remove("card8").unwrap();
    for folder in ["dev", "sys/devices/system", "sys/class"] {
        assert!(node.root().join(folder).is_dir(), "{folder}");
    }
    assert!(!node.root().join("sys/class/drm").exists());
}

#[test]
fn what_other_programs_made_stays_unless_it_is_in_a_folder_of_sysfs_that_goes() {
    let (_folder, mut node) = node_of("");
    node.add(CARD).unwrap();
    fs::write(node.root().join("dev/dri/mine"), "x").unwrap();
    node.set_attribute(format!("{FOLDER}/sriov_numvfs"), "0").unwrap();
    node.remove("card8").unwrap();
    assert!(tree(&node).contains("file /dev/dri/mine x\\c\n"));
    assert!(!tree(&node).contains("sriov_numvfs"));
}

#[test]
fn a_damaged_device_can_be_pulled_out() {
    let (_folder, mut node) = node_of("use drm");
    let before = tree(&node);
    for path in [
        "/dev/dri/card8",
        "/dev/dri",
        "/sys/class/drm/card8",
        "/sys/class/drm/card8/device/vendor",
        "/sys/class/drm/card8/device/drm",
        "/sys/devices/pci0000:3a",
    ] {
        for damage in Damage::ALL {
            node.add(CARD).unwrap_or_else(|e| panic!("{path} after {damage:?}: {}", chain(&e)));
            let whole = tree(&node);
            match node.damage(path, damage) {
                Ok(()) => assert_ne!(tree(&node), whole, "{path} {damage:?}"),
                // A file cannot take the place of a folder that is not empty.
                Err(e) => assert!(chain(&e).contains("not empty"), "{path} {damage:?}: {}", chain(&e)),
            }
            node.remove("card8").unwrap_or_else(|e| panic!("{path} {damage:?}: {}", chain(&e)));
            assert_eq!(tree(&node), before, "{path} {damage:?}");
        }
    }
}

#[test]
fn a_device_whose_folder_became_a_link_to_another_does_not_take_that_one_along() {
    let (_folder, mut node) = node_of("");
    node.add(CARD).unwrap();
    let without = tree(&node);
    node.add("pci-gpu as=card9 at=pci0000:3b pci=0000:3b:00.0 device=0x56c0 driver=i915 card=9 render=137")
        .unwrap();
    let other = node.root().join("sys/devices/pci0000:3b");
    fs::remove_dir_all(&other).unwrap();
    std::os::unix::fs::symlink("pci0000:3a", &other).unwrap();
    std::os::unix::fs::symlink("0000:3a:00.0", node.root().join(&FOLDER[1..]).with_file_name("0000:3b:00.0"))
        .unwrap();
    node.remove("card9").unwrap();
    fs::remove_file(node.root().join(&FOLDER[1..]).with_file_name("0000:3b:00.0")).unwrap();
    assert_eq!(tree(&node), without);
}

#[test]
fn a_damaged_attribute_cannot_be_read_until_it_is_set() {
    let (_folder, mut node) = node_of("");
    node.add(CARD).unwrap();
    let vendor = "/sys/class/drm/card8/device/vendor";
    for damage in Damage::ALL {
        node.damage(vendor, damage).unwrap();
        match node.host().read(vendor) {
            Ok(text) => {
                assert!(matches!(damage, Damage::Empty | Damage::Pipe), "{damage:?}");
                assert_eq!(text, "");
            }
            Err(error) => assert_eq!(
                error.is_not_found(),
                matches!(damage, Damage::Missing | Damage::DanglingLink),
                "{damage:?}: {error}"
            ),
        }
        node.set_attribute(vendor, "0x8086").unwrap();
        assert_eq!(fs::read(node.root().join(&FOLDER[1..]).join("vendor")).unwrap(), b"0x8086\n");
    }
    node.delete(vendor).unwrap();
    assert!(node.host().read(vendor).unwrap_err().is_not_found());
    assert!(chain(&node.delete(vendor).unwrap_err()).starts_with(&format!("cannot find {vendor}: ")));
    assert!(chain(&node.damage(vendor, Damage::Binary).unwrap_err()).starts_with("cannot find "));
}

#[test]
fn renames_elsewhere_on_the_machine_do_not_get_in_the_way() {
    let (folder, mut node) = node_of("file /a/value 0\nlink /b/c/d/e/f/g/way -> /a");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    fs::write(&one, "").unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fs::rename(&one, &two).unwrap();
                fs::rename(&two, &one).unwrap();
            }
        });
        let set: Vec<_> = (0..3_000).map(|_| node.set_attribute("/b/c/d/e/f/g/way/value", "1")).collect();
        stop.store(true, Ordering::Relaxed);
        for result in set {
            result.unwrap();
        }
    });
}

#[test]
fn a_folder_that_holds_something_is_not_overwritten() {
    let (_folder, mut node) = node_of("file /sys/class/a 1");
    let error = chain(&node.set_attribute("/sys/class", "1").unwrap_err());
    assert!(error.starts_with("cannot write /sys/class: "), "{error}");
    assert!(node.host().exists("/sys/class/a"));
    assert!(node.set_attribute("/no/such/folder", "1").is_err());
}

#[test]
fn nothing_outside_the_root_is_touched() {
    let (folder, mut node) = node_of("dangling /sys/out -> ../../outside\ndangling /sys/abs -> /outside");
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    for path in ["/sys/out/file", "/sys/abs/file"] {
        assert!(node.set_attribute(path, "1").is_err());
        assert!(node.delete(path).is_err());
    }
    for path in ["/../outside/file", "/sys/../../outside/file", "outside/file", "/", ""] {
        assert!(node.set_attribute(path, "1").is_err(), "{path}");
        assert!(node.delete(path).is_err(), "{path}");
        assert!(node.damage(path, Damage::LinkLoop).is_err(), "{path}");
    }
    // A link to the outside goes, not what it leads to; and a folder with such links in it too.
    std::os::unix::fs::symlink(&outside, node.root().join("sys/link")).unwrap();
    node.delete("/sys/link").unwrap();
    fs::create_dir_all(node.root().join("sys/deep/folder")).unwrap();
    std::os::unix::fs::symlink(&outside, node.root().join("sys/deep/folder/link")).unwrap();
    node.delete("/sys/deep").unwrap();
    assert!(!node.host().exists("/sys/deep"));
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"precious");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn a_profile_that_contradicts_itself_is_refused_with_the_line() {
    for (profile, expected) in [
        ("file /a 1\nfile /a 2", "test:2: /a is made by test:1 already"),
        ("file /a 1\nfile /a/b 2", "cannot make the folder /a: "),
        ("file /a/b 1\nfile /a 2", "cannot make the file /a: File exists"),
        ("dir /a\ndangling /b -> a\nfile /b/c 1", "cannot make the folder /b: "),
        ("dir /a\nlink /b/c -> ../a\nfile /b/c/d/e 1", "cannot make the folder /b/c: "),
        ("link /a -> /b", "test:1: /a -> b leads nowhere; write `dangling` if that is meant"),
        ("link /a -> /a", "test:1: /a -> a leads nowhere"),
    ] {
        let message = refusal(profile);
        assert!(message.starts_with(expected), "{profile:?}: {message}");
    }
    // In any order, and to what another line makes.
    node_of("link /a -> /b\ndir /b\ndir /b\nlink /c -> /a");
}

#[test]
fn a_root_that_cannot_hold_a_node_is_refused() {
    let profile = Profile::builtin("flex-170-x2").unwrap();
    let error = SimulatedNode::create("/", &profile).unwrap_err().to_string();
    assert_eq!(error, "cannot use / as the root of a simulated node: it is the root of this machine");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(SimulatedNode::create(&file, &profile).is_err());

    let root = folder.path().join("new/node");
    let node = SimulatedNode::create(&root, &profile).unwrap();
    assert_eq!(node.root(), root.canonicalize().unwrap());
    let again = chain(&SimulatedNode::create(&root, &profile).unwrap_err());
    assert!(again.starts_with("cannot make the file /sys/") && again.contains("File exists"), "{again}");
}

#[test]
fn devices_are_added_and_removed_by_their_names() {
    let (_folder, mut node) = node_of("");
    node.add(CARD).unwrap();
    assert!(node.devices().eq(["card8"]));
    let twice = chain(&node.add(CARD).unwrap_err());
    assert!(twice.ends_with("the node has a device card8 already"), "{twice}");
    let nameless = chain(&node.add(&CARD.replace(" as=card8", "")).unwrap_err());
    assert!(nameless.ends_with("expected `as=NAME`, the name of the new device"), "{nameless}");
    let unknown = chain(&node.remove("card9").unwrap_err());
    assert_eq!(unknown, "the simulated node has no device \"card9\"; it has: card8");
    node.remove("card8").unwrap();
    let gone = chain(&node.remove("card8").unwrap_err());
    assert!(gone.ends_with("it has: none"), "{gone}");
}

#[test]
fn stand_ins_are_listed_as_the_device_nodes_they_stand_for() {
    let folder = tempfile::tempdir().unwrap();
    let profile =
        Profile::parse("test", "char /dev/dxg 10:126\nblock /dev/sda 8:0\nfile /dev/note c 1:2:3").unwrap();
    let real = SimulatedNode::create(folder.path().join("real"), &profile).unwrap();
    let plain = SimulatedNode::create_with_stand_ins(folder.path().join("plain"), &profile).unwrap();
    assert_eq!(tree(&real), tree(&plain));
    assert!(tree(&plain).starts_with("char /dev/dxg 10:126\nfile /dev/note c 1:2:3\nblock /dev/sda 8:0\n"));
    for node in [&real, &plain] {
        let number = node.host().device_number("/dev/dxg").unwrap();
        assert_eq!((number.block, number.major, number.minor), (false, 10, 126));
    }
    assert!(Path::new(&plain.root().join("dev/dxg")).is_file());
}
