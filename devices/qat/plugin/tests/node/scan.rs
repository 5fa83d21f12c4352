//! Which functions are offered on a node, tree by tree.

use std::path::Path;

use device_plugin::{DevicePlugin, Expectation};
use simulator::{Profile, golden, shown};

use super::scene::{C62X_ON_VFIO, FOLDER, PF, Scene, VF0, VF1, c62x, counts, device, guest, ids, plugin};

const IGB_UIO: &str = "use pci-driver driver=igb_uio\nuse pci-bound at=pci0000:3d pci=0000:3d:01.0 driver=igb_uio\n\
                       dir /sys/devices/pci0000:3d/0000:3d:01.0/uio/uio0\n\
                       link /sys/class/uio/uio0 -> /sys/devices/pci0000:3d/0000:3d:01.0/uio/uio0";
const OF_C62X: [&str; 2] = ["-dpdk-driver=igb_uio", "-kernel-vf-drivers=c6xxvf"];

#[test]
fn a_node_without_qat_offers_nothing() {
    let inventory = Scene::of(&[]).look(&[]);
    assert_eq!((counts(&inventory), inventory.warnings.len()), (String::new(), 0));
    let inventory = Scene::loaded(&[]).look(&["-max-num-devices=0"]);
    assert_eq!((counts(&inventory), inventory.warnings.len()), (String::new(), 0));
}

#[test]
fn the_builtin_node() {
    let scene = Scene::from(&Profile::builtin("xeon-accelerators").unwrap());
    let inventory = plugin(&[]).discover(&scene.host()).unwrap();
    golden("tests/golden/xeon-accelerators.txt", &shown(&inventory, scene.node.root()));
}

#[test]
fn functions_without_a_device_id_are_left_out() {
    let mut scene = Scene::loaded(&[&guest("0x8086", "0x4941")]);
    scene.node.delete("/sys/bus/pci/devices/0000:00:05.0/device").unwrap();
    let inventory = scene.look(&["-dpdk-driver=igb_uio"]);
    assert_eq!(counts(&inventory), "");
    assert!(inventory.warnings[0].starts_with("0000:00:05.0 is left out: "), "{:?}", inventory.warnings);
}

#[test]
fn igb_uio_offers_a_node_and_the_registers() {
    let scene = Scene::of(&[&c62x(IGB_UIO, "")]);
    let inventory = scene.look(&OF_C62X);
    assert_eq!((counts(&inventory).as_str(), inventory.warnings.len()), ("generic=1", 0), "{inventory:?}");
    golden("tests/golden/igb_uio.txt", &shown(&inventory, scene.node.root()));
}

#[test]
fn igb_uio_without_a_device_is_left_out() {
    let mut scene = Scene::of(&[&c62x(IGB_UIO, "")]);
    let folder = "/sys/devices/pci0000:3d/0000:3d:01.0/uio";
    scene.node.delete(format!("{folder}/uio0")).unwrap();
    let inventory = scene.look(&OF_C62X);
    assert_eq!(counts(&inventory), "");
    assert!(inventory.warnings[0].contains("uio is empty"), "{:?}", inventory.warnings);
    scene.node.delete(folder).unwrap();
    let inventory = scene.look(&OF_C62X);
    assert_eq!(counts(&inventory), "");
    assert!(inventory.warnings[0].contains("cannot list"), "{:?}", inventory.warnings);
}

#[test]
fn there_are_as_many_as_the_limit_and_those_left_out_are_counted() {
    let scene = Scene::loaded(&[PF, VF0, VF1]);
    let one = scene.look(&["-max-num-devices=1"]);
    assert_eq!(ids(&one), ["0000:6b:00.1"]);
    assert_eq!(one.warnings, ["1 of 2 virtual functions are left out: -max-num-devices is 1"]);
    let all = scene.look(&["-max-num-devices=4"]);
    assert_eq!((ids(&all).len(), all.warnings.len()), (2, 0));
    let none = scene.look(&["-max-num-devices=0"]);
    assert_eq!(ids(&none), [""; 0]);
    assert_eq!(none.warnings, ["2 of 2 virtual functions are left out: -max-num-devices is 0"]);
}

