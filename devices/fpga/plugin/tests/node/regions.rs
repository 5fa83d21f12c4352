//! Modes `region` and `regiondevel`: each management engine is a device, with all its ports.

use device_plugin::{Expectation, cdi::CdiFolder};
use fpga_plugin::Mode;
use simulator::Damage;

use crate::scene::{
    DFL_CARD, FIRST, FIRST_NAME, INTERFACE, MODES, OPAE_CARD, REGION, SECOND, SECOND_NAME, Scene,
};

#[test]
fn regions_of_both_drivers() {
    assert_eq!(
        Scene::dfl().told(Mode::Regions),
        [
            format!("{REGION}: dfl-fme.0 [dfl-port.0] numa [1]"),
            format!("{REGION}: dfl-fme.1 [dfl-port.1] numa [0]")
        ]
    );
    assert_eq!(
        Scene::dfl().told(Mode::RegionsForDevelopment),
        [
            format!("{REGION}: dfl-fme.0 [dfl-port.0 dfl-fme.0] numa [1]"),
            format!("{REGION}: dfl-fme.1 [dfl-port.1 dfl-fme.1] numa [0]")
        ]
    );
    let scene = Scene::builtin("fpga-arria10");
    assert_eq!(
        scene.told(Mode::Regions),
        [
            format!("{REGION}: intel-fpga-fme.0 [intel-fpga-port.0] numa [0]"),
            format!("{REGION}: intel-fpga-fme.1 [intel-fpga-port.1] numa [1]"),
        ]
    );
    assert_eq!(
        scene.told(Mode::RegionsForDevelopment),
        [
            format!("{REGION}: intel-fpga-fme.0 [intel-fpga-port.0 intel-fpga-fme.0] numa [0]"),
            format!("{REGION}: intel-fpga-fme.1 [intel-fpga-port.1 intel-fpga-fme.1] numa [1]"),
        ]
    );
    let scene = Scene::builtin("fpga-stratix10");
    let region = "region-bfac4d851ee856fe8c95865ce1bbaa2d: dfl-fme.0";
    assert_eq!(scene.told(Mode::Regions), [format!("{region} [dfl-port.0] numa [1]")]);
    assert_eq!(
        scene.told(Mode::RegionsForDevelopment),
        [format!("{region} [dfl-port.0 dfl-fme.0] numa [1]")]
    );
}

#[test]
fn only_the_mode_region_has_the_hook() {
    let scene = Scene::dfl();
    let inventory = scene.look(Mode::Regions);
    for (engine, device) in &inventory.resources[REGION].devices {
        let annotations: Vec<_> = device.spec.edits.annotations.iter().collect();
        assert_eq!(annotations, [(&"com.intel.fpga.mode".to_owned(), &"fpga.intel.com/region".to_owned())]);
        let cdi = device.spec.cdi.as_ref().unwrap();
        assert_eq!(CdiFolder::qualified_name(cdi), format!("intel.cdi.k8s.io/fpga={engine}"));
    }
    for device in scene.look(Mode::RegionsForDevelopment).resources[REGION].devices.values() {
        assert!(device.spec.cdi.is_none() && device.spec.edits.annotations.is_empty());
        assert!(device.spec.edits.mounts.is_empty() && device.spec.edits.env.is_empty());
    }
}

/// JSON, which is YAML; the values and names are those of the Go implementation.
#[test]
fn the_cdi_file_holds_the_hook_only() {
    let inventory = Scene::dfl().look(Mode::Regions);
    let folder = tempfile::tempdir().unwrap();
    let cdi = inventory.resources[REGION].devices["dfl-fme.0"].spec.cdi.as_ref().unwrap();
    CdiFolder::new(folder.path()).write(cdi).unwrap();
    let written =
        std::fs::read_to_string(folder.path().join("intel.cdi.k8s.io-fpga-dfl-fme.0.yaml")).unwrap();
    assert_eq!(written, include_str!("../golden/cdi.yaml"));
}

#[test]
fn a_region_is_handed_out_only_with_its_engine() {
    for mode in [Mode::Regions, Mode::RegionsForDevelopment] {
        let mut scene = Scene::builtin("fpga-arria10");
        let inventory = scene.look(mode);
        let expects = &inventory.resources[REGION].devices["intel-fpga-fme.0"].spec.expects;
        let file = format!("{OPAE_CARD}/intel-fpga-fme.0/pr/interface_id");
        for expected in [
            Expectation::DeviceNode("/dev/intel-fpga-port.0".into()),
            Expectation::DeviceNode("/dev/intel-fpga-fme.0".into()),
            Expectation::Value { path: file.into(), value: INTERFACE.to_owned() },
        ] {
            assert!(expects.contains(&expected), "{expects:?}");
        }
        scene.node.delete("/dev/intel-fpga-fme.0").unwrap();
        let told = scene.told(mode);
        assert!(told[0].starts_with(&format!("{REGION}: intel-fpga-fme.1")), "{told:?}");
        assert!(
            told[1].starts_with("intel-fpga-fme.0 is left out: cannot look at /dev/intel-fpga-fme.0"),
            "{told:?}"
        );
        // A function that is programmed needs none.
        assert_eq!(scene.told(Mode::Functions).len(), 2);
    }
}

