//! Work queues.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use device_plugin::policy::Choice;
use device_plugin::{DevicePlugin as _, Expectation, Inventory};
use simulator::Damage;

use crate::scene::{BUS, Scene, counts, device, expects, ids, nodes, queue, start};

/// Folders with attributes only, as in the tests of the Go implementation: `dsa0/wq0.0/state=enabled`.
fn attributes(texts: &[&str]) -> Scene {
    let lines: Vec<String> = texts
        .iter()
        .map(|text| {
            let (path, value) = text.split_once('=').unwrap();
            format!("file {BUS}/{path} {value}")
        })
        .collect();
    Scene::of(&lines.join("\n"))
}

#[test]
fn a_node_without_the_driver_offers_nothing() {
    let scene = Scene::builtin("empty");
    assert_eq!(scene.look(&[]), Inventory::default());
    let iaa = start(idxd_plugin::iaa::parse, &[], &scene.host());
    assert_eq!(iaa.discover(&scene.host()).unwrap(), Inventory::default());
}

#[test]
fn queues_that_are_not_enabled_are_passed_over_in_silence() {
    let scene = attributes(&["dsa0/wq0.0/state=", "dsa0/wq0.1/state=", "dsa0/wq0.2/state=disabled"]);
    let inventory = scene.look(&[]);
    assert!(inventory.resources.is_empty() && inventory.warnings.is_empty(), "{inventory:?}");
}

#[test]
fn a_queue_that_does_not_say_its_mode_or_type_is_left_out_and_no_other() {
    for (given, absent) in [("type=kernel", "mode"), ("mode=dedicated", "type")] {
        let broken = ["dsa0/wq0.0/state=enabled".to_owned(), format!("dsa0/wq0.0/{given}")];
        let good = ["dsa0/wq0.1/state=enabled", "dsa0/wq0.1/type=mdev", "dsa0/wq0.1/mode=shared"];
        let all: Vec<&str> = broken.iter().map(String::as_str).chain(good).collect();
        let inventory = attributes(&all).look(&[]);
        assert_eq!(ids(&inventory), ["wq-mdev-shared-wq0.1-0"]);
        let [warning] = inventory.warnings.as_slice() else { panic!("{inventory:?}") };
        assert!(warning.contains("wq0.0 is left out"), "{warning}");
        assert!(warning.contains(&format!("{BUS}/dsa0/wq0.0/{absent}")), "{warning}");
    }
}

#[test]
fn dedicated_queues_are_offered_once_and_shared_ones_as_often_as_wanted() {
    let scene = Scene::dsa(&["0.0 user dedicated", "0.1 user dedicated"]);
    assert_eq!(scene.counts(&[]), "wq-user-dedicated=2");
    assert_eq!(scene.counts(&["-shared-dev-num=10"]), "wq-user-dedicated=2");
    let scene = Scene::dsa(&["0.0 user shared", "0.1 user shared"]);
    assert_eq!(scene.counts(&[]), "wq-user-shared=2");
    assert_eq!(scene.counts(&["-shared-dev-num=10"]), "wq-user-shared=20");
}

#[test]
fn all_types_of_queues_are_offered() {
    let scene = Scene::dsa(&[
        "0.0 user shared",
        "0.1 kernel dedicated",
        "0.2 mdev shared",
        "0.3 mdev dedicated",
        "0.4 mdev shared",
        "0.5 user dedicated",
    ]);
    let inventory = scene.look(&["-shared-dev-num=10"]);
    assert_eq!(
        counts(&inventory),
        "wq-kernel-dedicated=1 wq-mdev-dedicated=1 wq-mdev-shared=20 wq-user-dedicated=1 wq-user-shared=10"
    );
    assert_eq!(inventory.warnings, [""; 0]);
}

#[test]
fn a_container_gets_the_queues_node_and_the_link_that_programs_find_it_by() {
    let scene = Scene::dsa(&["0.0 user dedicated", "0.1 user shared"]);
    let inventory = scene.look(&["-shared-dev-num=2"]);
    let shared = device(&inventory, "wq-user-shared-wq0.1-1");
    assert_eq!(nodes(shared), ["/dev/dsa/wq0.1", "/dev/char/236:1"]);
    assert!(shared.spec.edits.nodes.iter().all(|node| node.permissions == "rw"));
    let root = scene.node.root().canonicalize().unwrap();
    assert_eq!(shared.spec.edits.nodes[1].host_path, root.join("dev/char/236:1"));
    assert_eq!(shared.spec.numa, Some(vec![1]));
    assert_eq!((shared.spec.edits.env.len(), &shared.spec.cdi), (0, &None));
    let other = device(&inventory, "wq-user-shared-wq0.1-0");
    assert!(Arc::ptr_eq(&shared.spec, &other.spec), "a container that gets both must get the nodes once");
}

