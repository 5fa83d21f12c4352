use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The flags of each family that runs on the node.
fn flags(text: &str, node: &str) -> BTreeMap<&'static str, String> {
    let wanted = Config::parse(text).unwrap().of_node(node).unwrap();
    wanted.into_iter().map(|(name, (flags, _))| (name, flags.join(" "))).collect()
}

fn error(text: &str) -> String {
    Config::parse(text).unwrap_err()
}

#[test]
fn an_empty_file_means_all_families_with_their_defaults() {
    for text in ["", "\n", "{}", "families:\n", "families: {}\nnodes:\n", "# nothing\n---\n"] {
        let found = flags(text, "");
        assert_eq!(found.len(), FAMILIES.len(), "{text:?}");
        assert!(found.values().all(String::is_empty), "{text:?}: {found:?}");
    }
}

/// Or its annotation would be asked for by another name than the section's.
#[test]
fn families_that_ask_for_the_node_get_its_name() {
    let text = "families: {fpga: {mode: region}}\nnodes: {two: {fpga: {node-name: ''}}, three: {fpga: {node-name: x}}}";
    assert_eq!(flags(text, "one")["fpga"], "-mode=region -node-name=one");
    assert_eq!(flags(text, "two")["fpga"], "-mode=region -node-name=");
    assert_eq!(flags(text, "three")["fpga"], "-mode=region -node-name=x");
    assert_eq!(flags(text, "")["fpga"], "-mode=region");
    assert!(flags("", "one").iter().all(|(family, flags)| flags.is_empty() || *family == "fpga"));
    // The flag is there in no other family.
    for family in FAMILIES {
        let takes_it = (family.parse)(&["-node-name=x".to_owned()]).is_ok();
        assert_eq!(takes_it, family.is_of_a_node, "{}", family.name);
    }
}

#[test]
fn flags_are_written_as_yaml_likes_them() {
    let text = "families:\n  gpu:\n    shared-dev-num: 3\n    enable-monitoring: yes\n    -bypath: none\n    \
                allow-ids: ['0x56c0', '0x56c1']\n";
    let expected = "-allow-ids=0x56c0,0x56c1 -bypath=none -enable-monitoring=true -shared-dev-num=3";
    assert_eq!(flags(text, "")["gpu"], expected);
}

/// YAML takes 0x56c0 for a number, and a number has no notation.
#[test]
fn hexadecimal_numbers_need_quotes() {
    let refused = "argument error: -allow-ids: \"22208\" is no PCI id such as 0x56c0";
    let advice = "write '0x56C0', in quotes, which YAML does not take for a number";
    for ids in ["[0x56C0]", "0x56C0", "['0x56c1', 0x56C0]"] {
        let text = format!("families: {{gpu: {{allow-ids: {ids}}}}}");
        assert_eq!(error(&text), format!("families.gpu: {refused}: {advice}"));
        let text = format!(
            "families: {{gpu: {{shared-dev-num: 0x2}}}}\nnodes: {{one: {{gpu: {{allow-ids: {ids}}}}}}}"
        );
        assert_eq!(error(&text), format!("nodes.one.gpu: {refused}: {advice}"));
    }
    assert_eq!(error("families: {gpu: {allow-ids: 22208}}"), format!("families.gpu: {refused}"));
}

