//! What is offered on a node, tree by tree.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use device_plugin::{Device, DevicePlugin, Expectation, Health, Inventory};
use gpu_plugin::{GpuPlugin, Options, Snapshot, Trouble, Verdict};
use host::Host;
use simulator::{Damage, Profile, TemporaryNode};
use tokio::sync::watch;

const DRM: &str =
    "use drm\nuse pci-driver driver=i915\nuse pci-driver driver=xe\nuse pci-driver driver=vfio-pci\n";

struct Scene {
    node: TemporaryNode,
}

impl Scene {
    fn of(profile: &Profile) -> Self {
        Self { node: TemporaryNode::new(profile).unwrap() }
    }

    fn builtin(name: &str) -> Self {
        Self::of(&Profile::builtin(name).unwrap())
    }

    /// Lines of `pci-gpu` words.
    fn cards(cards: &[&str]) -> Self {
        let mut profile = DRM.to_owned();
        for words in cards {
            profile += &format!("use pci-gpu {words}\n");
        }
        Self::of(&Profile::parse("test", &profile).unwrap())
    }

    fn host(&self) -> Host {
        self.node.host()
    }

    fn look(&self, flags: &[&str]) -> Inventory {
        plugin(flags, Snapshot::default()).discover(&self.host()).unwrap()
    }

    /// `i915=2 xe=1`
    fn counts(&self, flags: &[&str]) -> String {
        counts(&self.look(flags))
    }
}

fn plugin(flags: &[&str], snapshot: Snapshot) -> GpuPlugin {
    let config = Options::parse("gpu", flags.iter().copied()).unwrap().check().unwrap();
    GpuPlugin::new(config, watch::channel(Arc::new(snapshot)).1)
}

fn counts(inventory: &Inventory) -> String {
    let counts =
        inventory.resources.iter().map(|(name, resource)| format!("{name}={}", resource.devices.len()));
    counts.collect::<Vec<_>>().join(" ")
}

fn nodes(device: &Device) -> Vec<&Path> {
    device.spec.edits.nodes.iter().map(|node| node.container_path.as_path()).collect()
}

fn mounts(device: &Device) -> Vec<&Path> {
    device.spec.edits.mounts.iter().map(|mount| mount.container_path.as_path()).collect()
}

const I915: &str = "as=card0 pci=0000:00:02.0 device=0x1234 driver=i915 card=0 render=128";
const XE: &str = "as=card1 pci=0000:03:00.0 device=0x5678 driver=xe card=1 render=129";

#[test]
fn a_node_without_graphics_offers_nothing() {
    let inventory = Scene::builtin("empty").look(&["-enable-monitoring"]);
    assert_eq!(inventory, Inventory::default());
}

#[test]
fn cards_are_offered_by_their_driver() {
    let scene = Scene::cards(&[I915, XE]);
    assert_eq!(scene.counts(&[]), "i915=1 xe=1");
    assert_eq!(scene.counts(&["-shared-dev-num=13"]), "i915=13 xe=13");
    assert_eq!(scene.look(&[]).warnings, [""; 0]);
}

#[test]
fn monitoring_is_one_device_for_all_or_one_for_each_driver() {
    let scene = Scene::cards(&[I915, XE]);
    assert_eq!(scene.counts(&["-enable-monitoring", "-shared-dev-num=13"]), "i915=13 monitoring=1 xe=13");
    let inventory = scene.look(&["-enable-monitoring", "-monitoring-mode=split"]);
    assert_eq!(counts(&inventory), "i915=1 i915_monitoring=1 xe=1 xe_monitoring=1");
    let all = &inventory.resources["xe_monitoring"].devices["all"];
    assert_eq!(nodes(all), [Path::new("/dev/dri/card1"), Path::new("/dev/dri/renderD129")]);
    assert_eq!((&all.spec.numa, &all.spec.cdi, all.is_healthy()), (&None, &None, true));
}

#[test]
fn monitoring_has_the_nodes_of_the_firmware_too() {
    let inventory = Scene::builtin("max-1550-x8").look(&["-enable-monitoring"]);
    let all = &inventory.resources["monitoring"].devices["all"];
    let found = nodes(all);
    assert_eq!(found.len(), 8 * 3);
    assert_eq!(found[..3], ["/dev/dri/card0", "/dev/dri/renderD128", "/dev/mei0"].map(Path::new));
    // The plugin's container does not see /dev/mei0, so it can't check.
    let expected = |path: &str| all.spec.expects.contains(&Expectation::DeviceNode(path.into()));
    assert!(expected("/dev/dri/card7") && !expected("/dev/mei7"));
}

