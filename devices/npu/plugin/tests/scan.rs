//! What is offered on a node, tree by tree.
#![expect(clippy::unwrap_used, reason = "tests")]

use device_plugin::{Capabilities, Device, DevicePlugin, Inventory, policy::Choice};
use npu_plugin::NpuPlugin;
use simulator::{Damage, Profile, SimulatedNode};

struct Scene {
    _folder: tempfile::TempDir,
    node: SimulatedNode,
}

impl Scene {
    fn of(profile: &Profile) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), profile).unwrap();
        Self { _folder: folder, node }
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

fn nodes(device: &Device) -> Vec<String> {
    let nodes = device.spec.edits.nodes.iter();
    nodes.map(|node| format!("{} {}", node.container_path.display(), node.permissions)).collect()
}

#[test]
fn a_laptops_npu_is_offered_with_its_node_only() {
    let scene = Scene::of(&Profile::builtin("npu-laptop").unwrap());
    let inventory = scene.look(2);
    assert_eq!(inventory.warnings, [""; 0]);
    assert_eq!(ids(&inventory), ["accel0-0", "accel0-1"]);
    let device = &inventory.resources["accel"].devices["accel0-0"];
    assert!(device.is_healthy());
    assert_eq!(nodes(device), ["/dev/accel/accel0 rw"]);
    let node = &device.spec.edits.nodes[0];
    assert_eq!(
        node.host_path,
        scene.node.root().join("dev/accel/accel0"),
        "for the runtime it is where it is"
    );
    assert_eq!(device.spec.numa.as_deref(), Some(&[][..]));
    let edits = &device.spec.edits;
    assert!(edits.env.is_empty() && edits.mounts.is_empty() && edits.annotations.is_empty());
    assert!(device.spec.cdi.is_none());
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
    scene.node.set_attribute("/sys/class/accel/accel0/device/vendor", "0x1002\n").unwrap();
    assert_eq!(scene.look(1), Inventory::default());
    scene.node.set_attribute("/sys/class/accel/accel0/device/vendor", "0x8086\n").unwrap();
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
fn damage_of_one_npu_leaves_the_other() {
    for file in ["vendor", "device", "numa_node", "local_cpulist"] {
        for damage in Damage::ALL {
            let mut scene = Scene::npus(&["0x643e", "0xad1d"]);
            scene.node.damage(format!("/sys/class/accel/accel0/device/{file}"), damage).unwrap();
            assert!(scene.ids().contains(&"accel1-0".to_owned()), "{file} {damage:?}");
        }
    }
    for damage in Damage::ALL {
        let mut scene = Scene::npus(&["0x643e", "0xad1d"]);
        scene.node.damage("/sys/class/accel/accel0/device", damage).unwrap();
        assert_eq!(scene.ids(), ["accel1-0"], "{damage:?}");
    }
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
