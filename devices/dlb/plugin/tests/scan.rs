//! What is offered on a node, tree by tree.
#![expect(clippy::unwrap_used, reason = "tests")]

use device_plugin::{Capabilities, DevicePlugin, Expectation, Health, Inventory, policy::Choice};
use dlb_plugin::DlbPlugin;
use simulator::{Damage, Profile, TemporaryNode, golden, shown};

struct Scene {
    node: TemporaryNode,
}

impl Scene {
    fn of(profile: &Profile) -> Self {
        Self { node: TemporaryNode::new(profile).unwrap() }
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
        self.plugin().discover(&self.node.host()).unwrap()
    }

    fn plugin(&self) -> DlbPlugin {
        DlbPlugin::new(self.node.host())
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
    let scene = Scene::of(&Profile::builtin("xeon-accelerators").unwrap());
    golden("tests/golden/xeon-accelerators.txt", &shown(&scene.look(), scene.node.root()));
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

/// In a virtual machine, and with drivers that do not tell, there is nothing to say against it.
#[test]
fn a_virtual_function_of_which_nothing_is_known_is_healthy() {
    let physical = "/sys/devices/pci0000:60/0000:60:00.0";
    let lost =
        [format!("{physical}/vf1_resources"), "/sys/devices/pci0000:60/0000:60:00.2/physfn".to_owned()];
    for path in lost.into_iter().chain([format!("{physical}/virtfn1"), format!("{physical}/sriov_numvfs")]) {
        let mut scene = Scene::functions(&[2], 2);
        for name in scene.node.host().names(format!("{physical}/vf1_resources")).unwrap() {
            scene.node.set_attribute(format!("{physical}/vf1_resources/{name}"), "0\n").unwrap();
        }
        scene.node.delete(&path).unwrap();
        let inventory = scene.look();
        let vf = inventory.resources.get("vf").unwrap().devices.get("/dev/dlb2").unwrap();
        assert!(vf.is_healthy(), "{path}: {inventory:?}");
    }
    for damage in Damage::ALL {
        let mut scene = Scene::functions(&[1], 1);
        scene.node.damage(format!("{physical}/vf0_resources/num_ldb_ports"), damage).unwrap();
        let inventory = scene.look();
        let vf = inventory.resources.get("vf").unwrap().devices.get("/dev/dlb1").unwrap();
        assert!(vf.is_healthy(), "{damage:?}: {inventory:?}");
    }
}

/// The kernel may give the number to another function when drivers are bound anew.
#[test]
fn a_device_must_be_the_same_function_when_it_is_handed_out() {
    let inventory = Scene::functions(&[1], 1).look();
    let device = inventory.resources.get("vf").unwrap().devices.get("/dev/dlb1").unwrap();
    let path = "/sys/class/dlb2/dlb1/device".into();
    assert!(device.spec.expects.contains(&Expectation::Link { path, name: "0000:60:00.1".to_owned() }));
}

#[test]
fn functions_of_different_physical_ones_are_preferred() {
    let lines = "use dlb-pf as=dlb0 id=0 at=pci0000:60 pci=0000:60:00.0 group=0 vfs=3
use dlb-vf as=dlb1 id=1 at=pci0000:60 pci=0000:60:00.1 pf=0000:60:00.0 vf=0 group=1
use dlb-vf as=dlb2 id=2 at=pci0000:60 pci=0000:60:00.2 pf=0000:60:00.0 vf=1 group=2
use dlb-vf as=dlb3 id=3 at=pci0000:60 pci=0000:60:00.3 pf=0000:60:00.0 vf=2 group=3
use dlb-pf as=dlb4 id=4 at=pci0000:61 pci=0000:61:00.0 group=4 vfs=2
use dlb-vf as=dlb5 id=5 at=pci0000:61 pci=0000:61:00.1 pf=0000:61:00.0 vf=0 group=5
use dlb-vf as=dlb6 id=6 at=pci0000:61 pci=0000:61:00.2 pf=0000:61:00.0 vf=1 group=6";
    let profile = Profile::parse("test", &format!("use pci-driver driver=dlb2\n{lines}")).unwrap();
    let scene = Scene::of(&profile);
    let plugin = scene.plugin();
    assert_eq!(plugin.capabilities(), Capabilities { prefers: true, pre_starts: false });
    let prefer = |available: &[&str], must_include: &[&str], size| {
        let choice = Choice { available: available.to_vec(), must_include: must_include.to_vec(), size };
        plugin.prefer("vf", &choice)
    };
    let [a1, a2, a3, b1, b2] = ["/dev/dlb1", "/dev/dlb2", "/dev/dlb3", "/dev/dlb5", "/dev/dlb6"];
    let all = [b2, a3, a1, b1, a2];
    assert_eq!(prefer(&all, &[], 1), [a1], "of the one that has most");
    assert_eq!(prefer(&[a3, b1, b2], &[], 1), [b1]);
    assert_eq!(prefer(&all, &[], 2), [a1, b1]);
    assert_eq!(prefer(&[a1, a2, a3, b2], &[], 2), [a1, b2], "different ones come first");
    assert_eq!(prefer(&all, &[b2], 2), [b2, a1]);
    assert_eq!(prefer(&all, &[a2], 2), [a2, b1], "what must be included counts");
    assert_eq!(prefer(&all, &[], 4), [a1, b1, a2, b2]);
    assert_eq!(prefer(&all, &[], 9).len(), 5);
    assert_eq!(prefer(&["/dev/dlb7", "none"], &[], 2).len(), 2, "one that has gone is a choice too");
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
    std::fs::write(scene.node.root().join("dev/dlb0"), "b 509:0").unwrap();
    let inventory = scene.look();
    assert_eq!(ids(&inventory), "");
    assert_eq!(inventory.warnings.first().unwrap(), "dlb0 is left out: /dev/dlb0 is a block device");
}

/// The Go implementation takes a physical function that it cannot read for a virtual one.
#[test]
fn damage_of_one_function_leaves_the_others_and_never_makes_it_another_kind() {
    let function = "/sys/devices/pci0000:60/0000:60:00.0";
    let paths = ["sriov_numvfs", "numa_node", "local_cpulist"].map(|file| format!("{function}/{file}"));
    let all = ["/dev/dlb0", "/sys/class/dlb2/dlb0", "/sys/devices/pci0000:60/0000:60:00.0/dlb2/dlb0/device"]
        .map(str::to_owned);
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
