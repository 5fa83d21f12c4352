//! What is offered on a node, tree by tree.
#![expect(clippy::unwrap_used, reason = "tests")]

use device_plugin::{DevicePlugin, Expectation, Health, Inventory};
use dlb_plugin::DlbPlugin;
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

    /// Physical functions with that many virtual ones enabled (not made), and virtual ones of the first.
    fn functions(physical: &[u32], virtual_functions: usize) -> Self {
        let mut profile = "use pci-driver driver=dlb2\n".to_owned();
        for (id, vfs) in physical.iter().enumerate() {
            let words = format!("at=pci0000:6{id} pci=0000:6{id}:00.0 group={id} numa={id} vfs={vfs}");
            profile += &format!("use dlb-pf as=dlb{id} id={id} {words}\n");
        }
        for vf in 0..virtual_functions {
            let id = physical.len() + vf;
            let words = format!("at=pci0000:60 pci=0000:60:00.{} pf=0000:60:00.0 vf={vf} group={id}", vf + 1);
            profile += &format!("use dlb-vf as=dlb{id} id={id} {words} numa=0\n");
        }
        Self::of(&Profile::parse("test", &profile).unwrap())
    }

    fn look(&self) -> Inventory {
        DlbPlugin.discover(&self.node.host()).unwrap()
    }

    /// `pf: /dev/dlb0; vf: /dev/dlb2 /dev/dlb3`
    fn ids(&self) -> String {
        ids(&self.look())
    }
}

fn ids(inventory: &Inventory) -> String {
    let resources = inventory.resources.iter().map(|(name, resource)| {
        let ids: Vec<&str> = resource.devices.keys().map(String::as_str).collect();
        format!("{name}: {}", ids.join(" "))
    });
    resources.collect::<Vec<_>>().join("; ")
}

#[test]
fn functions_are_told_by_their_virtual_functions() {
    assert_eq!(Scene::functions(&[], 0).ids(), "");
    assert_eq!(Scene::functions(&[0, 0, 0], 0).ids(), "pf: /dev/dlb0 /dev/dlb1 /dev/dlb2");
    assert_eq!(Scene::functions(&[3], 3).ids(), "vf: /dev/dlb1 /dev/dlb2 /dev/dlb3");
    assert_eq!(Scene::functions(&[2, 0], 2).ids(), "pf: /dev/dlb1; vf: /dev/dlb2 /dev/dlb3");
    assert_eq!(Scene::of(&Profile::builtin("empty").unwrap()).look(), Inventory::default());
}

#[test]
fn a_container_gets_the_node_and_nothing_else() {
    let inventory = Scene::of(&Profile::builtin("xeon-accelerators").unwrap()).look();
    assert_eq!(ids(&inventory), "pf: /dev/dlb0; vf: /dev/dlb2");
    assert_eq!(inventory.warnings, [""; 0]);
    for (resource, node, numa) in [("pf", "/dev/dlb0", 0), ("vf", "/dev/dlb2", 1)] {
        let device =
            inventory.resources.get(resource).and_then(|resource| resource.devices.get(node)).unwrap();
        assert!(device.is_healthy());
        let edits = &device.spec.edits;
        let nodes: Vec<_> = edits.nodes.iter().map(|node| node.container_path.to_str().unwrap()).collect();
        assert_eq!(nodes, [node]);
        assert!(edits.mounts.is_empty() && edits.env.is_empty() && edits.annotations.is_empty());
        assert_eq!(device.spec.numa, Some(vec![numa]));
        assert_eq!(device.spec.cdi, None);
    }
}

/// Its virtual functions take what it has, so it must not be handed out once it has any.
#[test]
fn a_physical_function_must_have_no_virtual_ones_when_it_is_handed_out() {
    let inventory = Scene::functions(&[0], 0).look();
    let device = inventory.resources.get("pf").and_then(|pf| pf.devices.get("/dev/dlb0")).unwrap();
    let path = "/sys/devices/pci0000:60/0000:60:00.0/sriov_numvfs".into();
    assert!(device.spec.expects.contains(&Expectation::Value { path, value: "0".to_owned() }));
}

#[test]
fn a_virtual_function_without_resources_is_unhealthy() {
    let mut scene = Scene::functions(&[2], 2);
    let folder = "/sys/devices/pci0000:60/0000:60:00.0/vf1_resources";
    for name in scene.node.host().names(folder).unwrap() {
        scene.node.set_attribute(format!("{folder}/{name}"), "0\n").unwrap();
    }
    let inventory = scene.look();
    let health = |id: &str| inventory.resources.get("vf").unwrap().devices.get(id).unwrap().health.clone();
    assert_eq!(health("/dev/dlb1"), Health::Healthy);
    let reason = "the physical function 0000:60:00.0 has given it no resources";
    assert_eq!(health("/dev/dlb2"), Health::Unhealthy(reason.to_owned()));
    scene.node.set_attribute(format!("{folder}/num_ldb_queues"), "32\n").unwrap();
    assert!(
        scene.look().resources.get("vf").unwrap().devices.values().all(device_plugin::Device::is_healthy)
    );
}

#[test]
fn other_files_of_that_name_are_no_load_balancers() {
    let scene = Scene::functions(&[0], 0);
    for name in ["dlb", "dlb_1", "dlb1x", "xdlb1"] {
        std::fs::write(scene.node.root().join("dev").join(name), "c 1:1").unwrap();
    }
    assert_eq!((scene.ids().as_str(), scene.look().warnings.len()), ("pf: /dev/dlb0", 0));
    std::fs::write(scene.node.root().join("dev/dlb7"), "c 1:1").unwrap();
    let inventory = scene.look();
    assert_eq!(
        (ids(&inventory).as_str(), inventory.warnings.len()),
        ("pf: /dev/dlb0", 1),
        "it is in no class"
    );
}

/// The Go implementation takes a physical function that it cannot read for a virtual one.
#[test]
fn damage_of_one_function_leaves_the_others_and_never_makes_it_another_kind() {
    let function = "/sys/devices/pci0000:60/0000:60:00.0";
    let paths = ["sriov_numvfs", "numa_node", "local_cpulist"].map(|file| format!("{function}/{file}"));
    let all = ["/dev/dlb0", "/sys/class/dlb2/dlb0", "/sys/class/dlb2/dlb0/device"].map(str::to_owned);
    for path in paths.into_iter().chain(all) {
        for damage in Damage::ALL {
            let mut scene = Scene::functions(&[0, 0], 0);
            scene.node.damage(&path, damage).unwrap();
            let found = scene.ids();
            assert!(found.contains("/dev/dlb1"), "{path} {damage:?}: {found}");
            // A function without the attribute is a virtual one, or in a virtual machine.
            if !(path.ends_with("sriov_numvfs") && [Damage::Missing, Damage::DanglingLink].contains(&damage))
            {
                assert!(!found.contains("vf"), "{path} {damage:?}: {found}");
            }
        }
    }
}
