//! Files that cannot be used.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use simulator::Damage;

use crate::scene::{DFL_CARD, MODES, OPAE_CARD, Scene};

/// All that a folder holds, without following links.
fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        found.push(path.clone());
        if path.symlink_metadata().unwrap().is_dir() {
            below(&path, found);
        }
    }
}

/// Whatever is damaged of the first card, the second is offered as before, and what the first loses is said.
fn damage_all(mut scene: Scene, card: &str, links: [&str; 3], ids: [&str; 3]) {
    let root = scene.node.root().to_owned();
    let function = Path::new(card).ancestors().nth(2).unwrap();
    let mut paths = Vec::new();
    below(&root.join(function.strip_prefix("/").unwrap()), &mut paths);
    paths.extend(links.iter().map(|link| root.join(&link[1..])));
    assert!(paths.len() > 30, "{paths:?}");
    let before = MODES.map(|mode| scene.look(mode));
    let aside = root.parent().unwrap().join("aside");
    for path in &paths {
        let inside = Path::new("/").join(path.strip_prefix(&root).unwrap());
        for damage in Damage::ALL {
            fs::rename(path, &aside).unwrap();
            fs::write(path, "").unwrap();
            scene.node.damage(&inside, damage).unwrap();
            for (mode, before) in MODES.into_iter().zip(&before) {
                let after = scene.look(mode);
                for (name, resource) in &before.resources {
                    for (id, device) in &resource.devices {
                        let found = after.resources.get(name).and_then(|found| found.devices.get(id));
                        if !ids.contains(&id.as_str()) {
                            assert_eq!(found, Some(device), "{} {damage:?} {mode}", inside.display());
                            continue;
                        }
                        // Without its NUMA nodes it is as good.
                        let is_offered = found.is_some_and(|found| {
                            (&found.health, &found.spec.edits) == (&device.health, &device.spec.edits)
                        });
                        let is_said =
                            after.warnings.iter().any(|said| ids.iter().any(|id| said.contains(id)));
                        let entries = [card.to_owned(), links[0].to_owned(), format!("{card}/{}", ids[0])];
                        // A card or a port that is gone is none to be warned of.
                        let is_gone = entries.iter().any(|entry| Path::new(entry).starts_with(&inside));
                        assert!(
                            is_offered || is_said || is_gone,
                            "{id} is lost without a word: {} {damage:?} {mode}: {after:?}",
                            inside.display()
                        );
                    }
                }
            }
            match path.symlink_metadata() {
                Ok(found) if found.is_dir() => fs::remove_dir(path).unwrap(),
                Ok(_) => fs::remove_file(path).unwrap(),
                Err(_) => {}
            }
            fs::rename(&aside, path).unwrap();
        }
    }
    assert_eq!(MODES.map(|mode| scene.look(mode)), before, "all is healed");
}

#[test]
fn any_damage_to_a_card_on_intels_driver_harms_no_other() {
    let links = ["/sys/class/fpga/intel-fpga-dev.0", "/dev/intel-fpga-port.0", "/dev/intel-fpga-fme.0"];
    let ids = ["intel-fpga-port.0", "intel-fpga-fme.0", "intel-fpga-dev.0"];
    damage_all(Scene::builtin("fpga-arria10"), OPAE_CARD, links, ids);
}

#[test]
fn any_damage_to_a_card_on_the_kernels_driver_harms_no_other() {
    let links = ["/sys/class/fpga_region/region0", "/dev/dfl-port.0", "/dev/dfl-fme.0"];
    damage_all(Scene::dfl(), DFL_CARD, links, ["dfl-port.0", "dfl-fme.0", "region0"]);
}

proptest! {
    // Each is a node of its own.
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever the files of a card say, it is offered or left out with a word of it, and the other card is offered.
    #[test]
    fn any_content_of_a_cards_files_is_an_answer_or_a_warning(
        content in prop_oneof![any::<Vec<u8>>(), "[0-9a-fA-F]{0,41}\n?".prop_map(String::into_bytes)],
        which in 0..5usize,
    ) {
        let scene = Scene::dfl();
        let engine = format!("{DFL_CARD}/dfl-fme.0");
        let file = [
            format!("{engine}/dfl-fme-region.0/fpga_region/region10/compat_id"),
            format!("{engine}/ports_num"),
            format!("{DFL_CARD}/dfl-port.0/afu_id"),
            format!("{DFL_CARD}/dfl-port.0/id"),
            "/sys/devices/pci0000:80/0000:80:01.0/0000:81:00.0/class".to_owned(),
        ][which].clone();
        let path = scene.node.root().join(&file[1..]);
        prop_assert!(path.exists(), "{}", file);
        let before = MODES.map(|mode| scene.look(mode));
        fs::write(&path, content).unwrap();
        for (mode, before) in MODES.into_iter().zip(before) {
            let after = scene.look(mode);
            let has = |inventory: &device_plugin::Inventory, id: &str| {
                inventory.resources.values().any(|resource| resource.devices.contains_key(id))
            };
            for id in ["dfl-port.0", "dfl-fme.0"] {
                let is_said = after.warnings.iter().any(|warning| warning.starts_with("dfl-"));
                prop_assert!(!has(&before, id) || has(&after, id) || is_said, "{} {}: {:?}", mode, file, after);
            }
            for id in ["dfl-port.1", "dfl-fme.1"] {
                prop_assert_eq!(has(&before, id), has(&after, id), "{} {}", mode, file);
            }
        }
    }
}
