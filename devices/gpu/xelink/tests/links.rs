//! Which metrics are links, and how links are written.
#![expect(clippy::unwrap_used, reason = "tests")]

use gpu_xelink::links::{FAMILY, Links, Rules, links};
use pages::exposition::parse;
use proptest::prelude::*;

const RULES: Rules = Rules { lanes: 4, without_subdevices: false };

fn found(text: &str, rules: Rules) -> Links {
    links(parse(text.as_bytes()).families.get(FAMILY), rules)
}

/// A metric of a link with four lanes, from one tile to another: `0.1-2.3` with the local one first.
fn metric(link: &str) -> String {
    let numbers: Vec<&str> = link.split(['.', '-']).collect();
    let [device, subdevice, remote, remote_subdevice]: [&str; 4] = numbers.try_into().unwrap();
    format!(
        "xpum_topology_link{{dev_file=\"card1\",local_device_id=\"{device}\",local_on_subdevice=\"true\",\
         local_subdevice_id=\"{subdevice}\",remote_device_id=\"{remote}\",\
         remote_subdevice_id=\"{remote_subdevice}\",lane_count=\"4\"}} 1\n"
    )
}

fn metrics(links: &[&str]) -> String {
    links.iter().map(|link| metric(link)).collect::<Vec<_>>().concat()
}

#[test]
fn the_lower_device_comes_first_and_of_one_device_the_remote_end() {
    for (link, expected) in [
        ("0.0-1.0", "0.0-1.0"),
        ("1.0-0.1", "0.1-1.0"),
        ("0.1-1.0", "0.1-1.0"),
        ("10.0-9.1", "9.1-10.0"),
        ("0.0-0.1", "0.1-0.0"),
        ("0.1-0.0", "0.0-0.1"),
    ] {
        assert_eq!(found(&metric(link), RULES).text, expected, "{link}");
    }
}

#[test]
fn links_are_written_once_in_the_order_of_the_metrics() {
    let text = metrics(&["0.0-2.0", "1.0-3.0", "3.1-0.1", "2.1-1.1", "2.0-0.0", "0.1-3.1"]);
    let expected = Links { text: "0.0-2.0_1.0-3.0_0.1-3.1_1.1-2.1".to_owned(), oddities: vec![] };
    assert_eq!(found(&text, RULES), expected);
}