#[test]
fn monitoring_has_each_node_once() {
    let second =
        "parent=/devices/pci0000:00/0000:00:02.0 class=drm name=card5 major=226 minor=5 node=dri/card5";
    let lines = format!("{DRM}use pci-gpu {I915}\nuse class-device {second}\n");
    let inventory = Scene::of(&Profile::parse("test", &lines).unwrap()).look(&["-enable-monitoring"]);
    assert_eq!(counts(&inventory), "i915=2 monitoring=1");
    let found = nodes(&inventory.resources["monitoring"].devices["all"]);
    assert_eq!(found, ["/dev/dri/card0", "/dev/dri/card5", "/dev/dri/renderD128"].map(Path::new));
}

#[test]
fn other_vendors_cards_are_passed_over_in_silence() {
    let mut scene = Scene::cards(&[I915, XE]);
    scene.node.set_attribute("/sys/devices/pci0000:00/0000:03:00.0/vendor", "0xbeef").unwrap();
    let inventory = scene.look(&["-enable-monitoring"]);
    assert_eq!((counts(&inventory), inventory.warnings.len()), ("i915=1 monitoring=1".to_owned(), 0));
}

#[test]
fn cards_that_are_no_pci_functions_are_passed_over_in_silence() {
    let scene = Scene::of(
        &Profile::parse(
            "test",
            "dir /sys/devices/platform/simple-framebuffer.0/drm/card0\n\
             link /sys/devices/platform/simple-framebuffer.0/drm/card0/device -> /sys/devices/platform/simple-framebuffer.0\n\
             link /sys/class/drm/card0 -> /sys/devices/platform/simple-framebuffer.0/drm/card0\n\
             char /dev/dri/card0 226:0\n",
        )
        .unwrap(),
    );
    assert_eq!(scene.look(&["-enable-monitoring"]), Inventory::default());
}

#[test]
fn connectors_and_control_nodes_are_not_cards() {
    let device = "/sys/devices/pci0000:00/0000:00:02.0/drm";
    let lines = format!(
        "{DRM}use pci-gpu {I915}\ndir {device}/controlD64\nchar /dev/dri/controlD64 226:64\n\
         dir /sys/class/drm/card0-DP-1\ndir /sys/class/drm/cardX\n"
    );
    let inventory = Scene::of(&Profile::parse("test", &lines).unwrap()).look(&[]);
    assert_eq!((counts(&inventory), &*inventory.warnings), ("i915=1".to_owned(), [].as_slice()));
    let found = nodes(&inventory.resources["i915"].devices["card0-0"]);
    assert_eq!(found, ["/dev/dri/card0", "/dev/dri/renderD128"].map(Path::new));
}

#[test]
fn ids_are_compared_as_a_whole() {
    let mut scene = Scene::cards(&[I915, XE]);
    assert_eq!(scene.counts(&["-allow-ids=0x1234", "-enable-monitoring"]), "i915=1 monitoring=1");
    assert_eq!(scene.counts(&["-allow-ids=0x9999, 0x5678"]), "xe=1");
    assert_eq!(scene.counts(&["-deny-ids=0x1234"]), "xe=1");
    // An empty file is in every text, but is no id.
    let id = "/sys/devices/pci0000:00/0000:03:00.0/device";
    scene.node.set_attribute(id, "").unwrap();
    assert_eq!(scene.counts(&["-allow-ids=0x1234,0x5678"]), "i915=1");
    assert_eq!(scene.counts(&["-deny-ids=0x1234"]), "xe=1");
}

#[test]
fn a_physical_function_gives_way_to_its_virtual_ones() {
    let mut scene = Scene::builtin("flex-170-sriov");
    let cards = scene.look(&[]).resources["i915"].devices.keys().cloned().collect::<Vec<_>>();
    assert_eq!(cards, (1..=7).map(|card| format!("card{card}-0")).collect::<Vec<_>>());
    let count =
        format!("{}/sriov_numvfs", scene.host().resolve("/sys/class/drm/card0/device").unwrap().display());
    scene.node.set_attribute(&count, "0").unwrap();
    assert_eq!(scene.counts(&[]), "i915=8");
    scene.node.set_attribute(&count, "").unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(counts(&inventory), "i915=8");
    assert!(inventory.warnings[0].contains(&count), "{:?}", inventory.warnings);
}

