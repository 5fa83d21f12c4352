//! Parts of texts that kustomize copies from other objects.

use serde_json::Value;

use super::{at, list, text};

/// Does what a file of `replacements` says.
pub(crate) fn replace(objects: &mut [Value], replacements: &Value) {
    for replacement in list(replacements) {
        let source = &replacement["source"];
        let mut values = Vec::new();
        // The name is the one before there was a prefix.
        let name = source["name"].as_str().unwrap_or_default();
        let is_source = |object: &&mut Value| {
            object["kind"] == source["kind"] && text(&object["metadata"]["name"]).ends_with(name)
        };
        for object in objects.iter_mut().filter(is_source) {
            at(object, fields(text(&source["fieldPath"])), &mut |value| values.push(text(value).to_owned()));
        }
        let [value] = values.as_slice() else { panic!("{source} is {values:?}: it must be one text") };
        for target in list(&replacement["targets"]) {
            copy(objects, target, value);
        }
    }
}

/// Puts the value in the place of one part of each text that the target selects.
fn copy(objects: &mut [Value], target: &Value, value: &str) {
    let (delimiter, index) = (text(&target["options"]["delimiter"]), &target["options"]["index"]);
    let index = usize::try_from(index.as_u64().unwrap()).unwrap();
    let mut copies = 0;
    for object in objects.iter_mut().filter(|object| object["kind"] == target["select"]["kind"]) {
        for path in list(&target["fieldPaths"]) {
            at(object, fields(text(path)), &mut |field| {
                let mut parts: Vec<&str> = text(field).split(delimiter).collect();
                parts[index] = value;
                *field = parts.join(delimiter).into();
                copies += 1;
            });
        }
    }
    assert_ne!(copies, 0, "{target} is nowhere");
}

/// The fields of a path: `metadata.annotations.[example.com/name]`.
fn fields(path: &str) -> impl Iterator<Item = &str> + Clone {
    let (plain, bracketed) = path.split_once(".[").unwrap_or((path, ""));
    plain.split('.').chain(bracketed.strip_suffix(']'))
}
