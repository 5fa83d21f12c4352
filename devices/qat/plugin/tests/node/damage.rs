//! Files that cannot be used, and functions that go.

use device_plugin::DevicePlugin;
use simulator::Damage;

use super::scene::{FOLDER, HEARTBEAT, PF, Scene, VF0, VF1, VF2, guest, ids, ills, plugin};

#[test]
fn a_function_that_has_just_gone_is_passed_over_in_silence() {
    let mut scene = Scene::loaded(&[PF, VF0, VF1]);
    scene.node.remove("vf1").unwrap();
    let inventory = scene.look(&[]);
    assert_eq!((ids(&inventory), inventory.warnings.len()), (vec!["0000:6b:00.1"], 0));
}

#[test]
fn any_damage_to_one_function_is_a_warning_and_harms_no_other() {
    let other = [
        "use qat-pf at=pci0000:e8 pci=0000:e8:00.0 group=103 services=dc",
        "use qat-vf-vfio at=pci0000:e8 pf=0000:e8:00.0 vf=0 pci=0000:e8:00.1 group=104",
        VF2,
    ];
    let (pf, vf, debug) = (
        format!("{FOLDER}/0000:6b:00.0"),
        format!("{FOLDER}/0000:6b:00.1"),
        "/sys/kernel/debug/qat_4xxx_0000:6b:00.0".to_owned(),
    );
    let files = [
        format!("{vf}/device"),
        format!("{vf}/driver"),
        format!("{vf}/driver_override"),
        format!("{vf}/iommu_group"),
        format!("{vf}/numa_node"),
        format!("{vf}/physfn"),
        format!("{vf}/vendor"),
        format!("{pf}/virtfn0"),
        format!("{pf}/driver"),
        format!("{pf}/qat/state"),
        format!("{pf}/qat/cfg_services"),
        format!("{debug}/heartbeat/status"),
        format!("{debug}/dev_cfg"),
        "/dev/vfio/101".to_owned(),
        "/sys/bus/pci/devices/0000:6b:00.1".to_owned(),
    ];
    for damage in Damage::ALL {
        for file in &files {
            let mut scene = Scene::loaded(&[&[PF, VF0], &other[..]].concat());
            scene.node.damage(file, damage).unwrap();
            let inventory = scene.look(&[]);
            assert!(ids(&inventory).contains(&"0000:e8:00.1"), "{file} {damage:?}: {inventory:?}");
            let is_offered = ids(&inventory).contains(&"0000:6b:00.1");
            let is_named = inventory.warnings.iter().any(|w| w.contains("6b:00.1") || w.contains("virtfn0"));
            // A link that is gone is a function that is gone.
            let is_gone = damage == Damage::Missing && file.ends_with("virtfn0");
            // The physical function is named.
            let is_physical = inventory.warnings.iter().any(|w| w.contains("6b:00.0"));
            assert!(is_offered || is_named || is_gone || is_physical, "{file} {damage:?}: {inventory:?}");
        }
    }
}

#[test]
fn what_only_adds_to_a_function_does_not_cost_it() {
    let pf = format!("{FOLDER}/0000:6b:00.0");
    let files = [
        format!("{FOLDER}/0000:6b:00.1/numa_node"),
        format!("{FOLDER}/0000:6b:00.1/physfn"),
        format!("{FOLDER}/0000:6b:00.1/driver_override"),
        format!("{pf}/qat/state"),
        format!("{pf}/qat/cfg_services"),
        HEARTBEAT.to_owned(),
    ];
    for damage in Damage::ALL {
        for file in &files {
            let mut scene = Scene::loaded(&[PF, VF0]);
            scene.node.damage(file, damage).unwrap();
            let inventory = scene.look(&[]);
            assert_eq!(ids(&inventory), ["0000:6b:00.1"], "{file} {damage:?}");
            assert_eq!(ills(&inventory), [], "{file} {damage:?}");
        }
    }
}

#[test]
fn damage_in_a_virtual_machine_is_a_warning() {
    let second = "use pci-function at=pci0000:00 pci=0000:00:06.0 device=0x4941 class=0x0b4000\n\
                  use vfio-group at=pci0000:00 pci=0000:00:06.0 group=8";
    for damage in Damage::ALL {
        for file in ["vendor", "device", "driver", "iommu_group"] {
            let mut scene = Scene::loaded(&[&guest("0x8086", "0x4941"), second]);
            scene.node.damage(format!("/sys/devices/pci0000:00/0000:00:05.0/{file}"), damage).unwrap();
            let inventory = scene.look(&[]);
            assert_eq!(ids(&inventory), ["0000:00:06.0"], "{file} {damage:?}");
            let named = inventory.warnings.iter().any(|warning| warning.contains("0000:00:05.0"));
            assert!(named, "{file} {damage:?}: {:?}", inventory.warnings);
        }
    }
}

#[test]
fn what_cannot_be_listed_changes_nothing() {
    let mut scene = Scene::loaded(&[PF, VF0]);
    scene.node.damage("/sys/bus/pci/drivers/4xxx", Damage::LinkLoop).unwrap();
    let error = plugin(&[]).discover(&scene.host()).unwrap_err();
    assert!(error.to_string().contains("/sys/bus/pci/drivers/4xxx"), "{error}");
    assert_eq!(plugin(&[]).prepare(&scene.host()), [""; 0]);
}

#[test]
fn a_physical_function_that_cannot_be_followed_is_a_warning_unless_it_is_gone() {
    let other = [
        "use qat-pf at=pci0000:e8 pci=0000:e8:00.0 group=103 services=dc",
        "use qat-vf-vfio at=pci0000:e8 pf=0000:e8:00.0 vf=0 pci=0000:e8:00.1 group=104",
    ];
    for (damage, warnings) in [(Damage::Missing, 0), (Damage::DanglingLink, 1), (Damage::LinkLoop, 1)] {
        let mut scene = Scene::loaded(&[&[PF, VF0], &other[..]].concat());
        scene.node.damage("/sys/bus/pci/drivers/4xxx/0000:6b:00.0", damage).unwrap();
        let inventory = scene.look(&[]);
        assert_eq!(
            (ids(&inventory), inventory.warnings.len()),
            (vec!["0000:e8:00.1"], warnings),
            "{damage:?}"
        );
    }
}