#[test]
fn a_card_is_offered_with_the_nodes_that_are_there() {
    let mut scene = Scene::cards(&[I915, XE]);
    scene.node.delete("/dev/dri/card1").unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(nodes(&inventory.resources["xe"].devices["card1-0"]), [Path::new("/dev/dri/renderD129")]);
    assert_eq!(inventory.warnings, [""; 0]);
    scene.node.delete("/dev/dri/renderD129").unwrap();
    let inventory = scene.look(&["-enable-monitoring"]);
    assert_eq!(counts(&inventory), "i915=1 monitoring=1");
    assert_eq!(inventory.warnings, ["card1 is left out: none of its device nodes is in /dev/dri"]);
}

#[test]
fn a_plain_file_in_a_nodes_place_is_not_handed_out() {
    let mut scene = Scene::cards(&[I915]);
    scene.node.damage("/dev/dri/card0", Damage::Binary).unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(nodes(&inventory.resources["i915"].devices["card0-0"]), [Path::new("/dev/dri/renderD128")]);
    assert!(inventory.warnings[0].contains("/dev/dri/card0"), "{:?}", inventory.warnings);
}

#[test]
fn any_damage_to_one_card_is_a_warning_that_names_it_and_harms_no_other() {
    let device = "/sys/devices/pci0000:00/0000:03:00.0";
    for damage in Damage::ALL {
        for file in ["vendor", "device", "driver"] {
            let mut scene = Scene::cards(&[I915, XE]);
            scene.node.damage(format!("{device}/{file}"), damage).unwrap();
            let inventory = scene.look(&["-enable-monitoring", "-allow-ids=0x1234,0x5678"]);
            assert!(inventory.resources["i915"].devices.contains_key("card0-0"), "{file} {damage:?}");
            // An empty id is no id of ours, and nothing is wrong with that.
            let passed_over = damage == Damage::Empty && file != "driver";
            let warned = inventory.warnings.iter().any(|warning| warning.contains("card1"));
            assert_eq!(warned, !passed_over, "{file} {damage:?}: {inventory:?}");
        }
    }
}

#[test]
fn what_only_adds_to_a_card_does_not_cost_it() {
    let device = "/sys/devices/pci0000:18/0000:18:00.0";
    for damage in Damage::ALL {
        for file in ["numa_node", "drm/card0/lmem_total_bytes"] {
            let mut scene = Scene::cards(&[]);
            let words =
                "max-1550 as=card0 at=pci0000:18 pci=0000:18:00.0 card=0 render=128 bus=6144 mei=0 numa=1";
            scene.node.add(words).unwrap();
            scene.node.damage(format!("{device}/{file}"), damage).unwrap();
            assert_eq!(scene.counts(&["-enable-monitoring"]), "i915=1 monitoring=1", "{file} {damage:?}");
        }
    }
}

#[test]
fn trees_of_the_go_fake_device_generator_are_nodes_with_gpus() {
    let mut lines = String::new();
    for card in 0..3 {
        let device = format!("/sys/class/drm/card{card}/device");
        lines += &format!(
            "file {device}/vendor 0x8086\nfile {device}/numa_node {node}\n\
             dir {device}/drm/card{card}\ndir {device}/drm/renderD{render}\n\
             char /dev/dri/card{card} 1:3\nchar /dev/dri/renderD{render} 1:3\n",
            node = card / 2,
            render = 128 + card,
        );
    }
    lines += "file /sys/class/drm/card0/device/sriov_numvfs 2\n";
    let inventory = Scene::of(&Profile::parse("test", &lines).unwrap())
        .look(&["-enable-monitoring", "-health-management"]);
    assert_eq!(counts(&inventory), "i915=2 monitoring=1");
    assert_eq!(inventory.resources["i915"].devices["card2-0"].spec.numa, Some(vec![1]));
    let card = &inventory.resources["i915"].devices["card1-0"];
    assert!(mounts(card).is_empty());
    assert!(card.is_healthy(), "nobody can be asked about what has no address");
}

#[test]
fn a_card_without_a_driver_link_is_taken_for_i915_as_fake_trees_have_none() {
    let mut scene = Scene::cards(&[I915]);
    scene.node.delete("/sys/devices/pci0000:00/0000:00:02.0/driver").unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(counts(&inventory), "i915=1");
    assert!(inventory.warnings[0].contains("/0000:00:02.0/driver"), "{:?}", inventory.warnings);
}

