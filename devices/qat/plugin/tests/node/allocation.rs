//! What a container is given.

use device_plugin::{ContainerEdits, DevicePlugin, Expectation};

use super::scene::{PF, Scene, VF0, VF1, device, plugin};

#[test]
fn an_allocation_is_refused_when_the_hardware_is_not_what_it_was() {
    let inventory = Scene::loaded(&[PF, VF0]).look(&[]);
    let expects = &device(&inventory, "0000:6b:00.1").spec.expects;
    let link = |path: &str, name: &str| Expectation::Link { path: path.into(), name: name.to_owned() };
    for expected in [
        Expectation::DeviceNode("/dev/vfio/101".into()),
        Expectation::DeviceNode("/dev/vfio/vfio".into()),
        link("/sys/bus/pci/devices/0000:6b:00.1/driver", "vfio-pci"),
        link("/sys/bus/pci/devices/0000:6b:00.1/iommu_group", "101"),
        Expectation::Value {
            path: "/sys/bus/pci/devices/0000:6b:00.0/qat/state".into(),
            value: "up".to_owned(),
        },
    ] {
        assert!(expects.contains(&expected), "{expected:?} is not among {expects:?}");
    }
}

#[test]
fn a_container_gets_the_addresses_in_the_order_asked_for() {
    let scene = Scene::loaded(&[PF, VF0, VF1]);
    let plugin = plugin(&[]);
    let inventory = plugin.discover(&scene.host()).unwrap();
    let asked = ["0000:6b:00.2", "0000:6b:00.1"].map(|id| (id, device(&inventory, id)));
    let edits = plugin.allocate("cy", &asked, ContainerEdits::default()).unwrap();
    let env: Vec<(&str, &str)> = edits.env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(env, [("QAT0", "0000:6b:00.2"), ("QAT1", "0000:6b:00.1")]);
    assert_eq!(
        device(&inventory, "0000:6b:00.1").spec.edits.env.len(),
        0,
        "one more function changes no other"
    );
}

#[test]
fn the_kubelet_is_told_that_there_are_preferences() {
    let plugin = plugin(&[]);
    assert!(plugin.capabilities().prefers && !plugin.capabilities().pre_starts);
    assert_eq!((plugin.namespace(), plugin.list_size_flag()), ("qat.intel.com", Some("-max-num-devices")));
}
