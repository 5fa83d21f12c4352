//! Which devices are ports, which engine a port has, and how ports are released.

use std::process::Command;

use crate::scene::{ARRIA, CARDS, DFL, FIRST, OPAE, SECOND, STRATIX, Said, Scene};

const PF: &str = "pci0000:40/0000:42:00.0";
const VF: &str = "pci0000:40/0000:42:00.1";

/// A DFL card with two ports; the second was given to a virtual function. `ids` are the interfaces of its regions.
fn with_virtual_function(ids: [&str; 2]) -> Scene {
    let card = format!("/devices/{PF}/fpga_region/region0");
    let vf_card = format!("/devices/{VF}/fpga_region/region3");
    let mut lines = format!(
        "use pci-function at=pci0000:40 pci=0000:42:00.0 device=0x0b2b class=0x120000 numa=0\n\
         use pci-function at=pci0000:40 pci=0000:42:00.1 device=0x0b2c class=0x120000 numa=0\n\
         use sriov-vf at=pci0000:40 pf=0000:42:00.0 pci=0000:42:00.1 vf=0\n\
         use fpga-node path={card} name=dfl-fme.0 major=241 minor=0\n\
         file /sys{card}/dfl-fme.0/ports_num 2\n\
         use fpga-node path={card} name=dfl-port.0 major=240 minor=0\n\
         file /sys{card}/dfl-port.0/id 0\nfile /sys{card}/dfl-port.0/afu_id {SECOND}\n\
         use fpga-node path={vf_card} name=dfl-port.7 major=240 minor=7\n\
         file /sys{vf_card}/dfl-port.7/id 1\nfile /sys{vf_card}/dfl-port.7/afu_id {SECOND}\n"
    );
    // Ten is after nine.
    for (id, region) in ids.iter().zip([9, 10]) {
        lines += &format!(
            "file /sys{card}/dfl-fme.0/dfl-fme-region.{region}/fpga_region/region{region}/compat_id {id}\n"
        );
    }
    Scene::text(&lines)
}

#[test]
fn the_port_of_a_virtual_function_is_programmed_by_the_cards_engine() {
    let scene = with_virtual_function([STRATIX, STRATIX]);
    let port = scene.ask(&["port", "dfl-port.7"]).good();
    assert!(port.contains("on 0000:42:00.1: of dfl-fme.0, number 1, virtual true"), "{port}");
    assert!(scene.ask(&["fme", "dfl-fme.0"]).good().contains("ports dfl-port.0 dfl-port.7 of 2"));
    let file = scene.bitstream(STRATIX, FIRST);
    scene.ask(&["reconfigure", "dfl-port.7", STRATIX, FIRST, &file, "0"]).good();
    assert_eq!((scene.function("dfl-port.7"), scene.function("dfl-port.0")), (FIRST.into(), SECOND.into()));
}

#[test]
fn regions_of_different_interfaces_are_those_of_the_ports_in_their_order() {
    let mut scene = with_virtual_function([STRATIX, ARRIA]);
    let file = scene.bitstream(STRATIX, FIRST);
    let fits = |scene: &Scene, port, interface| scene.ask(&["check", port, interface, FIRST, &file, "0"]);
    fits(&scene, "dfl-port.0", STRATIX).good();
    fits(&scene, "dfl-port.7", ARRIA).good();
    fits(&scene, "dfl-port.0", ARRIA).bad();
    let differ = "the regions of dfl-fme.0 have different interfaces, and which port has which does not show";
    assert_eq!(scene.ask(&["fme", "dfl-fme.0"]).bad(), differ);
    // One is left out, and which does not show.
    scene.node.set_attribute("/sys/bus/platform/devices/dfl-fme.0/ports_num", "3").unwrap();
    assert_eq!(fits(&scene, "dfl-port.7", ARRIA).bad(), differ);
}

#[test]
fn a_port_without_exactly_one_engine_is_an_error() {
    let mut scene = with_virtual_function([STRATIX, STRATIX]);
    let file = scene.bitstream(STRATIX, FIRST);
    let question = ["check", "dfl-port.7", STRATIX, FIRST, &file, "0"];
    // As in a virtual machine that has the virtual function.
    scene.node.delete(format!("/sys/devices/{VF}/physfn")).unwrap();
    assert_eq!(
        scene.ask(&question).bad(),
        "the card at 0000:42:00.1 has 0 management engines instead of one"
    );
    let second = format!("/sys/devices/{PF}/fpga_region/region0/dfl-fme.1/dev");
    std::fs::create_dir_all(scene.at(&second).parent().unwrap()).unwrap();
    let question = ["check", "dfl-port.0", STRATIX, FIRST, &file, "0"];
    assert_eq!(
        scene.ask(&question).bad(),
        "the card at 0000:42:00.0 has 2 management engines instead of one"
    );
}

