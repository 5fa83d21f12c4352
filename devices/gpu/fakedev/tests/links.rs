//! Links between tiles, and what a sidecar reads of them.

use gpu_fakedev::Spec;
use gpu_fakedev::links::{FILE, metrics, page, text};
use gpu_xelink::links::{FAMILY, Links, Rules, links};
use pages::exposition::parse;
use simulator::{Profile, TemporaryNode};

fn read_by_the_sidecar(page: &str) -> Links {
    let exposition = parse(page.as_bytes());
    assert_eq!(exposition.skipped, 0, "{page}");
    links(exposition.families.get(FAMILY), Rules { lanes: 4, without_subdevices: false })
}

#[test]
fn full_links_each_tile_with_all_that_follow() {
    let spec = |topology: &str| {
        let text = format!(
            r#"{{"DevCount": 2, "TilesPerDev": 2, "Capabilities": {{"connection-topology": "{topology}", "connections": "0.0-1.0"}}}}"#
        );
        Spec::parse(&text).unwrap()
    };
    assert_eq!(text(&spec("FULL")), "0.1-0.0_1.0-0.0_1.1-0.0_1.0-0.1_1.1-0.1_1.1-1.0");
    for topology in ["RAW", "", "full"] {
        assert_eq!(text(&spec(topology)), "0.0-1.0", "{topology}");
    }
}

#[test]
fn the_sidecar_finds_the_links_in_the_metrics_but_not_those_within_a_gpu() {
    for (text, expected) in [
        ("", ""),
        ("0.0-1.0", "0.0-1.0"),
        ("1.1-0.0_0.1-1.0", "0.0-1.1_0.1-1.0"),
        ("0.1-0.0_1.0-0.0_1.1-0.0_1.0-0.1_1.1-0.1_1.1-1.0", "0.0-1.0_0.0-1.1_0.1-1.0_0.1-1.1"),
        ("10.0-9.3", "9.3-10.0"),
    ] {
        let found = read_by_the_sidecar(&metrics(text).unwrap());
        assert_eq!(found, Links { text: expected.to_owned(), oddities: vec![] }, "{text}");
    }
}

#[test]
fn what_is_no_link_is_named() {
    for text in ["0.0", "0-1", "0.0-1", "a.0-1.0", "0.0-1.0-2.0", "0.0-1.0_x", "-1.0-0.0", "0.0-4294967296.0"]
    {
        assert!(metrics(text).unwrap_err().contains("is no link such as 0.0-1.0"), "{text}");
    }
}

#[test]
fn a_simulated_node_tells_of_its_links() {
    let mut node = TemporaryNode::new(&Profile::builtin("max-1550-x8").unwrap()).unwrap();
    let links = read_by_the_sidecar(&page(&node.host())).text;
    assert_eq!(links, node.host().read(FILE).unwrap());
    assert_eq!(links.split('_').count(), 2 * 7 * 8 / 2);
    node.set_attribute(FILE, "nonsense").unwrap();
    assert!(page(&node.host()).starts_with("# /.xelinks: \"nonsense\" is no link"));
    assert!(parse(page(&node.host()).as_bytes()).families.is_empty());
    node.delete(FILE).unwrap();
    assert_eq!(read_by_the_sidecar(&page(&node.host())), Links::default());
}
