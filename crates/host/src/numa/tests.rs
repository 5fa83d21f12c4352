use proptest::prelude::*;

use super::*;
use crate::tree::Tree;

const CARD: &str = "/sys/devices/pci0000:00/0000:00:01.0/0000:03:00.0/drm/card1";

/// A node with a card behind a bridge, a VFIO group of that card, and the virtual devices null and random.
fn node() -> Tree {
    let tree = Tree::new();
    let devices = [
        ("card1", "226:1", CARD),
        ("null", "1:3", "/sys/devices/virtual/mem/null"),
        ("random", "1:8", "/sys/devices/virtual/mem/random"),
    ];
    for (name, number, folder) in devices {
        tree.file(&format!("/dev/{name}"), format!("c {number}"));
        tree.folder(folder).link(&format!("/sys/dev/char/{number}"), folder);
    }
    tree
}

fn vfio_group(tree: &Tree, node: &str, members: &[(&str, &str)]) {
    tree.file("/dev/vfio/7", "c 243:0").folder(&format!("/sys/devices/virtual/vfio/{node}"));
    tree.link("/sys/dev/char/243:0", &format!("../../devices/virtual/vfio/{node}"));
    for (name, numa) in members {
        let device = format!("/sys/devices/pci0000:80/{name}");
        tree.file(&format!("{device}/numa_node"), numa);
        tree.link(&format!("/sys/kernel/iommu_groups/7/devices/{name}"), &device);
    }
}

fn nodes_near(tree: &Tree, paths: &[&str]) -> Vec<u32> {
    let nearby = of_device_nodes(&tree.host(), paths);
    assert!(nearby.errors.is_empty(), "{:?}", nearby.errors);
    nearby.nodes
}

fn above(path: &str, levels: usize) -> &str {
    Path::new(path).ancestors().nth(levels).unwrap().to_str().unwrap()
}

fn say(tree: &Tree, folder: &str, numa: &str, cpus: &str) {
    tree.file(&format!("{folder}/numa_node"), numa).file(&format!("{folder}/local_cpulist"), cpus);
}

#[test]
fn a_device_is_near_to_what_its_pci_function_is_near_to() {
    let tree = node();
    say(&tree, above(CARD, 2), "1\n", "8-15\n");
    say(&tree, above(CARD, 3), "0\n", "0-7\n");
    assert_eq!(nodes_near(&tree, &["/dev/card1"]), [1]);
    assert_eq!(nodes_near(&tree, &["/dev/card1", "/dev/card1"]), [1]);
    assert_eq!(of_sysfs_device(&tree.host(), CARD).nodes, [1]);
}

#[test]
fn several_devices_give_the_union_sorted() {
    let tree = node();
    say(&tree, above(CARD, 2), "3", "8-15");
    say(&tree, "/sys/devices/virtual/mem/null", "0,2-3,1", "0-7");
    assert_eq!(nodes_near(&tree, &["/dev/card1", "/dev/null"]), [0, 1, 2, 3]);
    assert_eq!(nodes_near(&tree, &[]), [0_u32; 0]);
}

#[test]
fn a_device_without_a_place_is_near_to_nothing() {
    let tree = node();
    say(&tree, "/sys/devices/virtual/mem/random", "-1", "0-7");
    assert_eq!(nodes_near(&tree, &["/dev/null", "/dev/random"]), [0_u32; 0]);
}

#[test]
fn a_list_of_cpus_or_a_negative_node_does_not_hide_what_is_above() {
    let tree = node();
    tree.file(&format!("{CARD}/local_cpulist"), "0-7");
    say(&tree, above(CARD, 2), "-1", "0-7");
    say(&tree, above(CARD, 3), "1", "0-7");
    assert_eq!(nodes_near(&tree, &["/dev/card1"]), [1]);
}

#[test]
fn what_is_above_the_devices_does_not_count() {
    let tree = node();
    say(&tree, "/sys/devices", "1", "0-7");
    say(&tree, "/sys", "1", "0-7");
    assert_eq!(nodes_near(&tree, &["/dev/card1"]), [0_u32; 0]);
}

