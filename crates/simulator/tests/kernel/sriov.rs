//! Virtual functions.

use host::{PciFunction, pci};
use rustix::io::Errno;

use super::scene::Scene;

const PF: &str = "0000:6b:00.0";
const NUMBER: &str = "/sys/bus/pci/devices/0000:6b:00.0/sriov_numvfs";

/// A driver that has no behaviour but can have any number of virtual functions.
fn plain() -> Scene {
    Scene::of(
        "use pci-bus\nuse vfio\nuse pci-driver driver=i915\n\
         use pci-function as=pf at=pci0000:6b pci=0000:6b:00.0 device=0x56c0 class=0x038000 revision=0x08 numa=1 cpus=4-7\n\
         use pci-bound as=bound at=pci0000:6b pci=0000:6b:00.0 driver=i915\n\
         use sriov-pf as=sriov at=pci0000:6b pci=0000:6b:00.0 total=31 enabled=0\n",
    )
}

fn functions(scene: &Scene) -> Vec<String> {
    let physical = PciFunction::at(&scene.host, PF.parse().unwrap()).unwrap();
    let functions = physical.virtual_functions().unwrap();
    let line = |one: &PciFunction| {
        let group = one.iommu_group().unwrap().unwrap();
        format!("{} {} {group}", one.address(), scene.driver(&one.address().to_string()))
    };
    functions.iter().map(line).collect()
}

#[test]
fn functions_come_and_go() {
    let mut scene = plain();
    let before = scene.tree();
    scene.set(NUMBER, "2\n");
    assert_eq!(scene.read(NUMBER), "2");
    assert_eq!(functions(&scene), ["0000:6b:00.1 i915 0", "0000:6b:00.2 i915 1"]);
    let vf = PciFunction::at(&scene.host, "0000:6b:00.2".parse().unwrap()).unwrap();
    assert_eq!(vf.vendor().unwrap().to_string(), "0x8086");
    assert_eq!(vf.device().unwrap().to_string(), "0x56c0");
    assert_eq!(vf.physical_function().unwrap().unwrap().address().to_string(), PF);
    for (name, value) in [
        ("class", "0x038000"),
        ("revision", "0x08"),
        ("numa_node", "1"),
        ("local_cpulist", "4-7"),
        ("driver_override", "(null)"),
    ] {
        assert_eq!(scene.host.read(vf.folder().join(name)).unwrap(), value, "{name}");
    }
    scene.is_sound();
    assert_eq!(
        scene.uevents(),
        [
            "add pci 0000:6b:00.1",
            "bind pci 0000:6b:00.1",
            "add pci 0000:6b:00.2",
            "bind pci 0000:6b:00.2",
            "change pci 0000:6b:00.0"
        ]
    );
    scene.set(NUMBER, "0");
    assert_eq!(
        scene.uevents(),
        [
            "unbind pci 0000:6b:00.2",
            "remove pci 0000:6b:00.2",
            "unbind pci 0000:6b:00.1",
            "remove pci 0000:6b:00.1"
        ]
    );
    assert_eq!(scene.tree(), before);
    assert!(scene.kernel.node().devices().eq(["bound", "pf", "sriov"]));
}

#[test]
fn a_number_that_cannot_be_is_refused() {
    let scene = plain();
    for (value, error) in
        [("32", Errno::RANGE), ("65536", Errno::INVAL), ("-1", Errno::INVAL), ("many", Errno::INVAL)]
    {
        assert_eq!(scene.write(NUMBER, value), Err(error), "{value}");
    }
    scene.set(NUMBER, "0x2");
    assert_eq!(scene.write(NUMBER, "3"), Err(Errno::BUSY));
    // Nothing is to be done.
    scene.set(NUMBER, "2");
    assert_eq!(functions(&scene).len(), 2);
    scene.set(NUMBER, "0");
    scene.set(NUMBER, "31");
    assert_eq!(functions(&scene).last().unwrap(), "0000:6b:03.7 i915 30");
}

#[test]
fn addresses_follow_the_offset_and_the_stride() {
    let scene = plain();
    for (name, value) in [("sriov_offset", "8"), ("sriov_stride", "4")] {
        let path = format!("/sys/devices/pci0000:6b/{PF}/{name}");
        scene.kernel.node().set_attribute(path, value).unwrap();
    }
    scene.set(NUMBER, "3");
    let addresses: Vec<String> =
        pci::addresses(&scene.host).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(addresses, [PF, "0000:6b:01.0", "0000:6b:01.4", "0000:6b:02.0"]);
}

#[test]
fn functions_come_where_they_would_also_when_the_node_does_not_show_where() {
    for name in ["sriov_offset", "sriov_stride"] {
        for shown in [Some("0"), None] {
            let scene = plain();
            let path = format!("/sys/devices/pci0000:6b/{PF}/{name}");
            match shown {
                Some(value) => scene.kernel.node().set_attribute(path, value).unwrap(),
                None => scene.kernel.node().delete(path).unwrap(),
            }
            scene.set(NUMBER, "2");
            assert_eq!(functions(&scene), ["0000:6b:00.1 i915 0", "0000:6b:00.2 i915 1"]);
        }
    }
}

#[test]
fn without_a_driver_there_are_none() {
    let scene = plain();
    assert_eq!(scene.pci("i915", "unbind", PF), Ok(()));
    assert_eq!(scene.write(NUMBER, "1"), Err(Errno::NOENT));
    scene.set(NUMBER, "0");
}

#[test]
fn they_go_with_the_driver() {
    let scene = plain();
    scene.set(NUMBER, "4");
    assert_eq!(scene.pci("i915", "unbind", PF), Ok(()));
    assert_eq!(functions(&scene), [""; 0]);
    assert_eq!(scene.read(NUMBER), "0");
    assert_eq!(pci::addresses(&scene.host).unwrap().len(), 1);
}

#[test]
fn they_are_not_probed_when_that_is_off() {
    let scene = plain();
    let probe = format!("/sys/bus/pci/devices/{PF}/sriov_drivers_autoprobe");
    assert_eq!(scene.write(&probe, "2"), Err(Errno::INVAL));
    scene.set(&probe, "n");
    assert_eq!(scene.read(&probe), "0");
    scene.set(NUMBER, "1");
    assert_eq!(functions(&scene), ["0000:6b:00.1 - 0"]);
    // Nor by hand, but with an override.
    assert_eq!(scene.pci("i915", "bind", "0000:6b:00.1"), Err(Errno::NODEV));
    scene.set("/sys/bus/pci/drivers_probe", "0000:6b:00.1");
    assert_eq!(functions(&scene), ["0000:6b:00.1 - 0"]);
    scene.set("/sys/bus/pci/devices/0000:6b:00.1/driver_override", "vfio-pci");
    assert_eq!(scene.pci("vfio-pci", "bind", "0000:6b:00.1"), Ok(()));
    assert_eq!(scene.pci("vfio-pci", "unbind", "0000:6b:00.1"), Ok(()));
    scene.set("/sys/bus/pci/devices/0000:6b:00.1/driver_override", "\n");
    scene.set(&probe, "1");
    assert_eq!(scene.pci("i915", "bind", "0000:6b:00.1"), Ok(()));
}