/// What the Go implementation's tests expect, too.
#[test]
fn sixteen_links_are_three_labels() {
    let pairs = [("0", "1"), ("2", "3"), ("4", "5"), ("6", "7")];
    let tiles = [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")];
    let all = pairs.iter().flat_map(|(a, c)| tiles.iter().map(move |(b, d)| format!("{a}.{b}-{c}.{d}")));
    let text = found(&all.map(|link| metric(&link)).collect::<String>(), RULES).text;
    let mut labels = labels::Labels::default();
    labels.insert_chunks("gpu.intel.com/xe-links", &text).unwrap();
    let expected = [
        ("gpu.intel.com/xe-links", "0.0-1.0_0.0-1.1_0.1-1.0_0.1-1.1_2.0-3.0_2.0-3.1_2.1-3.0_2.1-3.1"),
        ("gpu.intel.com/xe-links2", "Z_4.0-5.0_4.0-5.1_4.1-5.0_4.1-5.1_6.0-7.0_6.0-7.1_6.1-7.0_6.1-7"),
        ("gpu.intel.com/xe-links3", "Z.1"),
    ];
    assert_eq!(labels.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_link_that_is_told_of_by_more_than_its_two_ends_is_odd() {
    let text = metrics(&["0.0-1.0", "1.0-0.0", "0.0-1.0", "0.0-1.0", "1.1-0.0"]);
    let links = found(&text, RULES);
    assert_eq!(links.text, "0.0-1.0_0.0-1.1");
    assert_eq!(links.oddities, ["the link 0.0-1.0 is there more than twice"]);
}

/// Each is the metric of a link but for one thing.
#[test]
fn what_is_no_link_is_left_out() {
    let good = metric("0.0-1.0");
    assert_eq!(found(&good, RULES).text, "0.0-1.0");
    let missing = |label: &str, value: &str| (format!("{label}=\"{value}\""), "other=\"1\"".to_owned());
    let other = |label: &str, value: &str, other: &str| {
        (format!("{label}=\"{value}\""), format!("{label}=\"{other}\""))
    };
    let text = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    for (from, to) in [
        text("} 1", "} 0"),
        text("} 1", "} 4"),
        text("} 1", "} 1.0000001"),
        text("} 1", "} -1"),
        text("} 1", "} NaN"),
        text("} 1", "} +Inf"),
        text("xpum_topology_link", "xpum_topology_links"),
        text("xpum_topology_link", "xpum_topology_link_sum"),
        missing("local_device_id", "0"),
        missing("local_subdevice_id", "0"),
        missing("remote_device_id", "1"),
        missing("remote_subdevice_id", "0"),
        missing("lane_count", "4"),
        other("local_device_id", "0", "x"),
        other("local_device_id", "0", ""),
        other("local_device_id", "0", " 0"),
        other("local_device_id", "0", "-1"),
        other("local_device_id", "0", "9223372036854775808"),
        other("remote_subdevice_id", "0", "0x0"),
        other("lane_count", "4", "3"),
        other("lane_count", "4", "-4"),
        other("lane_count", "4", "4.0"),
        other("local_on_subdevice", "true", "false"),
        other("local_on_subdevice", "true", "True"),
        other("local_on_subdevice", "true", ""),
    ] {
        let changed = good.replace(&from, &to);
        assert_ne!(changed, good, "{from}");
        assert_eq!(found(&changed, RULES), Links::default(), "{changed}");
    }
}

#[test]
fn variants_of_a_links_metric_are_links() {
    let good = metric("0.0-1.0");
    for (from, to) in [
        ("} 1", "} 1.0"),
        ("} 1", "} 1e0 1700000000000"),
        ("lane_count=\"4\"", "lan_count=\"4\""),
        ("lane_count=\"4\"", "lan_count=\"1\",lane_count=\"4\""),
        ("lane_count=\"4\"", "lane_count=\"1\", lan_count=\"4\""),
        ("lane_count=\"4\"", "lane_count=\"4\",lan_count=\"\""),
        ("lane_count=\"4\"", "lane_count=\"16\""),
        ("lane_count=\"4\"", "lane_count=\"+4\""),
        ("local_on_subdevice=\"true\",", ""),
        ("remote_device_id=\"1\"", "remote_device_id=\"0001\""),
    ] {
        let changed = good.replace(from, to);
        assert_ne!(changed, good, "{from}");
        assert_eq!(found(&changed, RULES).text, "0.0-1.0", "{changed}");
    }
}

#[test]
fn the_least_number_of_lanes_is_a_choice() {
    let text = metric("0.0-1.0") + &metric("0.0-2.0").replace("\"4\"", "\"8\"");
    for (lanes, expected) in [
        (0, "0.0-1.0_0.0-2.0"),
        (4, "0.0-1.0_0.0-2.0"),
        (5, "0.0-2.0"),
        (8, "0.0-2.0"),
        (9, ""),
        (u64::MAX, ""),
    ] {
        assert_eq!(found(&text, Rules { lanes, ..RULES }).text, expected, "{lanes}");
    }
}

#[test]
fn links_of_gpus_without_tiles_count_when_they_may() {
    let text = metrics(&["0.0-1.0", "0.0-1.1"]).replace("subdevice=\"true\"", "subdevice=\"false\"");
    assert_eq!(found(&text, RULES).text, "");
    assert_eq!(found(&text, Rules { without_subdevices: true, ..RULES }).text, "0.0-1.0_0.0-1.1");
}

#[test]
fn only_gauges_and_metrics_without_a_type_are_read() {
    for (kind, expected) in
        [("gauge", "0.0-1.0"), ("untyped", "0.0-1.0"), ("counter", ""), ("summary", ""), ("histogram", "")]
    {
        let links = found(&format!("# TYPE {FAMILY} {kind}\n{}", metric("0.0-1.0")), RULES);
        assert_eq!(links.text, expected, "{kind}");
        assert_eq!(links.oddities.is_empty(), !expected.is_empty(), "{kind}");
    }
}

#[test]
fn a_node_without_gpus_has_no_links() {
    assert_eq!(found("", RULES), Links::default());
    assert_eq!(found("python_info 1\n", RULES), Links::default());
}

#[test]
fn more_links_than_any_node_has_are_left_out() {
    let all: Vec<String> = (0..5000).map(|number| metric(&format!("{number}.0-9999.0"))).collect();
    let links = found(&(all.concat() + &all.concat()), RULES);
    assert_eq!(links.text.split('_').count(), 4096);
    assert_eq!(links.oddities, ["there are more than 4096 links: the others are left out"]);
}

proptest! {
    /// The text is what labels are made of.
    #[test]
    fn links_are_always_a_text_for_labels(ends in prop::collection::vec(prop::array::uniform4(0..i64::MAX), 0..40)) {
        let text: String = ends.iter().map(|[a, b, c, d]| metric(&format!("{a}.{b}-{c}.{d}"))).collect();
        let mut labels = labels::Labels::default();
        prop_assert_eq!(labels.insert_chunks("gpu.intel.com/xe-links", &found(&text, RULES).text), Ok(()));
    }
}
