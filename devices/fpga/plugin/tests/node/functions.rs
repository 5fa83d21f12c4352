//! Mode `af`: each port is a device, of a resource for what is programmed behind it.

use device_plugin::Expectation;
use fpga_plugin::Mode;

use crate::scene::{DFL_CARD, FIRST, FIRST_NAME, INTERFACE, MODES, OPAE_CARD, SECOND, SECOND_NAME, Scene};

#[test]
fn functions_of_both_drivers() {
    assert_eq!(
        Scene::dfl().told(Mode::Functions),
        [
            format!("{FIRST_NAME}: dfl-port.0 [dfl-port.0] numa [1]"),
            format!("{SECOND_NAME}: dfl-port.1 [dfl-port.1] numa [0]"),
        ]
    );
    assert_eq!(
        Scene::builtin("fpga-arria10").told(Mode::Functions),
        [
            format!("{FIRST_NAME}: intel-fpga-port.0 [intel-fpga-port.0] numa [0]"),
            format!("{SECOND_NAME}: intel-fpga-port.1 [intel-fpga-port.1] numa [1]"),
        ]
    );
    assert_eq!(
        Scene::builtin("fpga-stratix10").told(Mode::Functions),
        ["af-bfa.f7d.v6xNhR7oVv6MlYZc4buqLfffQFy9es9yIvFEsLk6zRg: dfl-port.0 [dfl-port.0] numa [1]"]
    );
}

#[test]
fn ports_with_the_same_function_are_of_one_resource() {
    let mut scene = Scene::dfl();
    scene.set("/sys/bus/platform/devices/dfl-port.1/afu_id", FIRST);
    assert_eq!(
        scene.told(Mode::Functions),
        [
            format!("{FIRST_NAME}: dfl-port.0 [dfl-port.0] numa [1]"),
            format!("{FIRST_NAME}: dfl-port.1 [dfl-port.1] numa [0]"),
        ]
    );
}

#[test]
fn a_container_gets_the_node_and_nothing_else() {
    for resource in Scene::dfl().look(Mode::Functions).resources.values() {
        for device in resource.devices.values() {
            let edits = &device.spec.edits;
            assert!(device.spec.cdi.is_none() && edits.annotations.is_empty());
            assert!(edits.mounts.is_empty() && edits.env.is_empty());
        }
    }
}

#[test]
fn what_was_found_must_still_be_so_when_it_is_handed_out() {
    let inventory = Scene::builtin("fpga-arria10").look(Mode::Functions);
    let device = &inventory.resources[FIRST_NAME].devices["intel-fpga-port.0"];
    let value = |path: String, value: &str| Expectation::Value { path: path.into(), value: value.to_owned() };
    assert_eq!(
        device.spec.expects,
        [
            Expectation::DeviceNode("/dev/intel-fpga-port.0".into()),
            value(format!("{OPAE_CARD}/intel-fpga-fme.0/pr/interface_id"), INTERFACE),
            value(format!("{OPAE_CARD}/intel-fpga-port.0/afu_id"), FIRST),
        ]
    );
    let compat_id = format!("{DFL_CARD}/dfl-fme.0/dfl-fme-region.0/fpga_region/region10/compat_id");
    let inventory = Scene::dfl().look(Mode::Functions);
    let device = &inventory.resources[FIRST_NAME].devices["dfl-port.0"];
    assert!(device.spec.expects.contains(&value(compat_id, INTERFACE)), "{:?}", device.spec.expects);
}

#[test]
fn a_port_without_its_node_is_left_out() {
    for mode in MODES {
        let mut scene = Scene::builtin("fpga-arria10");
        scene.node.delete("/dev/intel-fpga-port.0").unwrap();
        let told = scene.told(mode);
        assert!(told.len() == 2 && told[0].contains("intel-fpga-port.1"), "{told:?}");
        let warning = "intel-fpga-port.0 is left out: cannot look at /dev/intel-fpga-port.0: ";
        assert!(told[1].starts_with(warning), "{told:?}");
    }
}

#[test]
fn a_new_function_is_seen() {
    let mut scene = Scene::builtin("fpga-arria10");
    scene.set(&format!("{OPAE_CARD}/intel-fpga-port.0/afu_id"), SECOND);
    let told = scene.told(Mode::Functions);
    assert_eq!(told[0], format!("{SECOND_NAME}: intel-fpga-port.0 [intel-fpga-port.0] numa [0]"));
    assert_eq!(told.len(), 2);
}

#[test]
fn ids_that_are_none_leave_out_their_port_only() {
    let (interface, function) = ("intel-fpga-fme.0/pr/interface_id", "intel-fpga-port.0/afu_id");
    for file in [interface, function] {
        for bad in [
            "",
            "unparsable",
            "12",
            "é",
            "0x69528db6eb31577a8c3668f9faa081",
            &"f".repeat(40),
            &"f".repeat(1000),
        ] {
            let mut scene = Scene::builtin("fpga-arria10");
            scene.set(&format!("{OPAE_CARD}/{file}"), bad);
            let told = scene.told(Mode::Functions);
            let warning = format!("intel-fpga-port.0 is left out: cannot understand {OPAE_CARD}/{file}: ");
            assert!(told[0].starts_with(SECOND_NAME) && told[1].starts_with(&warning), "{told:?}");
            assert!(told.len() == 2 && told[1].len() < 400, "{told:?}");
        }
    }
}