#[test]
fn virtual_functions_count_as_people_count() {
    let mut lines = vec![PF.to_owned()];
    // As the kernel numbers them, and with the addresses in another order.
    for (vf, at) in [(0, "0000:6b:01.0"), (1, "0000:6b:00.5"), (2, "0000:6b:00.4"), (10, "0000:6b:00.3")] {
        let group = 101 + vf;
        lines.push(format!("use qat-vf-vfio at=pci0000:6b pf=0000:6b:00.0 vf={vf} pci={at} group={group}"));
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let inventory = Scene::loaded(&lines).look(&["-max-num-devices=3"]);
    assert_eq!(ids(&inventory), ["0000:6b:00.4", "0000:6b:00.5", "0000:6b:01.0"]);
}

#[test]
fn drivers_count_in_the_order_of_the_flag() {
    let c62x = c62x(C62X_ON_VFIO, "");
    let scene = Scene::loaded(&[PF, VF0, &c62x]);
    let first = |drivers: &str| ids(&scene.look(&["-max-num-devices=1", drivers]))[0].to_owned();
    assert_eq!(first("-kernel-vf-drivers=c6xxvf,4xxxvf"), "0000:3d:01.0");
    assert_eq!(first("-kernel-vf-drivers=4xxxvf,c6xxvf"), "0000:6b:00.1");
    assert_eq!(scene.counts(&["-kernel-vf-drivers=4xxxvf,c6xxvf,4xxxvf"]), "cy=1 generic=1");
    assert_eq!(scene.counts(&["-kernel-vf-drivers=d15xxvf,420xxvf"]), "", "none of these drivers has any");
}

#[test]
fn functions_without_a_group_are_left_out() {
    let mut scene = Scene::loaded(&[PF, VF0, VF1]);
    scene.node.delete(format!("{FOLDER}/0000:6b:00.1/iommu_group")).unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(ids(&inventory), ["0000:6b:00.2"]);
    assert!(inventory.warnings[0].contains("intel_iommu=on"), "{:?}", inventory.warnings);
}

#[test]
fn in_a_virtual_machine_functions_are_known_by_their_ids() {
    for (id, driver) in [
        ("0x0442", "dh895xccvf"),
        ("0x0443", "dh895xccvf"),
        ("0x18a1", "c4xxxvf"),
        ("0x19e3", "c3xxxvf"),
        ("0x37c9", "c6xxvf"),
        ("0x6f55", "d15xxvf"),
        ("0x4941", "4xxxvf"),
        ("0x4943", "4xxxvf"),
        ("0x4945", "4xxxvf"),
        ("0x4947", "420xxvf"),
        ("0x4949", "6xxxvf"),
    ] {
        let scene = Scene::loaded(&[&guest("0x8086", id)]);
        let flag = format!("-kernel-vf-drivers={driver}");
        let inventory = scene.look(&[&flag]);
        assert_eq!((counts(&inventory).as_str(), inventory.warnings.len()), ("generic=1", 0), "{id}");
        let other = if driver == "c6xxvf" { "4xxxvf" } else { "c6xxvf" };
        assert_eq!(scene.counts(&[&format!("-kernel-vf-drivers={other}")]), "", "{id}");
    }
    assert_eq!(Scene::loaded(&[&guest("0x1af4", "0x4941")]).counts(&[]), "", "another vendor's");
}

#[test]
fn without_an_iommu_the_node_is_called_otherwise() {
    let node = "file /sys/kernel/iommu_groups/7/name vfio-noiommu\nchar /dev/vfio/noiommu-7 511:77";
    let scene = Scene::loaded(&[&guest("0x8086", "0x4941"), node]);
    let inventory = scene.look(&[]);
    let nodes = &device(&inventory, "0000:00:05.0").spec.edits.nodes;
    assert_eq!(nodes[0].container_path, Path::new("/dev/vfio/noiommu-7"));
    assert_eq!(nodes[1].container_path, Path::new("/dev/vfio/vfio"));
    let (path, name) = ("/sys/bus/pci/devices/0000:00:05.0/iommu_group".into(), "7".to_owned());
    assert!(device(&inventory, "0000:00:05.0").spec.expects.contains(&Expectation::Link { path, name }));
}

#[test]
fn functions_in_one_group_are_offered_with_a_warning() {
    let mut scene = Scene::loaded(&[PF, VF0, VF1]);
    let link = format!("{FOLDER}/0000:6b:00.2/iommu_group");
    scene.node.delete(&link).unwrap();
    let group = scene.node.root().join("sys/kernel/iommu_groups/101");
    std::os::unix::fs::symlink(
        Path::new("../../../kernel/iommu_groups").join(group.file_name().unwrap()),
        scene.host().outside(&link),
    )
    .unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(counts(&inventory), "cy=2");
    let warning = "0000:6b:00.1 and 0000:6b:00.2 share the IOMMU group 101, which only one container at a time can open";
    assert_eq!(inventory.warnings, [warning]);
}

#[test]
fn a_function_without_its_node_is_left_out() {
    let mut scene = Scene::loaded(&[PF, VF0, VF1]);
    scene.node.delete("/dev/vfio/101").unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(ids(&inventory), ["0000:6b:00.2"]);
    assert!(inventory.warnings[0].contains("is the node's /dev/vfio mounted"), "{:?}", inventory.warnings);
}

#[test]
fn without_the_control_node_all_are_left_out() {
    let mut scene = Scene::loaded(&[PF, VF0, VF1]);
    scene.node.delete("/dev/vfio/vfio").unwrap();
    let inventory = scene.look(&[]);
    assert_eq!((counts(&inventory).as_str(), inventory.warnings.len()), ("", 2));
    assert!(inventory.warnings[0].contains("there is no /dev/vfio/vfio"), "{:?}", inventory.warnings);
}

#[test]
fn without_an_iommu_a_group_that_has_no_node_yet_is_left_out() {
    let mut scene = Scene::loaded(&[&guest("0x8086", "0x4941"), "char /dev/vfio/noiommu-71 511:77"]);
    scene.node.delete("/dev/vfio/7").unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(counts(&inventory), "", "71 is another group");
    assert!(inventory.warnings[0].contains("there is no /dev/vfio/7"), "{:?}", inventory.warnings);
}

#[test]
fn functions_of_long_domains_are_offered() {
    let lines = [
        "use qat-pf at=pci10000:00 pci=10000:01:00.0 group=100",
        "use qat-vf-vfio at=pci10000:00 pf=10000:01:00.0 vf=0 pci=10000:01:00.1 group=101",
    ];
    assert_eq!(ids(&Scene::loaded(&lines).look(&[])), ["10000:01:00.1"]);
}

#[test]
fn where_there_is_a_physical_function_nothing_is_known_by_its_id() {
    let scene = Scene::loaded(&[PF, &guest("0x8086", "0x4941")]);
    assert_eq!(scene.counts(&[]), "");
    assert_eq!(scene.counts(&["-kernel-vf-drivers=420xxvf"]), "");
}
