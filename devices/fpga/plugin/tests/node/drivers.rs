//! Which driver is loaded, virtual functions, and what is no card.

use std::time::Duration;

use device_plugin::Inventory;
use fpga_plugin::Mode;

use crate::scene::{FIRST, FIRST_NAME, INTERFACE, MODES, OPAE_CARD, REGION, SECOND, SECOND_NAME, Scene};

#[test]
fn nodes_without_cards_or_driver_offer_nothing() {
    for mode in MODES {
        for profile in ["empty", "npu-laptop", "xeon-accelerators"] {
            assert_eq!(Scene::builtin(profile).look(mode), Inventory::default(), "{profile}");
        }
        for lines in
            ["dir /sys/class/fpga", "dir /sys/class/fpga_region", "dir /sys/class/fpga/intel-fpga-dev.0"]
        {
            assert_eq!(Scene::text(lines).look(mode), Inventory::default(), "{lines}");
        }
    }
}

/// A function is programmed without any event, where there is a card to program.
#[test]
fn only_nodes_with_cards_are_looked_at_often() {
    for (scene, often) in [
        (Scene::builtin("empty"), None),
        (Scene::text("dir /sys/class/fpga_region"), None),
        (Scene::dfl(), Some(Duration::from_secs(5))),
        (Scene::builtin("fpga-arria10"), Some(Duration::from_secs(5))),
    ] {
        for mode in MODES {
            assert_eq!(scene.look(mode).resync, often);
        }
    }
}

#[test]
fn a_card_that_waits_for_a_driver_is_named() {
    let card = "use pci-function at=pci0000:3a pci=0000:3b:00.0 device=0x09c4 class=0x120000\n";
    let inventory = Scene::text(card).look(Mode::Functions);
    assert!(inventory.resources.is_empty());
    assert_eq!(
        inventory.warnings,
        ["the FPGA card at 0000:3b:00.0 has no driver: load dfl-pci, or Intel's intel-fpga-pci"]
    );
    for lines in [
        // The driver is loaded and does not want it.
        format!("{card}dir /sys/class/fpga_region"),
        // It is given to virtual machines.
        format!(
            "{card}dir /sys/bus/pci/drivers/vfio-pci\n\
             link /sys/devices/pci0000:3a/0000:3b:00.0/driver -> /sys/bus/pci/drivers/vfio-pci"
        ),
        // Another vendor's.
        card.replace("device=", "vendor=0x10ee device="),
        card.replace("0x09c4", "0x7d1d"),
    ] {
        assert_eq!(Scene::text(&lines).look(Mode::Functions), Inventory::default(), "{lines}");
    }
}

#[test]
fn the_cards_of_both_drivers_are_offered_side_by_side() {
    let scene = Scene::text(&format!(
        "use pci-driver driver=dfl-pci\nuse pci-driver driver=intel-fpga-pci\n\
         use fpga-opae as=fpga0 id=0 at=pci0000:3a pci=0000:3b:00.0 device=0x09c4 group=20 numa=0 interface={INTERFACE} \
         afu={FIRST}\n\
         use fpga-dfl as=fpga1 id=0 region=0 pr-region=1 at=pci0000:80 pci=0000:81:00.0 device=0x0b2b group=21 numa=1 \
         interface={INTERFACE} afu={SECOND}\n"
    ));
    assert_eq!(
        scene.told(Mode::Functions),
        [
            format!("{FIRST_NAME}: intel-fpga-port.0 [intel-fpga-port.0] numa [0]"),
            format!("{SECOND_NAME}: dfl-port.0 [dfl-port.0] numa [1]"),
        ]
    );
    assert_eq!(scene.told(Mode::Regions).len(), 2);
}

/// The class of the kernel's driver exists before its first card, and may be there besides the other driver.
#[test]
fn a_driver_without_cards_does_not_hide_the_others() {
    let scene = Scene::dfl();
    std::fs::create_dir(scene.node.root().join("sys/class/fpga")).unwrap();
    assert_eq!(scene.told(Mode::Functions).len(), 2);
}

#[test]
fn an_unreadable_class_says_nothing_about_the_node() {
    use device_plugin::DevicePlugin as _;
    let mut scene = Scene::dfl();
    scene.node.damage("/sys/class/fpga_region", simulator::Damage::LinkLoop).unwrap();
    let plugin = fpga_plugin::FpgaPlugin::new(fpga_plugin::Chosen::fixed(Mode::Functions));
    let error = plugin.discover(&scene.node.host()).unwrap_err();
    assert!(error.to_string().contains("/sys/class/fpga_region"), "{error}");
}

#[test]
fn names_are_compared_as_a_whole() {
    let mut scene = Scene::builtin("fpga-arria10");
    let class = scene.node.root().join("sys/class/fpga");
    // For the Go implementation the dot is any character.
    std::fs::rename(class.join("intel-fpga-dev.0"), class.join("intel-fpga-devX0")).unwrap();
    let told = scene.told(Mode::Functions);
    assert!(told.len() == 1 && told[0].starts_with(SECOND_NAME), "{told:?}");
    let card = "/sys/devices/pci0000:ae/0000:ae:00.0/0000:af:00.0/fpga/intel-fpga-dev.1";
    scene.set(&format!("{card}/intel-fpga-port.1x"), "no port");
    scene.set(&format!("{card}/intel-fpga-port."), "no port");
    assert_eq!(scene.told(Mode::Functions), told);
}

