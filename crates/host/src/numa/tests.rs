use proptest::prelude::*;

use super::*;
use crate::tree::Tree;

const CARD: &str = "/sys/devices/pci0000:00/0000:00:01.0/0000:03:00.0/drm/card1";
const FUNCTION: &str = "/sys/devices/pci0000:00/0000:00:01.0/0000:03:00.0";
const BRIDGE: &str = "/sys/devices/pci0000:00/0000:00:01.0";

/// A card behind a bridge.
fn node() -> Tree {
    let tree = Tree::new();
    tree.folder(CARD).link("/sys/class/drm/card1", CARD);
    tree
}

fn near_card(tree: &Tree) -> Vec<u32> {
    nodes_near(&tree.host(), "/sys/class/drm/card1").unwrap()
}

fn say(tree: &Tree, folder: &str, numa: &str, cpus: &str) {
    tree.file(&format!("{folder}/numa_node"), numa).file(&format!("{folder}/local_cpulist"), cpus);
}

#[test]
fn a_device_is_near_to_what_its_pci_function_is_near_to() {
    let tree = node();
    say(&tree, FUNCTION, "1\n", "8-15\n");
    say(&tree, BRIDGE, "0\n", "0-7\n");
    assert_eq!(near_card(&tree), [1]);
    assert_eq!(nodes_near(&tree.host(), CARD).unwrap(), [1]);
}

#[test]
fn several_nodes_are_sorted_and_each_is_there_once() {
    let tree = node();
    say(&tree, FUNCTION, "3,0,2-3,1", "0-7");
    assert_eq!(near_card(&tree), [0, 1, 2, 3]);
}

#[test]
fn a_device_without_a_place_is_near_to_nothing() {
    let tree = node();
    assert_eq!(near_card(&tree), [0_u32; 0]);
    say(&tree, FUNCTION, "-1", "0-7");
    assert_eq!(near_card(&tree), [0_u32; 0]);
    assert_eq!(nodes_near(&Host::real(), "/sys/dev/char/1:3").unwrap(), [0_u32; 0], "/dev/null");
}

#[test]
fn a_list_of_cpus_or_a_negative_node_does_not_hide_what_is_above() {
    let tree = node();
    tree.file(&format!("{CARD}/local_cpulist"), "0-7");
    say(&tree, FUNCTION, "-1", "0-7");
    say(&tree, BRIDGE, "1", "0-7");
    assert_eq!(near_card(&tree), [1]);
}

#[test]
fn what_is_above_the_devices_does_not_count() {
    let tree = node();
    say(&tree, "/sys/devices", "1", "0-7");
    say(&tree, "/sys", "1", "0-7");
    assert_eq!(near_card(&tree), [0_u32; 0]);
}

#[test]
fn a_node_without_cpus_gives_way_to_the_parents() {
    let tree = node();
    say(&tree, FUNCTION, "5", "\n");
    assert_eq!(near_card(&tree), [0_u32; 0]);
    say(&tree, BRIDGE, "1", "0-7");
    assert_eq!(near_card(&tree), [1]);
}

#[test]
fn a_node_stands_where_there_is_no_list_of_cpus() {
    let tree = node();
    tree.file(&format!("{FUNCTION}/numa_node"), "1");
    assert_eq!(near_card(&tree), [1]);
}

#[test]
fn what_cannot_be_read_is_an_error_that_names_it() {
    let tree = node();
    say(&tree, FUNCTION, "many", "0-7");
    let error = nodes_near(&tree.host(), "/sys/class/drm/card1").unwrap_err();
    assert_eq!(error.path, Path::new(FUNCTION).join("numa_node"));
    let error = nodes_near(&tree.host(), "/sys/class/drm/card2").unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.path, Path::new("/sys/class/drm/card2"));
}

#[test]
fn lists_may_have_ranges_and_negative_ids() {
    let cases: [(&str, &[u32]); 8] = [
        ("0", &[0]),
        ("-1", &[]),
        ("0-1", &[0, 1]),
        ("3-3", &[3]),
        ("0, 2-4 ,7", &[0, 2, 3, 4, 7]),
        ("-1,2", &[2]),
        ("1023", &[1023]),
        ("-99999999999999999999", &[]),
    ];
    for (text, nodes) in cases {
        assert_eq!(text.parse(), Ok(NodeList(nodes.to_vec())), "{text}");
    }
    for text in
        ["", ",", "0,", "-", "--1", "1-", "2-1", "0-1-2", "+1", "0x1", "1024", "0-99999999999", "one", "0 1"]
    {
        let error = text.parse::<NodeList>().unwrap_err();
        assert_eq!(error.to_string(), format!("{text:?} is not a list of NUMA nodes"));
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_list(text in "\\PC{0,30}|[0-9, -]{0,30}") {
        if let Ok(NodeList(nodes)) = text.parse() {
            prop_assert!(nodes.iter().all(|node| *node < MAX_NODES));
        }
    }

    #[test]
    fn every_list_survives_its_text(ranges in prop::collection::vec((0_u32..1000, 0_u32..24), 1..5)) {
        let parts: Vec<String> = ranges.iter().map(|(first, more)| format!("{first}-{}", first + more)).collect();
        let expected = ranges.iter().flat_map(|(first, more)| *first..=first + more).collect();
        prop_assert_eq!(parts.join(",").parse(), Ok(NodeList(expected)));
    }
}