#[test]
fn a_card_on_a_foreign_driver_makes_no_resource_of_that_name() {
    let scene = Scene::cards(&["as=card0 pci=0000:00:02.0 device=0x1234 driver=vfio-pci card=0 render=128"]);
    let inventory = scene.look(&["-enable-monitoring"]);
    assert!(inventory.resources.is_empty(), "{inventory:?}");
    assert!(inventory.warnings[0].contains("vfio-pci"), "{:?}", inventory.warnings);
}

#[test]
fn a_container_gets_the_links_of_its_own_card_that_lead_to_its_nodes() {
    let scene = Scene::builtin("arc-b580-igpu");
    let folder = scene.node.root().join("dev/dri/by-path");
    let link = |name: &str, target: &str| std::os::unix::fs::symlink(target, folder.join(name)).unwrap();
    link("pci-0000:03:00.0-platform-simple-framebuffer.0-card", "../card9");
    link("pci-0000:03:00.01-card", "../card1");
    link("pci-0000:03:00.0-other", "../card0");
    let of = |flags: &[&str]| {
        let inventory = scene.look(flags);
        mounts(&inventory.resources["xe"].devices["card1-0"])
            .iter()
            .map(|path| path.to_path_buf())
            .collect::<Vec<_>>()
    };
    let own = ["pci-0000:03:00.0-card", "pci-0000:03:00.0-render"];
    assert_eq!(of(&[]), own.map(|name| Path::new("/dev/dri/by-path").join(name)));
    assert_eq!(of(&["-bypath=anything"]), of(&["-bypath=single"]));
    assert!(of(&["-bypath=none"]).is_empty());
    assert_eq!(of(&["-bypath=all"]), [PathBuf::from("/dev/dri/by-path")]);
}

#[test]
fn links_that_udev_makes_later_are_found_later() {
    let mut scene = Scene::builtin("arc-b580-igpu");
    let link = "/dev/dri/by-path/pci-0000:03:00.0-card";
    scene.node.delete(link).unwrap();
    let count = |scene: &Scene| mounts(&scene.look(&[]).resources["xe"].devices["card1-0"]).len();
    assert_eq!(count(&scene), 1);
    std::os::unix::fs::symlink("../card1", scene.host().outside(link)).unwrap();
    assert_eq!(count(&scene), 2);
}

#[test]
fn functions_behind_a_volume_management_device_have_longer_addresses() {
    let scene = Scene::cards(&[
        "as=card0 at=pci10000:00 pci=10000:01:00.0 device=0x56c0 driver=i915 card=0 render=128",
    ]);
    let inventory = scene.look(&[]);
    let found = mounts(&inventory.resources["i915"].devices["card0-0"]);
    assert_eq!(found[0], Path::new("/dev/dri/by-path/pci-10000:01:00.0-card"));
}

#[test]
fn paths_on_the_host_have_the_prefix_and_paths_in_the_container_have_not() {
    let scene = Scene::cards(&[I915]);
    let inventory = scene.look(&[]);
    let node = &inventory.resources["i915"].devices["card0-0"].spec.edits.nodes[0];
    assert_eq!(node.container_path, Path::new("/dev/dri/card0"));
    assert_eq!(node.host_path, scene.node.root().canonicalize().unwrap().join("dev/dri/card0"));
    assert_eq!(node.permissions, "rw");
}

#[test]
fn cards_tell_their_numa_node_and_share_one_description() {
    let inventory = Scene::builtin("flex-170-x2").look(&["-shared-dev-num=2"]);
    let devices = &inventory.resources["i915"].devices;
    assert_eq!(devices["card0-0"].spec.numa, Some(vec![0]));
    assert_eq!(devices["card1-1"].spec.numa, Some(vec![1]));
    assert!(Arc::ptr_eq(&devices["card0-0"].spec, &devices["card0-1"].spec));
    let cdi = devices["card1-0"].spec.cdi.as_ref().unwrap();
    assert_eq!((cdi.kind.as_str(), cdi.name.as_str()), ("intel.cdi.k8s.io/gpu", "card1"));
    assert_eq!(cdi.edits, devices["card1-0"].spec.edits);
}

