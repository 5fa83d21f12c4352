//! What is offered on a node, tree by tree.
#![expect(clippy::unwrap_used, reason = "tests")]

use device_plugin::{Capabilities, DevicePlugin, Inventory, policy::Choice};
use npu_plugin::NpuPlugin;
use simulator::{Damage, Profile, TemporaryNode, golden, shown};

/// The function of the first NPU, without links.
const FUNCTION: &str = "/sys/devices/pci0000:00/0000:00:00.0";

struct Scene {
    node: TemporaryNode,
}

impl Scene {
    fn of(profile: &Profile) -> Self {
        Self { node: TemporaryNode::new(profile).unwrap() }
    }

    /// NPUs of these PCI device ids.
    fn npus(ids: &[&str]) -> Self {
        let mut profile = "use pci-driver driver=intel_vpu\n".to_owned();
        for (number, id) in ids.iter().enumerate() {
            let words = format!("pci=0000:00:0{number}.0 device={id} group={number} accel={number}");
            profile += &format!("use npu as=npu{number} {words}\n");
        }
        Self::of(&Profile::parse("test", &profile).unwrap())
    }

    fn look(&self, shares: u32) -> Inventory {
        NpuPlugin::new(shares).discover(&self.node.host()).unwrap()
    }

    fn ids(&self) -> Vec<String> {
        ids(&self.look(1))
    }
}

