//! What is offered on a node, tree by tree.
#![expect(clippy::unwrap_used, reason = "tests")]

use device_plugin::{DevicePlugin, Expectation, Health, Inventory};
use fpga_plugin::{Chosen, FpgaPlugin, Mode};
use simulator::{Damage, Profile, SimulatedNode};

const DEAD: &str = "ffffffffffffffffffffffffffffffff";
const INTERFACE: &str = "69528db6eb31577a8c3668f9faa081f6";
const REGION: &str = "region-69528db6eb31577a8c3668f9faa081f6";
const FIRST: &str = "d8424dc4a4a3c413f89e433683f9040b";
const SECOND: &str = "f7df405cbd7acf7222f144b0b93acd18";
const FIRST_NAME: &str = "af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs";
const SECOND_NAME: &str = "af-695.f7d.aVKNtusxV3qMNmj5-qCB9vffQFy9es9yIvFEsLk6zRg";

const DFL: [&str; 2] = [
    "use fpga-dfl as=fpga0 id=0 region=0 pr-region=10 at=pci0000:80/0000:80:01.0 pci=0000:81:00.0 device=0x0b2b group=20 numa=1 \
     interface=69528db6eb31577a8c3668f9faa081f6 afu=d8424dc4a4a3c413f89e433683f9040b",
    "use fpga-dfl as=fpga1 id=1 region=1 pr-region=11 at=pci0000:40/0000:40:02.0 pci=0000:42:00.0 device=0x0b2b group=21 numa=0 \
     interface=69528db6eb31577a8c3668f9faa081f6 afu=f7df405cbd7acf7222f144b0b93acd18",
];
const OPAE: &str = "/sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/fpga/intel-fpga-dev.0";

struct Scene {
    _folder: tempfile::TempDir,
    node: SimulatedNode,
}

impl Scene {
    fn of(profile: &Profile) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), profile).unwrap();
        Self { _folder: folder, node }
    }

    fn builtin(name: &str) -> Self {
        Self::of(&Profile::builtin(name).unwrap())
    }

    fn text(lines: &str) -> Self {
        Self::of(&Profile::parse("test", lines).unwrap())
    }

    fn dfl() -> Self {
        Self::text(&format!("use pci-driver driver=dfl-pci\n{}\n{}\n", DFL[0], DFL[1]))
    }

    fn look(&self, mode: Mode) -> Inventory {
        FpgaPlugin::new(Chosen::fixed(mode)).discover(&self.node.host()).unwrap()
    }

    fn told(&self, mode: Mode) -> Vec<String> {
        told(&self.look(mode))
    }
}

/// `region-6952...: dfl-fme.0 [dfl-port.0 dfl-fme.0] numa [1]`, a device a line, then the warnings.
fn told(inventory: &Inventory) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, resource) in &inventory.resources {
        for (id, device) in &resource.devices {
            let nodes: Vec<&str> = device
                .spec
                .edits
                .nodes
                .iter()
                .map(|node| node.container_path.to_str().unwrap().strip_prefix("/dev/").unwrap())
                .collect();
            let sick = if device.is_healthy() { "" } else { " unhealthy" };
            let numa = device.spec.numa.as_deref().unwrap();
            lines.push(format!("{name}: {id} [{}] numa {numa:?}{sick}", nodes.join(" ")));
        }
    }
    lines.extend(inventory.warnings.iter().cloned());
    lines
}

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
}

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
        Scene::builtin("fpga-arria10").told(Mode::RegionsForDevelopment),
        [
            format!("{REGION}: intel-fpga-fme.0 [intel-fpga-port.0 intel-fpga-fme.0] numa [0]"),
            format!("{REGION}: intel-fpga-fme.1 [intel-fpga-port.1 intel-fpga-fme.1] numa [1]"),
        ]
    );
    assert_eq!(
        Scene::builtin("fpga-stratix10").told(Mode::RegionsForDevelopment),
        ["region-bfac4d851ee856fe8c95865ce1bbaa2d: dfl-fme.0 [dfl-port.0 dfl-fme.0] numa [1]"]
    );
}

