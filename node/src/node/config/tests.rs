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
        let found = flags(text, "any");
        assert_eq!(found.len(), FAMILIES.len(), "{text:?}");
        assert!(found.values().all(String::is_empty), "{text:?}: {found:?}");
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
    let text = "families: {gpu: {allow-ids: [0x56c0]}}";
    assert_eq!(
        error(text),
        "families.gpu: argument error: -allow-ids: \"22208\" is no PCI id such as 0x56c0"
    );
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
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
    for text in ["families: {gpu: true, gpu: false}", "families: {", "a: b: c"] {
        assert!(error(text).starts_with("no YAML: "), "{text}: {}", error(text));
    }
    assert!(error(&" ".repeat(MAX_BYTES + 1)).contains("longer than"));
}
