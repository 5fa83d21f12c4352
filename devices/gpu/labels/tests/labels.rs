//! The labels of nodes, tree by tree.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use gpu_labels::{Settings, labels_now, node_labels};
use proptest::prelude::*;
use simulator::{Damage, Profile, Ruin, TemporaryNode, golden};

const NOTHING: Settings = Settings { memory_override: 0, memory_reserved: 0, pci_grouping_level: 0 };

/// A node of these lines of a profile.
fn node(lines: &[String]) -> TemporaryNode {
    let mut profile = "use drm\nuse pci-driver driver=i915\nuse pci-driver driver=xe\n".to_owned();
    profile += &lines.join("\n");
    TemporaryNode::new(&Profile::parse("test", &profile).unwrap()).unwrap()
}

/// A GPU on i915; `more` are words of its template.
fn gpu(number: usize, more: &str) -> String {
    let render = 128 + number;
    format!(
        "use pci-gpu as=card{number} pci=0000:{:02x}:00.0 device=0x0bd5 driver=i915 card={number} \
         render={render} {more}",
        number + 1,
    )
}

/// A file of the device that the GPU `number` is.
fn file(number: usize, path: &str, text: &str) -> String {
    format!("file {}/{path} {text}", device(number))
}

fn device(number: usize) -> String {
    format!("/sys/devices/pci0000:00/0000:{:02x}:00.0", number + 1)
}

/// Labels without their namespace, and warnings.
fn look(node: &TemporaryNode, settings: Settings) -> (BTreeMap<String, String>, Vec<String>) {
    let mut warnings = Vec::new();
    let labels = node_labels(&node.host(), "/sys", &settings, &mut |warning| warnings.push(warning)).unwrap();
    let short = |(key, value): (&str, &str)| {
        (key.strip_prefix("gpu.intel.com/").unwrap().to_owned(), value.to_owned())
    };
    (labels.iter().map(short).collect(), warnings)
}

fn label(node: &TemporaryNode, settings: Settings, key: &str) -> Option<String> {
    look(node, settings).0.remove(key)
}

#[test]
fn each_simulated_node_has_the_labels_of_its_golden_file() {
    for (name, _) in Profile::builtin_names() {
        let node = TemporaryNode::new(&Profile::builtin(name).unwrap()).unwrap();
        let settings = Settings { pci_grouping_level: 2, ..NOTHING };
        let mut warnings = String::new();
        let mut warn = |warning: String| warnings += &format!("warning: {warning}\n");
        let text = match node_labels(&node.host(), "/sys", &settings, &mut warn) {
            Ok(labels) => labels.text(),
            Err(error) => format!("none: {}\n", device_plugin::error_chain(&error)),
        };
        golden(format!("tests/golden/{name}.txt"), &format!("{text}{warnings}"));
    }
}

#[test]
fn memory_is_of_all_tiles_without_what_is_reserved() {
    let node = node(&[
        gpu(0, ""),
        gpu(1, ""),
        file(0, "drm/card0/lmem_total_bytes", "8086"),
        file(1, "drm/card1/lmem_total_bytes", "0x1000"),
        file(1, "drm/card1/gt/gt0/id", "0"),
        file(1, "drm/card1/gt/gt1/id", "1"),
    ]);
    assert_eq!(label(&node, NOTHING, "memory.max").unwrap(), (8086 + 2 * 4096).to_string());
    assert_eq!(label(&node, NOTHING, "tiles").unwrap(), "3");
    let reserved = Settings { memory_reserved: 86, ..NOTHING };
    assert_eq!(label(&node, reserved, "memory.max").unwrap(), (8000 + 2 * 4096 - 86).to_string());
    // More than there is leaves none, and never what is less than none.
    let reserved = Settings { memory_reserved: u64::MAX, ..NOTHING };
    assert_eq!(label(&node, reserved, "memory.max").unwrap(), "0");
}

#[test]
fn memory_that_the_driver_does_not_tell_is_what_the_environment_says() {
    let node = node(&[gpu(0, ""), gpu(1, ""), file(1, "drm/card1/lmem_total_bytes", "lots")]);
    let known = Settings { memory_override: 16_000_000_000, memory_reserved: 86, ..NOTHING };
    let (labels, warnings) = look(&node, known);
    assert_eq!(labels["memory.max"], "32000000000");
    assert_eq!(warnings, [""; 0]);
    let (labels, warnings) = look(&node, NOTHING);
    assert_eq!(labels["memory.max"], "0");
    assert!(warnings[0].contains("memory of card0 counts as 0"), "{warnings:?}");
    assert!(warnings[1].contains("lmem_total_bytes is \"lots\": "), "{warnings:?}");
}