/// What is programmed now does not matter; it is different after the next container.
#[test]
fn a_regions_function_is_not_looked_at() {
    for damage in Damage::ALL {
        let mut scene = Scene::dfl();
        let before = scene.look(Mode::Regions);
        scene.node.damage(format!("{DFL_CARD}/dfl-port.0/afu_id"), damage).unwrap();
        assert_eq!(scene.look(Mode::Regions), before, "{damage:?}");
    }
}

/// The Go implementation loses all ports of an engine but the first.
#[test]
fn all_ports_of_an_engine_are_offered() {
    let card = OPAE_CARD.strip_prefix("/sys").unwrap();
    let arria = "use fpga-opae as=fpga0 id=0 at=pci0000:3a/0000:3a:00.0 pci=0000:3b:00.0 device=0x09c4 group=20 numa=0";
    let scene = Scene::text(&format!(
        "use pci-driver driver=intel-fpga-pci\n{arria} interface={INTERFACE} afu={FIRST}\n\
         use fpga-node path={card} name=intel-fpga-port.7 major=242 minor=7\n\
         file /sys{card}/intel-fpga-port.7/id 1\nfile /sys{card}/intel-fpga-port.7/afu_id {SECOND}\n"
    ));
    assert_eq!(
        scene.told(Mode::Functions),
        [
            format!("{FIRST_NAME}: intel-fpga-port.0 [intel-fpga-port.0] numa [0]"),
            format!("{SECOND_NAME}: intel-fpga-port.7 [intel-fpga-port.7] numa [0]"),
        ]
    );
    let ports = "intel-fpga-port.0 intel-fpga-port.7";
    assert_eq!(scene.told(Mode::Regions), [format!("{REGION}: intel-fpga-fme.0 [{ports}] numa [0]")]);
    assert_eq!(
        scene.told(Mode::RegionsForDevelopment),
        [format!("{REGION}: intel-fpga-fme.0 [{ports} intel-fpga-fme.0] numa [0]")]
    );
}

/// The kernel makes a region for each port, and gives all of them the engine's interface. The Go implementation then finds
/// none.
#[test]
fn an_engine_with_a_region_for_each_port() {
    let mut scene = Scene::dfl();
    let before = MODES.map(|mode| scene.look(mode));
    let engine = format!("{DFL_CARD}/dfl-fme.0");
    let other = scene.node.root().join(format!("{}/dfl-fme-region.5/fpga_region/region12", &engine[1..]));
    // Its driver is on its way.
    std::fs::create_dir_all(other.parent().unwrap().parent().unwrap()).unwrap();
    assert_eq!(MODES.map(|mode| scene.look(mode)), before);
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("compat_id"), format!("{INTERFACE}\n")).unwrap();
    assert_eq!(MODES.map(|mode| scene.look(mode)), before);

    // Regions with interfaces of their own would be told apart by the number of the port.
    std::fs::write(other.join("compat_id"), format!("{SECOND}\n")).unwrap();
    let differ = "the regions of dfl-fme.0 have different interfaces, and which port has which does not show";
    let unknown = format!("dfl-port.0 is left out: {differ}");
    assert_eq!(scene.told(Mode::Functions)[1], unknown, "one port, two regions");
    scene.set(&format!("{engine}/ports_num"), "2");
    assert_eq!(scene.look(Mode::Functions), before[0]);
    scene.set(&format!("{DFL_CARD}/dfl-port.0/id"), "1");
    let told = scene.told(Mode::Functions);
    assert!(
        told.iter().any(|line| line.starts_with("af-f7d.d84.") && line.contains("dfl-port.0")),
        "{told:?}"
    );
    scene.set(&format!("{DFL_CARD}/dfl-port.0/id"), "2");
    assert_eq!(scene.told(Mode::Functions)[1], unknown);
    assert_eq!(scene.told(Mode::Regions)[1], format!("dfl-fme.0 is left out: {differ}"));
}

#[test]
fn an_engine_that_can_program_nothing_is_left_out() {
    let mut scene = Scene::dfl();
    scene.node.delete(format!("{DFL_CARD}/dfl-fme.0/dfl-fme-region.0")).unwrap();
    let why = "is left out: dfl-fme.0 has no region that can be programmed: load its driver (for DFL, dfl-fme-region)";
    assert_eq!(scene.told(Mode::Regions)[1], format!("dfl-fme.0 {why}"));
    assert_eq!(scene.told(Mode::Functions)[1], format!("dfl-port.0 {why}"));
    scene.node.delete(format!("{DFL_CARD}/dfl-fme.0")).unwrap();
    let why = "dfl-port.0 is left out: the card at 0000:81:00.0 has 0 management engines instead of one";
    for mode in MODES {
        assert_eq!(scene.told(mode)[1], why);
    }
}
