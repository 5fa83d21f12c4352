//! All that is offered on a whole node, as a text to read.

use device_plugin::{DevicePlugin as _, Inventory};

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
    golden("xeon-accelerators.txt", &text);
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

fn golden(name: &str, found: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(expected, found, "run with UPDATE_GOLDEN=1 and read the difference");
}
