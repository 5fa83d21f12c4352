//! Whole functions.

use device_plugin::policy::Choice;
use device_plugin::{DevicePlugin as _, Expectation, Inventory};
use simulator::Damage;

use crate::scene::{Scene, device, ids, nodes};

const VFIO: &[&str] = &["-driver=vfio-pci"];
const PCI: &str = "/sys/bus/pci/devices";

/// DSA functions given to VFIO, each `0000:6a:01.0 0x0b25 112 0`: address, device id, IOMMU group, NUMA node.
fn functions(functions: &[&str]) -> Scene {
    let mut lines = "use vfio\nuse pci-driver driver=idxd\n".to_owned();
    for words in functions {
        let mut words = words.split(' ');
        let mut next = || words.next().unwrap();
        let (pci, id, group, numa) = (next(), next(), next(), next());
        let at = format!("at=pci0000:6a pci={pci}");
        lines += &format!(
            "use pci-function {at} device={id} class=0x088000 numa={numa}\nuse vfio-group {at} group={group}\n"
        );
    }
    Scene::of(&lines)
}

fn two() -> Scene {
    functions(&["0000:6a:01.0 0x0b25 112 0", "0000:6f:01.0 0x11fb 113 1"])
}

#[test]
fn a_node_without_such_functions_offers_nothing() {
    assert_eq!(Scene::builtin("empty").look(VFIO), Inventory::default());
    assert_eq!(Scene::builtin("xeon-accelerators").look(VFIO), Inventory::default(), "on idxd");
}

#[test]
fn functions_are_offered_by_their_address() {
    let scene =
        functions(&["0000:6a:01.0 0x0b25 112 0", "0000:6f:01.0 0x11fb 113 1", "10000:01:00.0 0x1212 9 1"]);
    let inventory = scene.look(VFIO);
    assert_eq!(inventory.warnings, [""; 0]);
    assert_eq!(inventory.resources.keys().collect::<Vec<_>>(), ["vfio"]);
    assert_eq!(ids(&inventory), ["0000:6a:01.0", "0000:6f:01.0", "10000:01:00.0"]);
    let second = device(&inventory, "0000:6f:01.0");
    assert_eq!(nodes(second), ["/dev/vfio/113", "/dev/vfio/vfio"]);
    assert_eq!(second.spec.numa, Some(vec![1]));
    assert!(second.spec.edits.env.is_empty());
    let link =
        Expectation::Link { path: format!("{PCI}/0000:6f:01.0/driver").into(), name: "vfio-pci".to_owned() };
    let node = Expectation::DeviceNode("/dev/vfio/113".into());
    assert!(second.spec.expects.contains(&link) && second.spec.expects.contains(&node));
    assert_eq!(scene.look(&["-driver", "vfio-pci", "-shared-dev-num", "4"]), inventory);
}

#[test]
fn other_devices_other_vendors_and_other_drivers_are_passed_over_in_silence() {
    let mut scene =
        functions(&["0000:6a:01.0 0x0b25 112 0", "0000:6a:02.0 0x0cfe 113 0", "0000:6a:03.0 0x0b25 114 0"]);
    scene.node.set_attribute(format!("{PCI}/0000:6a:03.0/vendor"), "0x1af4").unwrap();
    assert_eq!(ids(&scene.look(VFIO)), ["0000:6a:01.0"]);
    let driver = scene.host().outside(format!("{PCI}/0000:6a:01.0/driver"));
    std::fs::remove_file(&driver).unwrap();
    std::os::unix::fs::symlink("/sys/bus/pci/drivers/idxd", driver).unwrap();
    assert_eq!(scene.look(VFIO), Inventory::default());
}

#[test]
fn a_function_that_cannot_be_used_is_a_warning_that_says_what_to_do() {
    for (path, why) in [
        ("driver", "it is bound to no driver; bind it to vfio-pci"),
        ("iommu_group", "it is in no IOMMU group; is the IOMMU on"),
        ("device", "cannot read"),
        ("vendor", "cannot read"),
        ("/dev/vfio/112", "there is no /dev/vfio/112 (yet): is the node's /dev/vfio mounted"),
    ] {
        let mut scene = two();
        let path = std::path::Path::new(PCI).join("0000:6a:01.0").join(path);
        scene.node.delete(path).unwrap();
        let inventory = scene.look(VFIO);
        assert_eq!(ids(&inventory), ["0000:6f:01.0"], "{why}");
        let [warning] = inventory.warnings.as_slice() else { panic!("{why}: {inventory:?}") };
        assert!(warning.starts_with("0000:6a:01.0 is left out: ") && warning.contains(why), "{warning}");
    }
    let mut scene = two();
    scene.node.delete("/dev/vfio/vfio").unwrap();
    let inventory = scene.look(VFIO);
    assert!(inventory.resources.is_empty() && inventory.warnings.len() == 2, "{inventory:?}");
    assert!(inventory.warnings[1].contains("there is no /dev/vfio/vfio"), "{inventory:?}");
}