#[test]
fn a_nodes_own_section_comes_on_top() {
    let text = "families:\n  gpu: {shared-dev-num: 3, bypath: none}\nnodes:\n  one:\n    gpu: {shared-dev-num: 5}\n  two: \
                {gpu: false}\n  three:\n";
    let of = |node: &str| flags(text, node).get("gpu").cloned();
    assert_eq!(of("one").as_deref(), Some("-bypath=none -shared-dev-num=5"));
    assert_eq!(of("two"), None);
    for other in ["three", "four", ""] {
        assert_eq!(of(other).as_deref(), Some("-bypath=none -shared-dev-num=3"), "{other}");
    }
    let text = "families: {gpu: false}\nnodes: {one: {gpu: true}}";
    assert_eq!(flags(text, "one")["gpu"], "");
    assert_eq!(flags(text, "two").get("gpu"), None);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, expected) in [
        ("familys: {}", "the file: unknown key \"familys\"; did you mean families?"),
        ("plugins: {}", "the file: unknown key \"plugins\"; there are families, nodes"),
        ("families: {gpus: {}}", "families: unknown key \"gpus\"; did you mean gpu?"),
        ("nodes: {one: {gpus: {}}}", "nodes.one: unknown key \"gpus\"; did you mean gpu?"),
        (
            "families: {gpu: {shared-dev-nun: 1}}",
            "families.gpu: flag provided but not defined: -shared-dev-nun; did you mean -shared-dev-num?",
        ),
        (
            "nodes: {one: {gpu: {shared-dev-num: 0}}}",
            "nodes.one.gpu: argument error: -shared-dev-num is 0, not 1 to 200000",
        ),
        ("families: {gpu: {v: 4}}", "families.gpu: v is the whole process's: give it on the command line"),
        (
            "families: {gpu: {prefix: /x}}",
            "families.gpu: prefix is the whole process's: give it on the command line",
        ),
        ("families: {gpu: 3}", "families.gpu must hold `name: value` pairs"),
        ("families: [gpu]", "families must hold `name: value` pairs"),
        ("gpu", "the file must hold `name: value` pairs"),
        ("families: {gpu: {bypath: {a: b}}}", "families.gpu.bypath: neither a value nor a list of values"),
        ("families: {gpu: {bypath: }}", "families.gpu.bypath: neither a value nor a list of values"),
        (
            "families: {gpu: {bypath: none, -bypath: all}}",
            "families.gpu: bypath is given twice, with a dash and without",
        ),
        (
            "nodes: {one: {gpu: {--bypath: none, -bypath: all}}}",
            "nodes.one.gpu: bypath is given twice, with a dash and without",
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
    for text in ["families: {gpu: true, gpu: false}", "families: {", "a: b: c"] {
        assert!(error(text).starts_with("no YAML: "), "{text}: {}", error(text));
    }
    assert!(error(&" ".repeat(MAX_BYTES + 1)).contains("longer than"));
}

/// Texts that are nearly files.
fn near_files() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("families"),
        Just("nodes"),
        Just("gpu"),
        Just("fpga"),
        Just("one"),
        Just("shared-dev-num"),
        Just("-bypath"),
        Just("mode"),
        Just("2"),
        Just("false"),
        Just("~"),
        Just("[a, 1]"),
        Just("{}"),
        Just("&a"),
        Just("*a"),
        Just("'"),
        Just("\u{0}"),
    ];
    let line = (0..4usize, word.clone(), prop_oneof![Just(":"), Just(": "), Just(""), Just(" - ")], word)
        .prop_map(|(depth, key, colon, value)| format!("{}{key}{colon}{value}\n", "  ".repeat(depth)));
    vec(line, 0..8).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn any_text_is_a_file_or_an_error(text in prop_oneof![any::<String>(), near_files()]) {
        match Config::parse(&text) {
            // What is good for the file is good for every node, named there or not.
            Ok(config) => for node in ["", "one", "other"] {
                prop_assert!(config.of_node(node).is_ok());
            },
            Err(error) => {
                let places = ["no YAML: ", "the file", "families", "nodes"];
                prop_assert!(places.iter().any(|place| error.starts_with(place)), "{}", error);
            }
        }
    }

    #[test]
    fn any_value_of_a_flag_is_taken_or_refused_with_its_place(value in any::<String>(), flag in "[a-z-]{1,16}") {
        let text = serde_json::json!({"nodes": {"one": {"gpu": {flag: value}}}}).to_string();
        if let Err(error) = Config::parse(&text) {
            prop_assert!(error.starts_with("nodes.one.gpu") || error.starts_with("no YAML: "), "{}", error);
        }
    }
}