#[test]
fn a_card_without_regions_cannot_be_programmed() {
    let mut scene = Scene::on(DFL);
    scene.node.delete("/sys/bus/platform/devices/dfl-fme.0/dfl-fme-region.0").unwrap();
    assert_eq!(
        scene.program(DFL, &[]).bad(),
        "dfl-fme.0 has no region that can be programmed: load its driver (for DFL, dfl-fme-region)"
    );
}

#[test]
fn a_node_is_what_its_number_says() {
    let mut scene = Scene::on(DFL);
    let port = scene.ask(&["port", "dfl-port.0"]).good();
    // A link, as udev makes it, and a node of another name, as a container has it.
    assert_eq!(scene.ask(&["port", "/dev/char/240:0"]).good(), port);
    scene.node.set_attribute("/dev/other", "c 240:0").unwrap();
    assert_eq!(scene.ask(&["port", "other"]).good(), port);
    assert_eq!(
        scene.ask(&["port", "dfl-fme.0"]).bad(),
        "/dev/dfl-fme.0 is the device dfl-fme.0, not an FPGA port (dfl-port.N or intel-fpga-port.N)"
    );
    assert_eq!(
        scene.ask(&["fme", "/dev/dfl-port.0"]).bad(),
        "/dev/dfl-port.0 is the device dfl-port.0, not an FPGA management engine (dfl-fme.N or intel-fpga-fme.N)"
    );
    assert!(
        scene.ask(&["port", "dfl-port.9"]).bad().starts_with("cannot look at /dev/dfl-port.9: No such file")
    );
    assert!(scene.ask(&["port", "/sys"]).bad().contains("not a device node but a Directory"));
    // A node that was left from another device.
    scene.node.set_attribute("/dev/dfl-port.0", "c 241:0").unwrap();
    assert_eq!(
        scene.ask(&["reset", "/dev/char/240:0"]).bad(),
        "/dev/dfl-port.0 is the device dfl-fme.0, not an FPGA port (dfl-port.N or intel-fpga-port.N)"
            .replace("/dev/dfl-port.0", "/dev/char/240:0")
    );
    assert_eq!(
        scene.ask(&["reset", "other"]).bad(),
        "/dev/dfl-port.0 does not stand for dfl-port.0: remove it, and have udev make it again"
    );
}

#[test]
fn a_name_is_never_one_of_the_current_folder() {
    let scene = Scene::on(DFL);
    std::os::unix::fs::symlink("/dev/null", scene.folder.path().join("dfl-port.0")).unwrap();
    let mut asking = scene.asking(&[], &["reset", "dfl-port.0"]);
    Said::of(&asking.current_dir(scene.folder.path()).output().unwrap()).good();
    let mut asking: Command = scene.asking(&[], &["reset", "./dfl-port.0"]);
    Said::of(&asking.current_dir(scene.folder.path()).output().unwrap()).bad();
}

#[test]
fn what_is_no_accelerator_is_refused() {
    let mut scene = Scene::on(DFL);
    scene.node.set_attribute("/sys/bus/pci/devices/0000:81:00.0/class", "0x030000").unwrap();
    assert_eq!(
        scene.ask(&["reset", "dfl-port.0"]).bad(),
        "dfl-port.0 is on the PCI function 0000:81:00.0, which is of class 0x030000, not 0x120000 as FPGA cards are"
    );
}

#[test]
fn a_port_is_released_and_assigned_again() {
    for card in CARDS {
        let scene = Scene::on(card);
        let before = scene.ask(&["list"]).good();
        assert_eq!(scene.ask(&["release", card.fme, "0"]).good(), "released");
        assert!(scene.ask(&["reset", card.port]).bad().contains("No such file"));
        let hint = "it must not be open, nor be released already: Device or resource busy (os error 16)";
        let error = scene.ask(&["release", card.fme, "0"]).bad();
        assert_eq!(error, format!("cannot release port 0 of {}: {hint}", card.fme));
        assert_eq!(scene.ask(&["assign", card.fme, "0"]).good(), "assigned");
        assert_eq!(scene.ask(&["list"]).good(), before);
        scene.ask(&["reset", card.port]).good();
        let error = scene.ask(&["assign", card.fme, "0"]).bad();
        assert!(error.contains("it must have been released: Device or"), "{error}");
        let error = scene.ask(&["release", card.fme, "4"]).bad();
        assert!(
            error.starts_with(&format!("cannot release port 4 of {}: is it a port of this card?", card.fme)),
            "{error}"
        );
    }
}

#[test]
fn a_port_that_is_in_use_is_not_released() {
    let scene = Scene::on(OPAE);
    let node = scene.at("dev").join(OPAE.port);
    let user = std::fs::OpenOptions::new().read(true).write(true).open(node).unwrap();
    let error = scene.ask(&["release", OPAE.fme, "0"]).bad();
    assert!(error.contains("it must not be open"), "{error}");
    drop(user);
    scene.ask(&["release", OPAE.fme, "0"]).good();
}