#[test]
fn memory_that_no_gpu_has_is_left_out() {
    let mut node = node(&[
        gpu(0, ""),
        gpu(1, ""),
        file(0, "drm/card0/lmem_total_bytes", "9223372036854775807"),
        file(1, "drm/card1/lmem_total_bytes", "4096"),
        file(1, "drm/card1/gt/gt0/id", "0"),
        file(1, "drm/card1/gt/gt1/id", "1"),
    ]);
    assert_eq!(label(&node, NOTHING, "memory.max").unwrap(), "8192");
    let memory = format!("{}/drm/card1/lmem_total_bytes", device(1));
    node.set_attribute(memory, "18446744073709551615").unwrap();
    assert_eq!(label(&node, NOTHING, "memory.max"), None);
}

#[test]
fn tiles_of_xe_are_folders_of_the_device() {
    let tiles = ["tile0/gt0/id", "tile1/gt1/id", "tiles/id"].map(|path| file(0, path, "0"));
    let node = node(&[&[gpu(0, "")], &tiles[..]].concat());
    assert_eq!(label(&node, NOTHING, "tiles").unwrap(), "2");
}

#[test]
fn many_gpus_take_several_labels() {
    let cards: Vec<String> = (0..27).map(|number| gpu(number, "numa=1")).collect();
    let (labels, _) = look(&node(&cards), Settings { memory_override: 16_000_000_000, ..NOTHING });
    let expected = [
        ("cards", "card0.card1.card10.card11.card12.card13.card14.card15.card16.ca"),
        ("gpu-numbers", "0.1.10.11.12.13.14.15.16.17.18.19.2.20.21.22.23.24.25.26.3.4.5"),
        ("gpu-numbers2", "Z.6.7.8.9"),
        ("memory.max", "432000000000"),
        ("millicores", "27000"),
        ("numa-gpu-map", "1-0.1.10.11.12.13.14.15.16.17.18.19.2.20.21.22.23.24.25.26.3.4"),
        ("numa-gpu-map2", "Z.5.6.7.8.9"),
        ("tiles", "27"),
    ];
    let found: Vec<(&str, &str)> = labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn numa_nodes_come_in_the_order_of_their_numbers_and_without_gpus_that_have_none() {
    let numas = ["numa=10", "numa=2", "numa=-1", "numa=2"];
    let cards: Vec<String> = numas.iter().enumerate().map(|(number, numa)| gpu(number, numa)).collect();
    assert_eq!(label(&node(&cards), NOTHING, "numa-gpu-map").unwrap(), "2-1.3_10-0");
    assert_eq!(label(&node(&[gpu(0, "numa=-1")]), NOTHING, "numa-gpu-map"), None);
}

#[test]
fn groups_are_gpus_below_the_same_folder() {
    let below = |at: &str| format!("at=pci0000:{at}");
    let node = node(&[
        gpu(0, &below("b0/0000:b0:01.0")),
        gpu(1, &below("00/0000:00:02.0/0000:0a:00.0")),
        gpu(2, &below("b0/0000:b0:02.0")),
        gpu(3, &below("00/0000:00:02.0/0000:0b:00.0")),
    ]);
    let at_level = |level| label(&node, Settings { pci_grouping_level: level, ..NOTHING }, "pci-groups");
    assert_eq!(at_level(0), None);
    assert_eq!(at_level(1).unwrap(), "1.3_0.2");
    assert_eq!(at_level(2).unwrap(), "1.3_0_2");
    assert_eq!(at_level(3).unwrap(), "1_3_0_2");
    // Deeper than some are, and than all.
    assert_eq!(at_level(6).unwrap(), "1_3");
    assert_eq!(at_level(u64::MAX), None);
}

#[test]
fn functions_that_are_for_others_do_not_count() {
    let functions = [file(0, "sriov_numvfs", "2"), file(1, "sriov_numvfs", "0")];
    let mut node = node(&[&[gpu(0, ""), gpu(1, ""), gpu(2, "")], &functions[..]].concat());
    node.set_attribute(format!("{}/vendor", device(2)), "0xfefe").unwrap();
    assert_eq!(label(&node, NOTHING, "gpu-numbers").unwrap(), "1");
    node.set_attribute(format!("{}/sriov_numvfs", device(1)), "1").unwrap();
    let only_tiles = BTreeMap::from([("tiles".to_owned(), "0".to_owned())]);
    assert_eq!(look(&node, NOTHING), (only_tiles, Vec::new()));
}

#[test]
fn a_gpu_that_cannot_be_read_is_a_warning_and_the_others_count() {
    let mut node = node(&[gpu(0, ""), gpu(1, "")]);
    node.damage(format!("{}/vendor", device(0)), Damage::Folder).unwrap();
    let (labels, warnings) = look(&node, Settings { memory_override: 1, ..NOTHING });
    assert_eq!(labels["gpu-numbers"], "1");
    assert!(warnings[0].starts_with("card0 is left out: "), "{warnings:?}");
}

#[test]
fn the_environment_is_decimal_numbers() {
    let mut warnings = Vec::new();
    let value = |name: &str| {
        let value = match name {
            "GPU_MEMORY_OVERRIDE" => "16000000000",
            "GPU_MEMORY_RESERVED" => "0x10",
            "GPU_PCI_GROUPING_LEVEL" => "",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let settings = Settings::read(value, &mut |warning| warnings.push(warning));
    assert_eq!(settings, Settings { memory_override: 16_000_000_000, ..NOTHING });
    assert_eq!(warnings, ["GPU_MEMORY_RESERVED is \"0x10\", which is no decimal number: it is ignored"]);
    for bad in ["+1", "-1", "18446744073709551616", " 1", "1_0"] {
        let settings = Settings::read(|_| Some(bad.to_owned()), &mut |_| ());
        assert_eq!(settings, NOTHING, "{bad}");
    }
    let level = |name: &str| (name == "GPU_PCI_GROUPING_LEVEL").then(|| "2".to_owned());
    assert_eq!(Settings::read(level, &mut |_| ()), Settings { pci_grouping_level: 2, ..NOTHING });
}

#[test]
fn a_sysfs_in_another_place_is_read_there() {
    let host = node(&[gpu(0, "")]).host();
    let error = node_labels(&host, "/host-sys", &NOTHING, &mut |_| ()).unwrap_err();
    let text = device_plugin::error_chain(&error);
    assert!(text.starts_with("cannot tell what GPUs there are: cannot list /host-sys/class/drm: "), "{text}");
}

#[test]
fn a_node_whose_drivers_went_has_no_gpus_and_one_without_sysfs_is_an_error() {
    let empty = TemporaryNode::new(&Profile::builtin("empty").unwrap()).unwrap();
    let look =
        |sysfs: &str| labels_now(&empty.host(), sysfs, &NOTHING, &mut |_| ()).map(|labels| labels.text());
    assert!(!empty.host().exists("/sys/class/drm"));
    assert_eq!(look("/sys").unwrap(), "gpu.intel.com/tiles=0\n");
    assert!(look("/none").is_err());
}

#[test]
fn a_node_that_cannot_be_labelled_is_no_failure() {
    let empty = TemporaryNode::new(&Profile::builtin("empty").unwrap()).unwrap();
    let main = |prefix: &Path| gpu_labels::main("hook", vec!["-prefix".into(), prefix.into()]);
    assert_eq!(main(empty.root()), ExitCode::SUCCESS);
    assert_eq!(main(&empty.root().join("none")), ExitCode::from(255));
    assert_eq!(gpu_labels::main("hook", vec!["-v=4".into()]), ExitCode::from(2));
    let too_rarely = vec!["-node-label".into(), "-interval=25h".into()];
    assert_eq!(gpu_labels::main("hook", too_rarely), ExitCode::from(255));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_is_wrong_with_one_gpu_the_other_counts(ruins in Ruin::several()) {
        let mut node = TemporaryNode::new(&Profile::builtin("flex-170-x2").unwrap()).unwrap();
        node.ruin("card1", &ruins).unwrap();
        let (labels, _) = look(&node, Settings { pci_grouping_level: 1, ..NOTHING });
        let numbers = &labels["gpu-numbers"];
        prop_assert!(["0", "0.1"].contains(&numbers.as_str()), "{}", numbers);
        prop_assert!(labels["pci-groups"].starts_with('0'));
        let memory: u64 = labels["memory.max"].parse().unwrap();
        prop_assert!(memory >= 17_179_869_184);
    }
}