#[test]
fn the_verdict_on_a_card_is_that_of_all_its_units_but_not_of_monitoring() {
    let scene = Scene::cards(&[I915, XE]);
    let verdicts = [
        ("0000:03:00.0", Verdict::Unhealthy(Trouble::new("heat", "hot"))),
        ("0000:00:02.0", Verdict::Healthy),
    ];
    let verdicts = verdicts.map(|(address, verdict)| (address.parse().unwrap(), verdict)).into();
    let snapshot = Snapshot { verdicts, indices: None };
    let inventory =
        plugin(&["-shared-dev-num=2", "-enable-monitoring"], snapshot).discover(&scene.host()).unwrap();
    let health = |resource: &str, id: &str| inventory.resources[resource].devices[id].health.clone();
    assert_eq!(health("xe", "card1-0"), Health::Unhealthy("hot".to_owned()));
    assert_eq!(health("xe", "card1-1"), Health::Unhealthy("hot".to_owned()));
    assert_eq!(health("i915", "card0-0"), Health::Healthy);
    assert_eq!(health("monitoring", "all"), Health::Healthy);
}

/// With other flags the sidecar is asked anew, and may be out of reach.
#[test]
fn a_plugin_that_takes_anothers_place_knows_what_that_was_told() {
    let scene = Scene::cards(&[I915, XE]);
    let xe = "0000:03:00.0".parse().unwrap();
    let told = |verdict| Snapshot { verdicts: [(xe, verdict)].into(), indices: None };
    let health = |plugin: &GpuPlugin| {
        plugin.discover(&scene.host()).unwrap().resources["xe"].devices["card1-0"].health.clone()
    };
    let sick = || Health::Unhealthy("hot".to_owned());
    let watched: &[&str] = &["-health-management", "-shared-dev-num=2"];
    let first = plugin(watched, told(Verdict::Unhealthy(Trouble::new("heat", "hot"))));
    let second = plugin(watched, Snapshot::default());
    assert_eq!(health(&second), Health::Healthy, "nobody has said otherwise");
    second.take_over(&first);
    assert_eq!(health(&second), sick());
    let third = plugin(watched, Snapshot::default());
    third.take_over(&second);
    assert_eq!(health(&third), sick(), "though the second never was told itself");
    let told_otherwise = plugin(watched, told(Verdict::Healthy));
    told_otherwise.take_over(&third);
    assert_eq!(health(&told_otherwise), Health::Healthy);
    let unwatched = plugin(&["-shared-dev-num=2"], Snapshot::default());
    unwatched.take_over(&third);
    assert_eq!(health(&unwatched), Health::Healthy, "nobody would ever say that it is well again");
}

#[test]
fn an_unreadable_class_folder_says_nothing_about_the_node() {
    let mut scene = Scene::cards(&[I915]);
    scene.node.damage("/sys/class/drm", Damage::LinkLoop).unwrap();
    let error = plugin(&[], Snapshot::default()).discover(&scene.host()).unwrap_err();
    assert!(error.to_string().contains("/sys/class/drm"), "{error}");
}

#[test]
fn gpus_of_windows_are_those_that_the_sidecar_names() {
    let scene = Scene::builtin("wsl");
    let of = |indices| plugin(&["-wsl", "-shared-dev-num=2"], Snapshot { indices, ..Snapshot::default() });
    let error = of(None).discover(&scene.host()).unwrap_err();
    assert!(error.to_string().contains("Level-Zero sidecar"), "{error}");
    assert_eq!(counts(&of(Some(Vec::new())).discover(&scene.host()).unwrap()), "");
    let plugin = of(Some(vec![0, 2, 3]));
    let inventory = plugin.discover(&scene.host()).unwrap();
    assert_eq!(counts(&inventory), "dxg=6");
    let devices = &inventory.resources["dxg"].devices;
    let device = &devices["card2-0"];
    assert_eq!(nodes(device), [Path::new("/dev/dxg")]);
    assert_eq!(mounts(device), [Path::new("/usr/lib/wsl")]);
    assert_eq!(device.spec.edits.env["ZE_AFFINITY_MASK"], "2");
    let chosen = [("card2-0", device), ("card0-1", &devices["card0-1"]), ("card2-1", &devices["card2-1"])];
    let edits = plugin.allocate("dxg", &chosen, device.spec.edits.clone()).unwrap();
    assert_eq!(edits.env["ZE_AFFINITY_MASK"], "0,2");
}