#[test]
fn any_damage_to_one_function_harms_no_other() {
    for damage in Damage::ALL {
        for path in
            ["vendor", "device", "driver", "iommu_group", "numa_node", "local_cpulist", "/dev/vfio/112"]
        {
            let mut scene = two();
            scene.node.damage(std::path::Path::new(PCI).join("0000:6a:01.0").join(path), damage).unwrap();
            let inventory = scene.look(VFIO);
            assert!(ids(&inventory).contains(&"0000:6f:01.0"), "{path} {damage:?}");
            let offered = ids(&inventory).len() == 2;
            let place = path.starts_with("numa") || path.starts_with("local");
            assert_eq!(offered, place, "{path} {damage:?}: {inventory:?}");
            // A link that leads nowhere still names a driver, another one.
            let is_link = matches!(damage, Damage::DanglingLink | Damage::LinkLoop);
            let silent = place || (path == "driver" && is_link);
            let warned = inventory.warnings.iter().any(|warning| warning.starts_with("0000:6a:01.0"));
            assert!(warned || silent, "{path} {damage:?}: {inventory:?}");
        }
    }
}

#[test]
fn without_an_iommu_the_group_has_another_name() {
    let mut scene = functions(&["0000:6a:01.0 0x0b25 112 0"]);
    scene.node.set_attribute("/sys/kernel/iommu_groups/112/name", "vfio-noiommu").unwrap();
    scene.node.set_attribute("/dev/vfio/noiommu-112", "c 511:112").unwrap();
    let inventory = scene.look(VFIO);
    assert_eq!(nodes(device(&inventory, "0000:6a:01.0")), ["/dev/vfio/noiommu-112", "/dev/vfio/vfio"]);
}

#[test]
fn functions_that_share_a_group_are_offered_with_a_warning() {
    let mut scene = two();
    let group = scene.host().outside(format!("{PCI}/0000:6f:01.0/iommu_group"));
    std::fs::remove_file(&group).unwrap();
    std::os::unix::fs::symlink("/sys/kernel/iommu_groups/112", group).unwrap();
    scene.node.delete("/dev/vfio/113").unwrap();
    let inventory = scene.look(VFIO);
    assert_eq!(ids(&inventory), ["0000:6a:01.0", "0000:6f:01.0"]);
    let [warning] = inventory.warnings.as_slice() else { panic!("{inventory:?}") };
    assert!(warning.starts_with("0000:6a:01.0 and 0000:6f:01.0 share the IOMMU group 112"), "{warning}");
}

#[test]
fn a_container_gets_the_addresses_in_the_order_asked_for_and_keeps_other_variables() {
    let scene = two();
    let plugin = scene.plugin(VFIO);
    let inventory = plugin.discover(&scene.host()).unwrap();
    let asked = ["0000:6f:01.0", "0000:6a:01.0"].map(|id| (id, device(&inventory, id)));
    let mut edits = device_plugin::ContainerEdits::default();
    edits.env.insert("OTHER".to_owned(), "stays".to_owned());
    let edits = plugin.allocate("vfio", &asked, edits).unwrap();
    let env: Vec<_> = edits.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["OTHER=stays", "VFIO_BDF0=0000:6f:01.0", "VFIO_BDF1=0000:6a:01.0"]);
    let edits = plugin.allocate("vfio", &asked[1..], device_plugin::ContainerEdits::default()).unwrap();
    assert_eq!(
        edits.env.into_iter().collect::<Vec<_>>(),
        [("VFIO_BDF0".to_owned(), "0000:6a:01.0".to_owned())]
    );
}

#[test]
fn a_container_gets_functions_near_one_numa_node() {
    let scene = functions(&[
        "0000:6a:01.0 0x0b25 112 0",
        "0000:6b:01.0 0x0b25 113 1",
        "0000:6c:01.0 0x0b25 114 0",
        "0000:6d:01.0 0x0b25 115 1",
    ]);
    let plugin = scene.plugin(VFIO);
    assert!(plugin.capabilities().prefers);
    let available = vec!["0000:6a:01.0", "0000:6b:01.0", "0000:6c:01.0", "0000:6d:01.0"];
    let prefer = |must_include: Vec<&'static str>| {
        plugin.prefer("vfio", &Choice { available: available.clone(), must_include, size: 2 })
    };
    assert_eq!(prefer(Vec::new()), ["0000:6a:01.0", "0000:6c:01.0"]);
    assert_eq!(prefer(vec!["0000:6d:01.0"]), ["0000:6d:01.0", "0000:6b:01.0"]);
}

#[test]
fn functions_that_come_are_looked_for_at_once() {
    let triggers = Scene::builtin("empty").plugin(VFIO).triggers();
    assert_eq!(
        (triggers.subsystems, triggers.folders),
        (["pci", "vfio"].as_slice(), ["/dev/vfio"].as_slice())
    );
    // As the kernel prints the class 0x088000.
    assert!(triggers.pci_classes.iter().any(|class| "88000".starts_with(class)));
}
