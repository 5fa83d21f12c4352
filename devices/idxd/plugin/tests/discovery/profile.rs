//! All that is offered on a whole node, as a text to read.

use device_plugin::{DevicePlugin as _, Inventory};
use simulator::golden;

use crate::scene::{Scene, nodes, start};

#[test]
fn the_inventory_of_a_xeon_is_the_golden_one() {
    let scene = Scene::builtin("xeon-accelerators");
    let mut text = String::new();
    for (name, parse) in [
        ("dsa", idxd_plugin::dsa::parse as fn(&[String]) -> _),
        ("iaa", idxd_plugin::iaa::parse as fn(&[String]) -> _),
    ] {
        for flags in [&[][..], &["-shared-dev-num=2"]] {
            let plugin = start(parse, flags, &scene.host());
            let title = [&[name], flags].concat().join(" ");
            text += &format!("# {title}: {}\n", plugin.namespace());
            text += &shown(&plugin.discover(&scene.host()).unwrap());
        }
    }
    golden("tests/golden/xeon-accelerators.txt", &text);
}

fn shown(inventory: &Inventory) -> String {
    assert_eq!(inventory.warnings, [""; 0]);
    let mut text = String::new();
    for (name, resource) in &inventory.resources {
        text += &format!("{name}\n");
        for (id, device) in &resource.devices {
            assert!(device.is_healthy());
            let numa = format!("numa {:?}", device.spec.numa.as_ref().unwrap());
            let mut words = vec![id.as_str(), &numa];
            words.extend(nodes(device));
            text += &format!("  {}\n", words.join(" "));
        }
    }
    text
}