#[test]
fn only_regions_are_programmed_by_the_hook() {
    let scene = Scene::dfl();
    let inventory = scene.look(Mode::Regions);
    let device = &inventory.resources[REGION].devices["dfl-fme.0"];
    let annotations: Vec<_> = device.spec.edits.annotations.iter().collect();
    assert_eq!(annotations, [(&"com.intel.fpga.mode".to_owned(), &"fpga.intel.com/region".to_owned())]);
    let cdi = device.spec.cdi.as_ref().unwrap();
    assert_eq!((cdi.kind.as_str(), cdi.name.as_str()), ("intel.cdi.k8s.io/fpga", "dfl-fme.0"));
    assert_eq!(cdi.hooks.len(), 1);
    assert_eq!(cdi.hooks[0].name, "createRuntime");
    assert_eq!(cdi.hooks[0].path.to_str(), Some("/opt/intel/fpga-sw/intel-fpga-crihook"));
    assert!(cdi.hooks[0].args.is_empty());
    for mode in [Mode::Functions, Mode::RegionsForDevelopment] {
        for resource in scene.look(mode).resources.values() {
            for device in resource.devices.values() {
                assert!(device.spec.cdi.is_none() && device.spec.edits.annotations.is_empty());
                assert!(device.spec.edits.mounts.is_empty() && device.spec.edits.env.is_empty());
            }
        }
    }
}

/// The Go implementation loses all ports of an engine but the first.
#[test]
fn all_ports_of_an_engine_are_offered() {
    let card = "/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/fpga/intel-fpga-dev.0";
    let arria = "use fpga-opae as=fpga0 id=0 at=pci0000:3a/0000:3a:00.0 pci=0000:3b:00.0 device=0x09c4 group=20 numa=0";
    let scene = Scene::text(&format!(
        "use pci-driver driver=intel-fpga-pci\n{arria} interface={INTERFACE} afu={FIRST}\n\
         use fpga-node path={card} name=intel-fpga-port.7 major=242 minor=7\n\
         file /sys{card}/intel-fpga-port.7/id 1\nfile /sys{card}/intel-fpga-port.7/afu_id {SECOND}\n"
    ));
    assert_eq!(scene.told(Mode::Functions).len(), 2);
    assert_eq!(
        scene.told(Mode::RegionsForDevelopment),
        [format!(
            "{REGION}: intel-fpga-fme.0 [intel-fpga-port.0 intel-fpga-port.7 intel-fpga-fme.0] numa [0]"
        )]
    );
}

/// A port that was given to a virtual function; the engine stays with the physical one.
#[test]
fn a_virtual_functions_port_has_the_physical_ones_engine() {
    let (pf, vf) = ("pci0000:40/0000:42:00.0", "pci0000:40/0000:42:00.1");
    let vf_card = format!("/devices/{vf}/fpga/intel-fpga-dev.2");
    let pf_card = format!("/devices/{pf}/fpga/intel-fpga-dev.1");
    let scene = Scene::text(&format!(
        "use pci-function at=pci0000:40 pci=0000:42:00.0 device=0x09c4 class=0x120000 numa=0\n\
         use pci-function at=pci0000:40 pci=0000:42:00.1 device=0x09c5 class=0x120000 numa=0\n\
         link /sys/devices/{vf}/physfn -> /sys/devices/{pf}\n\
         link /sys/class/fpga/intel-fpga-dev.1 -> /sys{pf_card}\n\
         link /sys/class/fpga/intel-fpga-dev.2 -> /sys{vf_card}\n\
         use fpga-node path={pf_card} name=intel-fpga-fme.1 major=243 minor=1\n\
         file /sys{pf_card}/intel-fpga-fme.1/pr/interface_id {INTERFACE}\n\
         use fpga-node path={vf_card} name=intel-fpga-port.2 major=242 minor=2\n\
         file /sys{vf_card}/intel-fpga-port.2/afu_id {SECOND}\n\
         file /sys/class/fpga/dir/note not a card\n"
    ));
    assert_eq!(
        scene.told(Mode::Functions),
        [format!("{SECOND_NAME}: intel-fpga-port.2 [intel-fpga-port.2] numa [0]")]
    );
    assert_eq!(
        scene.told(Mode::Regions),
        [format!("{REGION}: intel-fpga-fme.1 [intel-fpga-port.2] numa [0]")]
    );
}

/// The kernel makes a region for each port.
#[test]
fn an_engine_with_several_regions_has_one_for_each_port() {
    let mut scene = Scene::dfl();
    let engine = "/sys/devices/pci0000:80/0000:80:01.0/0000:81:00.0/fpga_region/region0/dfl-fme.0";
    let other = scene.node.root().join(format!("{}/dfl-fme-region.5/fpga_region/region12", &engine[1..]));
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("compat_id"), format!("{INTERFACE}\n")).unwrap();
    assert_eq!(scene.told(Mode::Functions)[0], format!("{FIRST_NAME}: dfl-port.0 [dfl-port.0] numa [1]"));
    std::fs::write(other.join("compat_id"), format!("{SECOND}\n")).unwrap();
    assert_eq!(scene.told(Mode::Functions)[0], format!("{FIRST_NAME}: dfl-port.0 [dfl-port.0] numa [1]"));
    let port = "/sys/devices/pci0000:80/0000:80:01.0/0000:81:00.0/fpga_region/region0/dfl-port.0/id";
    scene.node.set_attribute(port, "2\n").unwrap();
    let told = scene.told(Mode::Functions);
    assert_eq!(told[1], format!("dfl-port.0 is left out: {engine} has no region for port 2"), "{told:?}");
}

