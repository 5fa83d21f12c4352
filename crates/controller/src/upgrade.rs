//! The images of an object after the operator was replaced itself.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{Family, IMAGE_VERSION, image};

/// An object's spec with other images.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Upgrade {
    /// All of it.
    pub(crate) spec: Value,
    /// The images only, as the fields of a merge patch of the object.
    pub(crate) patch: Map<String, Value>,
    /// What was replaced by what.
    pub(crate) said: String,
}

/// The other images that the operator wants in this spec, if there are any; see [`image::upgrade`]. `overrides` are environment
/// variables of the operator.
pub(crate) fn upgrade(
    family: &Family,
    spec: &Value,
    overrides: &BTreeMap<String, String>,
) -> Option<Upgrade> {
    let mut upgraded = spec.clone();
    let mut patch = Map::new();
    let mut said = Vec::new();
    for field in family.images {
        let Some(place) = upgraded.pointer_mut(field.pointer) else { continue };
        let old = place.as_str().unwrap_or_default().to_owned();
        let new = image::upgrade(&old, IMAGE_VERSION, |name| overrides.get(name).cloned());
        if let Some(new) = new {
            *place = new.clone().into();
            said.push(format!("{old} is {new} now"));
            set(&mut patch, field.pointer, new);
        }
    }
    (!said.is_empty()).then(|| Upgrade {
        spec: upgraded,
        patch: Map::from_iter([("spec".to_owned(), patch.into())]),
        said: said.join(", "),
    })
}

/// Sets a text at a JSON pointer, with the maps on the way.
fn set(map: &mut Map<String, Value>, pointer: &str, text: String) {
    match pointer.trim_start_matches('/').split_once('/') {
        None => {
            map.insert(pointer.trim_start_matches('/').to_owned(), text.into());
        }
        Some((first, rest)) => {
            let inside = map.entry(first).or_insert_with(|| json!({}));
            if let Value::Object(inside) = inside {
                set(inside, rest, text);
            }
        }
    }
}