#[test]
fn a_node_without_cpus_gives_way_to_the_parents() {
    let tree = node();
    say(&tree, above(CARD, 2), "5", "\n");
    assert_eq!(nodes_near(&tree, &["/dev/card1"]), [0_u32; 0]);
    say(&tree, above(CARD, 3), "1", "0-7");
    assert_eq!(nodes_near(&tree, &["/dev/card1"]), [1]);
}

#[test]
fn a_node_stands_where_there_is_no_list_of_cpus() {
    let tree = node();
    tree.file(&format!("{}/numa_node", above(CARD, 2)), "1");
    assert_eq!(nodes_near(&tree, &["/dev/card1"]), [1]);
}

#[test]
fn a_vfio_group_is_near_to_what_its_devices_are_near_to() {
    let tree = node();
    vfio_group(&tree, "7", &[("0000:80:01.0", "2"), ("0000:80:02.0", "0"), ("0000:80:03.0", "-1")]);
    assert_eq!(nodes_near(&tree, &["/dev/vfio/7"]), [0, 2]);
}

#[test]
fn a_vfio_group_without_iommu_is_too() {
    let tree = node();
    vfio_group(&tree, "noiommu-7", &[("0000:80:01.0", "2")]);
    assert_eq!(nodes_near(&tree, &["/dev/vfio/7"]), [2]);
}

#[test]
fn a_vfio_group_that_is_gone_is_an_error() {
    let tree = node();
    vfio_group(&tree, "7", &[]);
    let nearby = of_device_nodes(&tree.host(), &["/dev/vfio/7"]);
    assert_eq!(nearby.errors[0].path, Path::new("/sys/kernel/iommu_groups/7/devices"));
}

#[test]
fn a_mapped_disk_is_near_to_what_is_below_it_even_if_that_goes_in_circles() {
    let tree = Tree::new();
    let (upper, lower) =
        ("/sys/devices/virtual/block/dm-0", "/sys/devices/pci0000:00/0000:00:05.0/nvme/nvme0n1");
    tree.file("/dev/dm-0", "b 253:0").link("/sys/dev/block/253:0", upper);
    tree.link(&format!("{upper}/slaves/nvme0n1"), lower).link(&format!("{lower}/slaves/dm-0"), upper);
    tree.file("/sys/devices/pci0000:00/0000:00:05.0/numa_node", "1");
    assert_eq!(nodes_near(&tree, &["/dev/dm-0"]), [1]);
}

#[test]
fn one_bad_device_does_not_hide_the_others() {
    let tree = node();
    say(&tree, above(CARD, 2), "1", "8-15");
    say(&tree, "/sys/devices/virtual/mem/null", "many", "0-7");
    tree.file("/dev/plain", "hello").file("/dev/unknown", "c 9:9");
    vfio_group(&tree, "7", &[("0000:80:01.0", "2"), ("0000:80:02.0", "0-")]);
    tree.link("/sys/kernel/iommu_groups/7/devices/0000:80:03.0", "nothing");

    let paths = ["/dev/plain", "/dev/none", "/dev/null", "/dev/unknown", "/dev/vfio/7", "/dev/card1"];
    let nearby = of_device_nodes(&tree.host(), &paths);
    assert_eq!(nearby.nodes, [1, 2]);
    let failed: Vec<&str> = nearby.errors.iter().map(|error| error.path.to_str().unwrap()).collect();
    let expected = [
        "/dev/none",
        "/dev/plain",
        "/sys/dev/char/9:9",
        "/sys/devices/pci0000:80/0000:80:02.0/numa_node",
        "/sys/devices/virtual/mem/null/numa_node",
        "/sys/kernel/iommu_groups/7/devices/0000:80:03.0",
    ];
    assert_eq!(failed, expected);
}

#[test]
fn the_real_null_device_is_near_to_nothing() {
    let nearby = of_device_nodes(&Host::real(), &["/dev/null"]);
    assert!(nearby.nodes.is_empty() && nearby.errors.is_empty(), "{nearby:?}");
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
