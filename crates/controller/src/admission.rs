//! What the API server is answered about the operator's own objects: defaults, and what is wrong.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Family, SpecError, image};

/// The spec's default for an empty image, if it is empty. What is no text is left to the schema, which refuses it.
pub fn default_image(family: &Family, spec: &Value) -> Option<String> {
    let is_empty = match spec.get("image") {
        None | Some(Value::Null) => true,
        Some(image) => image.as_str() == Some(""),
    };
    is_empty.then(|| family.default_image())
}

/// Why an object with this spec is refused, if it is.
pub fn refusal(family: &Family, spec: &Value) -> Option<String> {
    let refused = family.check(spec).err().map(|error| match &error {
        SpecError::Spec(cause) => format!("{error}: {cause}"),
        _ => error.to_string(),
    });
    refused.or_else(|| {
        family.images.iter().find_map(|field| {
            let image = spec.pointer(field.pointer).and_then(Value::as_str).unwrap_or_default();
            if !field.is_checked || (image.is_empty() && !field.is_required) {
                return None;
            }
            let error = image::check(image, field.names, crate::IMAGE_VERSION).err()?;
            Some(format!("spec{}: {error}", field.pointer.replace('/', ".")))
        })
    })
}

/// What an update of a spec changes of what nodes offer, for the one who makes it: as far as the plugin's flags alone tell.
pub fn warnings(family: &Family, old: &Value, new: &Value) -> Vec<String> {
    let (Ok(old), Ok(new)) = (family.args(old), family.args(new)) else { return Vec::new() };
    let changes = family.offering.iter().filter_map(|(flag, default)| {
        let [before, after] = [&old, &new].map(|args| given(args, flag).unwrap_or(default));
        (set(before) != set(after)).then(|| {
            let [before, after] = [before, after].map(|value| if value.is_empty() { "nothing" } else { value });
            format!(
                "the plugin's {flag} changes from {before} to {after}: nodes will offer other devices, and pods that have one which goes \
                 keep it until their node boots; on a node, `intel-device-plugins plan` shows which"
            )
        })
    });
    changes.collect()
}

/// The value of a flag among arguments.
fn given<'a>(args: &'a [String], flag: &str) -> Option<&'a str> {
    let mut words = args.iter().map(String::as_str).skip_while(|word| word.split('=').next() != Some(flag));
    let word = words.next()?;
    Some(match word.split_once('=') {
        Some((_, value)) => value,
        None => words.next().filter(|word| !word.starts_with('-')).unwrap_or("true"),
    })
}

/// The order of a list does not matter.
fn set(list: &str) -> BTreeSet<&str> {
    list.split(',').collect()
}