/// A port that was given to a virtual function; the engine stays with the physical one, a card without ports.
#[test]
fn a_virtual_functions_port_has_the_physical_ones_engine() {
    let (pf, vf) = ("pci0000:40/0000:40:02.0/0000:42:00.0", "pci0000:40/0000:40:02.0/0000:42:00.1");
    let vf_card = format!("/devices/{vf}/fpga/intel-fpga-dev.2");
    let pf_card = format!("/devices/{pf}/fpga/intel-fpga-dev.1");
    let mut scene = Scene::text(&format!(
        "use pci-driver driver=intel-fpga-pci\n\
         use fpga-opae as=fpga0 id=0 at=pci0000:00/0000:00:03.2 pci=0000:06:00.0 device=0x09c4 group=20 numa=1 \
         interface={INTERFACE} afu={FIRST}\n\
         use pci-function at=pci0000:40/0000:40:02.0 pci=0000:42:00.0 device=0x09c4 class=0x120000 numa=0\n\
         use pci-function at=pci0000:40/0000:40:02.0 pci=0000:42:00.1 device=0x09c5 class=0x120000 numa=0\n\
         use sriov-vf at=pci0000:40/0000:40:02.0 pf=0000:42:00.0 pci=0000:42:00.1 vf=0\n\
         link /sys/class/fpga/intel-fpga-dev.1 -> /sys{pf_card}\n\
         link /sys/class/fpga/intel-fpga-dev.2 -> /sys{vf_card}\n\
         use fpga-node path={pf_card} name=intel-fpga-fme.1 major=243 minor=1\n\
         file /sys{pf_card}/intel-fpga-fme.1/pr/interface_id {INTERFACE}\n\
         use fpga-node path={vf_card} name=intel-fpga-port.2 major=242 minor=2\n\
         file /sys{vf_card}/intel-fpga-port.2/afu_id {SECOND}\n\
         file /sys/class/fpga/dir/note no card\n"
    ));
    let first = "intel-fpga-port.0 [intel-fpga-port.0] numa [1]";
    assert_eq!(
        scene.told(Mode::Functions),
        [
            format!("{FIRST_NAME}: {first}"),
            format!("{SECOND_NAME}: intel-fpga-port.2 [intel-fpga-port.2] numa [0]"),
        ]
    );
    assert_eq!(
        scene.told(Mode::Regions),
        [
            format!("{REGION}: intel-fpga-fme.0 [intel-fpga-port.0] numa [1]"),
            format!("{REGION}: intel-fpga-fme.1 [intel-fpga-port.2] numa [0]"),
        ]
    );
    // In a virtual machine that was given the virtual function there is no engine to be seen.
    scene.node.delete(format!("/sys/devices/{vf}/physfn")).unwrap();
    assert_eq!(
        scene.told(Mode::Functions),
        [
            format!("{FIRST_NAME}: {first}"),
            "intel-fpga-port.2 is left out: the card at 0000:42:00.1 has 0 management engines instead of one"
                .to_owned(),
        ]
    );
}

/// Ports that were given to two virtual functions are one region still: they are programmed by one engine.
#[test]
fn the_ports_of_several_virtual_functions_are_of_one_region() {
    let mut lines = String::from(
        "use pci-function at=pci0000:40 pci=0000:42:00.0 device=0x0b2b class=0x120000 numa=0\n\
         link /sys/class/fpga_region/region0 -> /sys/devices/pci0000:40/0000:42:00.0/fpga_region/region0\n\
         use fpga-node path=/devices/pci0000:40/0000:42:00.0/fpga_region/region0 name=dfl-fme.0 major=241 minor=0\n",
    );
    for port in 1..=2 {
        let card = format!("/devices/pci0000:40/0000:42:00.{port}/fpga_region/region{port}");
        let region = format!("dfl-fme.0/dfl-fme-region.{port}/fpga_region/region{}", port + 10);
        lines += &format!(
            "use pci-function at=pci0000:40 pci=0000:42:00.{port} device=0x0b2c class=0x120000 numa=0\n\
             use sriov-vf at=pci0000:40 pf=0000:42:00.0 pci=0000:42:00.{port} vf={}\n\
             link /sys/class/fpga_region/region{port} -> /sys{card}\n\
             use fpga-node path={card} name=dfl-port.{port} major=240 minor={port}\n\
             file /sys{card}/dfl-port.{port}/afu_id {FIRST}\n\
             file /sys/devices/pci0000:40/0000:42:00.0/fpga_region/region0/{region}/compat_id {INTERFACE}\n",
            port - 1
        );
    }
    let scene = Scene::text(&lines);
    assert_eq!(
        scene.told(Mode::RegionsForDevelopment),
        [format!("{REGION}: dfl-fme.0 [dfl-port.1 dfl-port.2 dfl-fme.0] numa [0]")]
    );
    assert_eq!(scene.told(Mode::Functions).len(), 2);
}

#[test]
fn other_accelerators_are_no_cards() {
    let mut scene = Scene::builtin("fpga-arria10");
    scene.set("/sys/bus/pci/devices/0000:3b:00.0/class", "0x030000");
    for mode in MODES {
        assert_eq!(
            scene.told(mode)[1],
            "intel-fpga-port.0 is left out: intel-fpga-port.0 is on the PCI function 0000:3b:00.0, which is of class 0x030000, \
             not 0x120000 as FPGA cards are"
        );
    }
    scene.set("/sys/bus/pci/devices/0000:3b:00.0/class", "0x120000");
    assert_eq!(scene.told(Mode::Functions).len(), 2);
    assert!(scene.node.host().exists(OPAE_CARD));
}