fn ids(inventory: &Inventory) -> Vec<String> {
    inventory.resources.get("accel").map(|accel| accel.devices.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn a_laptops_npu_is_offered_with_its_node_only() {
    let scene = Scene::of(&Profile::builtin("npu-laptop").unwrap());
    golden("tests/golden/npu-laptop.txt", &shown(&scene.look(2), scene.node.root()));
}

#[test]
fn an_npu_is_near_to_the_nodes_of_its_function() {
    let mut scene = Scene::npus(&["0x643e"]);
    scene.node.set_attribute(format!("{FUNCTION}/numa_node"), "1").unwrap();
    let inventory = scene.look(1);
    let device = inventory.resources.get("accel").and_then(|accel| accel.devices.get("accel0-0")).unwrap();
    assert_eq!(device.spec.numa, Some(vec![1]));
}

#[test]
fn nodes_without_npus_offer_nothing() {
    for profile in ["empty", "xeon-accelerators", "arc-b580-igpu"] {
        let inventory = Scene::of(&Profile::builtin(profile).unwrap()).look(1);
        assert_eq!(inventory, Inventory::default(), "{profile}");
    }
    let class = Profile::parse("test", "dir /sys/class/accel").unwrap();
    assert_eq!(Scene::of(&class).look(1), Inventory::default());
}

#[test]
fn every_known_npu_is_offered_and_an_unknown_one_is_said() {
    let known = ["0x7e4c", "0x643e", "0xad1d", "0x7d1d", "0xb03e", "0xfd3e", "0xd71d"];
    let scene = Scene::npus(&known);
    assert_eq!(scene.ids().len(), known.len());
    let inventory = Scene::npus(&["0xffff", "0x643e"]).look(1);
    assert_eq!(ids(&inventory), ["accel1-0"]);
    let expected = "accel0 is left out: this plugin does not know Intel's accelerator 0xffff";
    assert_eq!(inventory.warnings, [expected]);
}

#[test]
fn other_vendors_and_other_entries_of_the_class_are_passed_over() {
    let mut scene = Scene::npus(&["0x643e"]);
    scene.node.set_attribute(format!("{FUNCTION}/vendor"), "0x1002").unwrap();
    assert_eq!(scene.look(1), Inventory::default());
    scene.node.set_attribute(format!("{FUNCTION}/vendor"), "0x8086").unwrap();
    assert_eq!(scene.ids(), ["accel0-0"]);
    for name in ["accel", "accelx", "accel0x", "xaccel0"] {
        std::fs::create_dir_all(scene.node.root().join("sys/class/accel").join(name)).unwrap();
    }
    let inventory = scene.look(1);
    assert_eq!((ids(&inventory), inventory.warnings.len()), (vec!["accel0-0".to_owned()], 0));
}

#[test]
fn an_npu_without_its_node_waits_for_it() {
    let mut scene = Scene::npus(&["0x643e", "0xad1d"]);
    scene.node.delete("/dev/accel/accel0").unwrap();
    let inventory = scene.look(1);
    assert_eq!(ids(&inventory), ["accel1-0"]);
    assert_eq!(inventory.warnings.len(), 1);
    assert!(inventory.warnings[0].contains("/dev/accel/accel0"), "{:?}", inventory.warnings);
    std::fs::write(scene.node.root().join("dev/accel/accel0"), "no device").unwrap();
    assert_eq!(scene.ids(), ["accel1-0"], "a plain file is no node");
    std::fs::write(scene.node.root().join("dev/accel/accel0"), "b 261:0").unwrap();
    let expected = "accel0 is left out: /dev/accel/accel0 is a block device";
    assert_eq!(scene.look(1).warnings, [expected]);
    std::fs::write(scene.node.root().join("dev/accel/accel0"), "c 261:0").unwrap();
    assert_eq!(scene.ids(), ["accel0-0", "accel1-0"]);
}

#[test]
fn npus_come_and_go() {
    let mut scene = Scene::npus(&["0x643e", "0xad1d"]);
    scene.node.remove("npu1").unwrap();
    assert_eq!(scene.ids(), ["accel0-0"]);
    scene.node.remove("npu0").unwrap();
    assert_eq!(scene.look(1), Inventory::default());
}

#[test]
fn damage_of_one_npu_is_said_and_leaves_the_other() {
    let needed = [
        format!("{FUNCTION}/vendor"),
        format!("{FUNCTION}/device"),
        format!("{FUNCTION}/accel/accel0/device"),
        "/dev/accel/accel0".to_owned(),
    ];
    let helpful = [format!("{FUNCTION}/numa_node"), format!("{FUNCTION}/local_cpulist")];
    let look_at = |path: &str, damage| {
        let mut scene = Scene::npus(&["0x643e", "0xad1d"]);
        scene.node.damage(path, damage).unwrap();
        scene.look(1)
    };
    for damage in Damage::ALL {
        for path in &needed {
            let inventory = look_at(path, damage);
            assert_eq!(ids(&inventory), ["accel1-0"], "{path} {damage:?}");
            let warning = inventory.warnings.first().unwrap();
            assert!(warning.starts_with("accel0 is left out: "), "{path} {damage:?}: {warning}");
        }
        for path in &helpful {
            let inventory = look_at(path, damage);
            assert_eq!(ids(&inventory), ["accel0-0", "accel1-0"], "{path} {damage:?}");
        }
        let inventory = look_at("/sys/class/accel/accel0", damage);
        assert_eq!(ids(&inventory), ["accel1-0"], "the class's link, {damage:?}");
    }
}

#[test]
fn a_class_that_cannot_be_listed_changes_nothing_and_a_missing_one_is_no_error() {
    let look = |damage| {
        let mut scene = Scene::npus(&["0x643e"]);
        scene.node.delete("/sys/class/accel/accel0").unwrap();
        scene.node.damage("/sys/class/accel", damage).unwrap();
        NpuPlugin::new(1).discover(&scene.node.host())
    };
    for damage in [Damage::Missing, Damage::Folder, Damage::DanglingLink] {
        assert_eq!(look(damage).unwrap(), Inventory::default(), "{damage:?}");
    }
    assert!(look(Damage::LinkLoop).unwrap_err().to_string().contains("/sys/class/accel"));
}

#[test]
fn several_units_are_of_different_npus() {
    let plugin = NpuPlugin::new(2);
    assert_eq!(plugin.capabilities(), Capabilities { prefers: true, pre_starts: false });
    let available = vec!["accel0-0", "accel0-1", "accel1-0", "accel1-1"];
    let choose = |must_include: Vec<&'static str>, size| {
        plugin.prefer("accel", &Choice { available: available.clone(), must_include, size })
    };
    assert_eq!(choose(vec![], 2), ["accel0-0", "accel1-0"]);
    assert_eq!(choose(vec!["accel1-1"], 2), ["accel1-1", "accel0-0"]);
    assert_eq!(choose(vec![], 3).len(), 3);
}
