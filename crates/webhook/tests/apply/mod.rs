//! RFC 6902 from the outside: applies the JSON of a patch, and panics where the RFC has an error.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

use serde_json::Value;

/// The document after the patch.
pub(crate) fn apply(mut document: Value, patch: &Value) -> Value {
    for operation in patch.as_array().expect("a patch is a list") {
        let place = operation["path"].as_str().expect("an operation has a path");
        let value = operation.get("value").cloned();
        let Some((parent, last)) = place.rsplit_once('/') else {
            assert_eq!(operation["op"], "replace", "{operation}");
            document = value.expect("replace has a value");
            continue;
        };
        let last = last.replace("~1", "/").replace("~0", "~");
        let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("no parent: {operation}"));
        match (operation["op"].as_str().unwrap(), parent) {
            ("add", Value::Object(map)) => drop(map.insert(last, value.unwrap())),
            ("replace", Value::Object(map)) => {
                map.insert(last, value.unwrap()).expect("replace finds a value");
            }
            ("remove", Value::Object(map)) => drop(map.remove(&last).expect("remove finds a value")),
            ("add", Value::Array(elements)) => elements.insert(last.parse().unwrap(), value.unwrap()),
            ("remove", Value::Array(elements)) => drop(elements.remove(last.parse().unwrap())),
            ("replace", Value::Array(elements)) => elements[last.parse::<usize>().unwrap()] = value.unwrap(),
            (_, parent) => panic!("{operation} in {parent}"),
        }
    }
    document
}
