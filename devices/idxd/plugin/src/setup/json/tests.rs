use super::*;

fn value(text: &str) -> Value {
    parse(text).unwrap().value
}

fn error(text: &str) -> String {
    let SyntaxError { line, message } = parse(text).unwrap_err();
    format!("{line}: {message}")
}

#[test]
fn commas_before_brackets_and_comments_are_taken() {
    let plain = value(r#"{"a": [1, 2], "b": {"c": "d"}}"#);
    assert_eq!(value("{\"a\": [1, 2,], \"b\": {\"c\": \"d\",},}"), plain);
    assert_eq!(value("/* x */ {\"a\": /* , */ [1, 2], \"b\":\t{\"c\": \"d\"}}\n// end"), plain);
    assert_eq!(value("[]"), Value::List(Vec::new()));
    assert_eq!(value("{}"), Value::Table(Vec::new()));
}

#[test]
fn a_value_knows_its_line() {
    let Value::Table(entries) = value("{\n \"a\": 1,\n \"b\":\n  [\"x\"]\n}") else { panic!() };
    assert_eq!(entries[0].1, Node { line: 2, value: Value::Number("1".to_owned()) });
    assert_eq!(entries[1].1.line, 4);
}

#[test]
fn texts_are_unescaped() {
    assert_eq!(value(r#""a\"\\\/\b\f\n\r\t\u00e9ü""#), Value::Text("a\"\\/\u{8}\u{c}\n\r\téü".to_owned()));
    assert_eq!(value("[true, false, null]"), value("[true,false,null,]"));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let cases = [
        ("", "1: expected a value but the file ends"),
        ("\n\n ]", "3: expected a value but found `]`"),
        ("[1\n 2]", "2: expected `,` or `]` but found `2`"),
        ("[1,\n", "2: expected a value but the file ends"),
        ("[,]", "1: expected a value but found `,`"),
        ("{\"a\" 1}", "1: expected `:` after the key \"a\""),
        ("{a: 1}", "1: expected a key in quotes or `}` but found `a`"),
        ("{\"a\": 1,\n\"a\": 2}", "2: the key \"a\" is given twice"),
        ("[yes]", "1: `yes` needs quotes"),
        ("[-]", "1: `-` is no number"),
        ("[\"a\n\"]", "2: a text has no closing quote in its line"),
        ("[\"\\q\"]", "1: `\\` begins nothing that JSON knows"),
        ("[\"\\u12g4\"]", "1: `\\u` needs four digits"),
        ("[\"\\ud800\"]", "1: `\\ud800` is no character"),
        ("\n/* a\n", "2: this comment has no end"),
        ("[1] x", "1: expected the end of the file but found `x`"),
        ("[ / ]", "1: `/` begins nothing here"),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), expected, "{text:?}");
    }
    assert_eq!(error(&"[".repeat(100_000)), "1: more than 16 brackets are open");
}

fn plain(node: Node) -> serde_json::Value {
    match node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(yes) => yes.into(),
        Value::Number(text) => serde_json::Value::Number(text.parse().unwrap()),
        Value::Text(text) => text.into(),
        Value::List(nodes) => nodes.into_iter().map(plain).collect(),
        Value::Table(entries) => entries.into_iter().map(|(key, node)| (key, plain(node))).collect(),
    }
}

#[test]
fn plain_json_is_read_as_by_others() {
    let odd = r#"{"": [], "a": [[], {}, [null, true], -1, 0, 18446744073709551615, "\\\"/ü\u00fc"], "b": {"a": 1}}"#;
    for text in [include_str!("../dsa.conf"), include_str!("../iaa.conf"), odd] {
        let expected: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(plain(parse(text).unwrap()), expected);
    }
}