#[test]
fn a_card_that_does_not_answer_is_unhealthy() {
    let mut scene = Scene::builtin("fpga-arria10");
    scene.node.set_attribute(format!("{OPAE}/intel-fpga-port.0/afu_id"), &format!("{DEAD}\n")).unwrap();
    let inventory = scene.look(Mode::Functions);
    let (name, resource) =
        inventory.resources.iter().find(|(name, _)| name.starts_with("af-695.fff.")).unwrap();
    assert!(name.len() <= 63);
    let reason = "intel-fpga-port.0 does not answer: its id is all ones; the card needs a reset".to_owned();
    assert_eq!(resource.devices["intel-fpga-port.0"].health, Health::Unhealthy(reason));
    assert_eq!(scene.told(Mode::Regions).iter().filter(|line| line.ends_with("unhealthy")).count(), 0);
    scene
        .node
        .set_attribute(format!("{OPAE}/intel-fpga-fme.0/pr/interface_id"), &format!("{DEAD}\n"))
        .unwrap();
    assert_eq!(
        scene.told(Mode::Regions)[1],
        format!("region-{DEAD}: intel-fpga-fme.0 [intel-fpga-port.0] numa [0] unhealthy")
    );
}

#[test]
fn ids_that_are_none_leave_out_their_port_only() {
    for bad in ["", "unparsable", "12", "é", "0x69528db6eb31577a8c3668f9faa081"] {
        let mut scene = Scene::builtin("fpga-arria10");
        scene.node.set_attribute(format!("{OPAE}/intel-fpga-port.0/afu_id"), &format!("{bad}\n")).unwrap();
        let told = scene.told(Mode::Functions);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with(SECOND_NAME) && told[1].starts_with("intel-fpga-port.0 is left out: "),
            "{told:?}"
        );
    }
}

#[test]
fn another_function_programmed_meanwhile_is_not_handed_out() {
    let inventory = Scene::builtin("fpga-arria10").look(Mode::Functions);
    let device = &inventory.resources[FIRST_NAME].devices["intel-fpga-port.0"];
    let path = format!("{OPAE}/intel-fpga-port.0/afu_id").into();
    assert!(device.spec.expects.contains(&Expectation::Value { path, value: FIRST.to_owned() }));
}

#[test]
fn nodes_without_fpgas_or_driver_offer_nothing() {
    for profile in ["empty", "npu-laptop", "xeon-accelerators"] {
        assert_eq!(Scene::builtin(profile).look(Mode::Functions), Inventory::default(), "{profile}");
    }
    assert_eq!(Scene::text("dir /sys/class/fpga").look(Mode::Regions), Inventory::default());
}

#[test]
fn other_accelerators_are_no_cards() {
    let mut scene = Scene::builtin("fpga-arria10");
    scene.node.set_attribute("/sys/bus/pci/devices/0000:3b:00.0/class", "0x030000\n").unwrap();
    let told = scene.told(Mode::Functions);
    assert_eq!(told.len(), 2);
    assert!(told[1].contains("0000:3b:00.0 is of class 0x030000, not 0x120000"), "{told:?}");
}

#[test]
fn damage_of_one_card_leaves_the_other() {
    let function = "/sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0";
    let paths = [
        "/sys/class/fpga/intel-fpga-dev.0".to_owned(),
        "/dev/intel-fpga-port.0".to_owned(),
        "/dev/intel-fpga-fme.0".to_owned(),
        format!("{OPAE}/intel-fpga-port.0/afu_id"),
        format!("{OPAE}/intel-fpga-fme.0/pr/interface_id"),
        format!("{function}/class"),
        format!("{function}/numa_node"),
    ];
    for path in &paths {
        for damage in Damage::ALL {
            let mut scene = Scene::builtin("fpga-arria10");
            scene.node.damage(path, damage).unwrap();
            let functions = scene.told(Mode::Functions);
            assert!(
                functions.iter().any(|line| line.starts_with(SECOND_NAME)),
                "{path} {damage:?}: {functions:?}"
            );
            for mode in [Mode::Regions, Mode::RegionsForDevelopment] {
                let regions = scene.told(mode);
                let other = format!("{REGION}: intel-fpga-fme.1");
                assert!(
                    regions.iter().any(|line| line.starts_with(&other)),
                    "{path} {damage:?}: {regions:?}"
                );
            }
        }
    }
}