#[test]
fn queues_of_the_kernel_have_nothing_to_hand_out_and_no_place() {
    let inventory = Scene::dsa(&["0.0 kernel dedicated", "0.1 mdev shared"]).look(&[]);
    for id in ["wq-kernel-dedicated-wq0.0-0", "wq-mdev-shared-wq0.1-0"] {
        let device = device(&inventory, id);
        assert_eq!((device.spec.numa.as_deref(), device.is_healthy()), (Some([].as_slice()), true), "{id}");
        assert_eq!(device.spec.edits, device_plugin::ContainerEdits::default(), "{id}");
    }
}

#[test]
fn what_may_change_before_an_allocation_is_checked_then() {
    let inventory = Scene::dsa(&["0.0 user shared", "0.1 kernel dedicated"]).look(&[]);
    let user = device(&inventory, "wq-user-shared-wq0.0-0");
    let kernel = device(&inventory, "wq-kernel-dedicated-wq0.1-0");
    for (device, queue, kind, mode) in
        [(user, "wq0.0", "user", "shared"), (kernel, "wq0.1", "kernel", "dedicated")]
    {
        for (attribute, value) in [("state", "enabled"), ("type", kind), ("mode", mode)] {
            assert!(
                expects(device, &format!("{BUS}/dsa0/{queue}/{attribute}"), value),
                "{queue} {attribute}"
            );
        }
        assert!(expects(device, &format!("{BUS}/dsa0/state"), "enabled"), "{queue}");
    }
    let is_expected = |expectation| user.spec.expects.contains(&expectation);
    assert!(is_expected(Expectation::DeviceNode("/dev/dsa/wq0.0".into())));
    assert!(is_expected(Expectation::DeviceNode("/dev/char/236:0".into())));
    assert!(is_expected(Expectation::Link { path: "/dev/char/236:0".into(), name: "wq0.0".to_owned() }));
    assert_eq!(user.spec.expects.len(), 7, "{:?}", user.spec.expects);
}

#[test]
fn a_queue_comes_when_udev_has_made_its_link() {
    let mut scene = Scene::dsa(&["0.0 user dedicated", "0.1 user dedicated"]);
    scene.node.delete("/dev/char/236:1").unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(ids(&inventory), ["wq-user-dedicated-wq0.0-0"]);
    let [warning] = inventory.warnings.as_slice() else { panic!("{inventory:?}") };
    assert!(warning.contains("wq0.1 is left out: there is no /dev/char/236:1 (yet)"), "{warning}");
    assert!(warning.contains("udev") && warning.contains("mounted"), "{warning}");
    symlink("../dsa/wq0.1", scene.host().outside("/dev/char/236:1")).unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(ids(&inventory), ["wq-user-dedicated-wq0.0-0", "wq-user-dedicated-wq0.1-0"]);
    assert_eq!(inventory.warnings, [""; 0]);
}

#[test]
fn a_queue_comes_when_its_node_does() {
    let mut scene = Scene::dsa(&["0.0 user dedicated"]);
    scene.node.delete("/dev/dsa/wq0.0").unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(ids(&inventory), [""; 0]);
    let [warning] = inventory.warnings.as_slice() else { panic!("{inventory:?}") };
    let expected = "wq0.0 is left out: there is no /dev/dsa/wq0.0 (yet): is the node's /dev/dsa mounted";
    assert!(warning.starts_with(expected), "{warning}");
    scene.node.set_attribute("/dev/dsa/wq0.0", "c 236:0").unwrap();
    assert_eq!(scene.counts(&[]), "wq-user-dedicated=1");
}

#[test]
fn new_links_and_nodes_are_looked_for_at_once() {
    let scene = Scene::builtin("empty");
    let triggers = scene.plugin(&[]).triggers();
    assert_eq!(
        (triggers.subsystems, triggers.folders),
        (["dsa"].as_slice(), ["/dev/dsa", "/dev/char -> ../dsa"].as_slice())
    );
    let triggers = start(idxd_plugin::iaa::parse, &[], &scene.host()).triggers();
    assert_eq!(
        (triggers.subsystems, triggers.folders),
        (["dsa"].as_slice(), ["/dev/iax", "/dev/char -> ../iax"].as_slice())
    );
}

