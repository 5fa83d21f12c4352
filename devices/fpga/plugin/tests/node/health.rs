//! Cards that have crashed.

use device_plugin::{Health, Inventory};
use fpga_plugin::Mode;

use crate::scene::{DEAD, FIRST, MODES, OPAE_CARD, Scene, told};

const GOOD: &str = "ce48969398f05f33946d560708be108a";

/// Three cards: one with one port, one with two, and one with two that does not answer.
fn three_cards() -> Inventory3 {
    let mut lines = String::from("use pci-driver driver=dfl-pci\n");
    for (card, interface, afu) in [(0, GOOD, FIRST), (1, GOOD, FIRST), (2, DEAD, DEAD)] {
        let pr = card + 10;
        let (at, pci) = (format!("pci0000:{card}0"), format!("0000:{card}1:00.0"));
        lines += &format!(
            "use fpga-dfl as=fpga{card} id={card} region={card} pr-region={pr} at={at} pci={pci} device=0x0b2b group={card} \
             interface={interface} afu={afu}\n"
        );
        if card > 0 {
            let (port, folder) = (card + 4, format!("/devices/{at}/{pci}/fpga_region/region{card}"));
            lines += &format!(
                "use fpga-node path={folder} name=dfl-port.{port} major=240 minor={port}\n\
                 file /sys{folder}/dfl-port.{port}/id 1\nfile /sys{folder}/dfl-port.{port}/afu_id {afu}\n"
            );
        }
    }
    let scene = Scene::text(&lines);
    Inventory3 { by_mode: MODES.map(|mode| scene.look(mode)) }
}

struct Inventory3 {
    by_mode: [Inventory; 3],
}

#[test]
fn a_dead_card_is_unhealthy_under_the_name_that_its_ids_make() {
    let Inventory3 { by_mode: [functions, regions, for_development] } = three_cards();
    let (good, dead) = (
        "af-ce4.d84.zkiWk5jwXzOUbVYHCL4QithCTcSko8QT-J5DNoP5BAs",
        "af-fff.fff.__________________________________________8",
    );
    assert_eq!(
        told(&functions),
        [
            format!("{good}: dfl-port.0 [dfl-port.0] numa []"),
            format!("{good}: dfl-port.1 [dfl-port.1] numa []"),
            format!("{good}: dfl-port.5 [dfl-port.5] numa []"),
            format!("{dead}: dfl-port.2 [dfl-port.2] numa [] unhealthy"),
            format!("{dead}: dfl-port.6 [dfl-port.6] numa [] unhealthy"),
        ]
    );
    assert_eq!(
        told(&regions),
        [
            format!("region-{GOOD}: dfl-fme.0 [dfl-port.0] numa []"),
            format!("region-{GOOD}: dfl-fme.1 [dfl-port.1 dfl-port.5] numa []"),
            format!("region-{DEAD}: dfl-fme.2 [dfl-port.2 dfl-port.6] numa [] unhealthy"),
        ]
    );
    assert_eq!(
        told(&for_development),
        [
            format!("region-{GOOD}: dfl-fme.0 [dfl-port.0 dfl-fme.0] numa []"),
            format!("region-{GOOD}: dfl-fme.1 [dfl-port.1 dfl-port.5 dfl-fme.1] numa []"),
            format!("region-{DEAD}: dfl-fme.2 [dfl-port.2 dfl-port.6 dfl-fme.2] numa [] unhealthy"),
        ]
    );
}

#[test]
fn a_dead_function_is_not_a_dead_card() {
    let mut scene = Scene::builtin("fpga-arria10");
    let regions = scene.look(Mode::Regions);
    scene.set(&format!("{OPAE_CARD}/intel-fpga-port.0/afu_id"), DEAD);
    let inventory = scene.look(Mode::Functions);
    let (_, resource) = inventory.resources.iter().find(|(name, _)| name.starts_with("af-695.fff.")).unwrap();
    let reason = "intel-fpga-port.0 does not answer: its id is all ones; the card needs a reset".to_owned();
    assert_eq!(resource.devices["intel-fpga-port.0"].health, Health::Unhealthy(reason));
    assert_eq!(scene.look(Mode::Regions), regions);

    // With the function that it had, a card without an interface would be offered as healthy by its function alone.
    scene.set(&format!("{OPAE_CARD}/intel-fpga-port.0/afu_id"), FIRST);
    scene.set(&format!("{OPAE_CARD}/intel-fpga-fme.0/pr/interface_id"), DEAD);
    assert_eq!(
        scene.told(Mode::Regions)[1],
        format!("region-{DEAD}: intel-fpga-fme.0 [intel-fpga-port.0] numa [0] unhealthy")
    );
    let functions = scene.told(Mode::Functions);
    assert!(functions[1].starts_with("af-fff.d84.") && !functions[1].ends_with("unhealthy"), "{functions:?}");
}
