//! What the API server is answered about the operator's own objects: defaults, and what is wrong.

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