/// An accelerator that halts tells nobody.
#[test]
fn only_nodes_with_accelerators_of_the_family_are_looked_at_often() {
    let often = Some(Duration::from_secs(10));
    for (scene, dsa, iaa) in [
        (Scene::builtin("empty"), None, None),
        (Scene::of("use idxd"), None, None),
        (Scene::dsa(&[]), often, None),
        (Scene::builtin("xeon-accelerators"), often, often),
    ] {
        assert_eq!(scene.look(&[]).resync, dsa);
        let plugin = start(idxd_plugin::iaa::parse, &[], &scene.host());
        assert_eq!(plugin.discover(&scene.host()).unwrap().resync, iaa);
    }
}

#[test]
fn a_link_that_does_not_lead_to_the_queues_node_is_not_handed_out() {
    let mut scene = Scene::dsa(&["0.0 user dedicated", "0.1 user dedicated"]);
    let link = scene.host().outside("/dev/char/236:0");
    scene.node.delete("/dev/char/236:0").unwrap();
    symlink("../dsa/wq0.1", &link).unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(ids(&inventory), ["wq-user-dedicated-wq0.1-0"]);
    assert!(inventory.warnings[0].contains("/dev/char/236:0 leads to /dev/dsa/wq0.1"), "{inventory:?}");
    // A node in the link's place: libaccel-config reads the link.
    std::fs::remove_file(&link).unwrap();
    scene.node.set_attribute("/dev/char/236:0", "c 236:0").unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(ids(&inventory), ["wq-user-dedicated-wq0.1-0"]);
    assert!(inventory.warnings[0].contains("leads to /dev/char/236:0"), "{inventory:?}");
}

#[test]
fn a_block_device_is_no_queue() {
    let mut scene = Scene::dsa(&["0.0 user dedicated"]);
    scene.node.delete("/dev/dsa/wq0.0").unwrap();
    scene.node.set_attribute("/dev/dsa/wq0.0", "b 236:0").unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(ids(&inventory), [""; 0]);
    assert!(inventory.warnings[0].contains("/dev/dsa/wq0.0 is a block device"), "{inventory:?}");
}

#[test]
fn a_queue_leaves_when_it_is_disabled_and_comes_when_it_is_enabled() {
    let mut scene = Scene::dsa(&["0.0 user shared", "0.1 user dedicated"]);
    let state = format!("{BUS}/wq0.1/state");
    scene.node.set_attribute(&state, "disabled").unwrap();
    let inventory = scene.look(&[]);
    assert_eq!((counts(&inventory), inventory.warnings.len()), ("wq-user-shared=1".to_owned(), 0));
    scene.node.set_attribute(&state, "enabled").unwrap();
    assert_eq!(scene.counts(&[]), "wq-user-dedicated=1 wq-user-shared=1");
    scene.node.remove("wq0.1").unwrap();
    assert_eq!(scene.counts(&[]), "wq-user-shared=1");
    scene.node.add(&queue("0.12 user dedicated", 12)).unwrap();
    assert_eq!(ids(&scene.look(&[])), ["wq-user-dedicated-wq0.12-0", "wq-user-shared-wq0.0-0"]);
}

#[test]
fn accelerators_and_queues_may_have_numbers_of_several_digits() {
    let lines = "use idxd\nuse dsa as=dsa10 id=10 at=pci0000:6a pci=0000:6a:01.0 group=112\n\
                 use idxd-wq-user as=a kind=dsa name=dsa10 wq=10.127 at=pci0000:6a pci=0000:6a:01.0 mode=shared major=236 minor=300\n";
    let inventory = Scene::of(lines).look(&[]);
    assert_eq!(ids(&inventory), ["wq-user-shared-wq10.127-0"]);
    assert_eq!(
        nodes(device(&inventory, "wq-user-shared-wq10.127-0")),
        ["/dev/dsa/wq10.127", "/dev/char/236:300"]
    );
}

