//! Parts of documents.
#![expect(clippy::expect_used, reason = "helpers of tests")]

use proptest::prelude::*;
use serde_json::{Value, json};
use webhook::Fields;

const ALL: Fields<'_> = Fields::All;

const POD: Fields<'_> = Fields::Only(&[
    ("metadata", Fields::Only(&[("annotations", ALL)])),
    ("containers", Fields::Only(&[("name", ALL), ("env", Fields::Only(&[("name", ALL)]))])),
]);

fn read(fields: Fields<'_>, json: &str) -> Value {
    fields.read(json.as_bytes()).expect("it is JSON")
}

#[test]
fn members_that_are_named_are_read_and_others_are_not() {
    let pod = json!({
        "kind": "Pod",
        "metadata": { "name": "a", "annotations": { "b": [1, { "c": null }] } },
        "containers": [{ "name": "a", "env": [{ "name": "A", "value": "1" }, {}], "image": "i" }, { "image": "j" }],
    });
    assert_eq!(
        read(POD, &pod.to_string()),
        json!({
            "metadata": { "annotations": { "b": [1, { "c": null }] } },
            "containers": [{ "name": "a", "env": [{ "name": "A" }, {}] }, {}],
        })
    );
    assert_eq!(read(ALL, &pod.to_string()), pod);
}

#[test]
fn what_is_neither_a_map_nor_a_list_is_read_as_it_is() {
    for value in
        [json!(null), json!(true), json!("a\n"), json!(7), json!(-7), json!(1.5), json!([1, "a", null])]
    {
        assert_eq!(read(POD, &value.to_string()), value);
        assert_eq!(read(POD, &json!({ "metadata": value }).to_string()), json!({ "metadata": value }));
    }
}

#[test]
fn names_are_known_whatever_their_escapes() {
    assert_eq!(read(POD, r#"{"\u006detadata": 1}"#), json!({ "metadata": 1 }));
}

#[test]
fn of_members_with_the_same_name_the_last_counts() {
    assert_eq!(
        read(
            POD,
            r#"{"containers": [1], "metadata": {"annotations": 1, "annotations": 2}, "containers": []}"#
        ),
        json!({ "metadata": { "annotations": 2 }, "containers": [] })
    );
}

#[test]
fn what_is_not_read_must_be_json_all_the_same() {
    for json in
        [r#"{"a": }"#, r#"{"a": "}"#, r#"{"a": [1,]}"#, r#"{"a": 01}"#, r#"{"a": 1} 2"#, "{\"a\": \"\n\"}"]
    {
        assert!(POD.read(json.as_bytes()).is_err(), "{json}");
    }
}

#[test]
fn depth_has_a_limit_where_it_is_read_and_does_no_harm_where_it_is_not() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(POD.read(nested(127).as_bytes()).is_ok());
    assert!(POD.read(nested(128).as_bytes()).is_err());
    for place in ["metadata", "containers"] {
        assert!(POD.read(format!(r#"{{"{place}": {}}}"#, nested(200_000)).as_bytes()).is_err());
    }
    assert_eq!(read(POD, &format!(r#"{{"spec": {}}}"#, nested(200_000))), json!({}));
}

proptest! {
    #[test]
    fn what_is_read_is_a_part_of_the_whole(text in r#"([\[\]{}:,0a" ]|"metadata":|"containers":|"name":|"env":){0,24}"#) {
        if let Ok(part) = POD.read(text.as_bytes()) {
            let whole = read(ALL, &text);
            prop_assert!(is_part(&part, &whole), "{part} of {whole}");
        }
    }
}

fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|whole| is_part(value, whole)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| is_part(part, whole))
        }
        _ => part == whole,
    }
}