#[test]
fn types_and_modes_that_make_no_resource_are_left_out() {
    for (attribute, value) in
        [("type", "none"), ("type", ""), ("type", "a b"), ("mode", ""), ("mode", "-"), ("mode", "größer")]
    {
        let mut scene = Scene::dsa(&["0.0 kernel dedicated", "0.1 kernel dedicated"]);
        scene.node.set_attribute(format!("{BUS}/wq0.0/{attribute}"), value).unwrap();
        let inventory = scene.look(&[]);
        assert_eq!(ids(&inventory), ["wq-kernel-dedicated-wq0.1-0"], "{attribute} {value:?}");
        let [warning] = inventory.warnings.as_slice() else { panic!("{inventory:?}") };
        assert!(warning.contains(&format!("dsa0/wq0.0/{attribute} says {value:?}")), "{warning}");
    }
    let mut scene = Scene::dsa(&["0.0 kernel dedicated"]);
    scene.node.set_attribute(format!("{BUS}/wq0.0/type"), "future").unwrap();
    assert_eq!(scene.counts(&[]), "wq-future-dedicated=1");
}

#[test]
fn any_damage_to_one_queue_harms_no_other() {
    for damage in Damage::ALL {
        for path in ["wq0.1/state", "wq0.1/type", "wq0.1/mode", "/dev/dsa/wq0.1", "/dev/char/236:1"] {
            let mut scene = Scene::dsa(&["0.0 user dedicated", "0.1 user dedicated"]);
            scene.node.damage(Path::new(BUS).join(path), damage).unwrap();
            let inventory = scene.look(&[]);
            assert_eq!(ids(&inventory), ["wq-user-dedicated-wq0.0-0"], "{path} {damage:?}");
            // A queue without a state is none, and one that says nothing is not enabled.
            let silent = path.ends_with("state")
                && matches!(damage, Damage::Missing | Damage::DanglingLink | Damage::Empty);
            let warned = inventory.warnings.iter().any(|warning| warning.starts_with("wq0.1 is left out: "));
            assert_eq!(warned, !silent, "{path} {damage:?}: {inventory:?}");
        }
    }
}

#[test]
fn what_is_no_accelerator_and_no_queue_is_passed_over_in_silence() {
    let mut lines = String::new();
    for name in [
        "dsa",
        "dsax",
        "iax1",
        "wq0.0",
        "engine0.0",
        "dsa0/wq",
        "dsa0/wq0",
        "dsa0/wq0.",
        "dsa0/wq.1",
        "dsa0/wqa.b",
    ] {
        lines += &format!("file {BUS}/{name}/wq0.0/state enabled\nfile {BUS}/{name}/state enabled\n");
    }
    let inventory = Scene::of(&lines).look(&[]);
    assert!(inventory.resources.is_empty() && inventory.warnings.is_empty(), "{inventory:?}");
}

#[test]
fn an_unreadable_accelerator_is_a_warning_and_an_unreadable_bus_an_error() {
    let mut scene = Scene::dsa(&["0.0 user dedicated"]);
    symlink("dsa7", scene.host().outside(format!("{BUS}/dsa7"))).unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(counts(&inventory), "wq-user-dedicated=1");
    assert!(inventory.warnings[0].starts_with("dsa7 is left out: cannot list /sys/bus/dsa/devices/dsa7"));
    scene.node.damage(BUS, Damage::LinkLoop).unwrap();
    let error = scene.plugin(&[]).discover(&scene.host()).unwrap_err();
    assert!(error.to_string().contains(BUS), "{error}");
}

#[test]
fn a_container_gets_queues_of_different_accelerators_near_one_numa_node() {
    let scene = Scene::builtin("xeon-accelerators");
    let plugin = scene.plugin(&["-shared-dev-num=3"]);
    assert!(plugin.capabilities().prefers && !plugin.capabilities().pre_starts);
    assert_eq!(plugin.list_size_flag(), Some("-shared-dev-num"));
    let inventory = plugin.discover(&scene.host()).unwrap();
    let resource = "wq-user-shared";
    let free: Vec<&str> = inventory.resources[resource].devices.keys().map(String::as_str).collect();
    // dsa0 and dsa2 are on node 0, dsa4 and dsa6 on node 1.
    let prefer = |free: &[&str], must: &[&str], size| {
        let choice = Choice { available: free.to_vec(), must_include: must.to_vec(), size };
        plugin.prefer(resource, &choice)
    };
    assert_eq!(prefer(&free, &[], 2), ["wq-user-shared-wq0.1-0", "wq-user-shared-wq2.1-0"]);
    let free = &free[1..];
    assert_eq!(prefer(free, &[], 2), ["wq-user-shared-wq4.1-0", "wq-user-shared-wq6.1-0"]);
    let must = ["wq-user-shared-wq2.1-1"];
    assert_eq!(prefer(free, &must, 2), ["wq-user-shared-wq2.1-1", "wq-user-shared-wq0.1-1"]);
}
