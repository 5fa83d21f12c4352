//! The files of custom resource definitions, from Rust types.
//!
//! `kube`'s derive makes a schema for what Rust writes. What others write has to be accepted too, and what clusters have had
//! so far comes from Go's `controller-gen`, so [`manifest`] makes of it what that makes of the same fields.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Value, json};
use serde_saphyr::SerializeError;

/// Members of a definition that say nothing when they are empty.
const OPTIONAL: [&str; 4] = ["additionalPrinterColumns", "categories", "shortNames", "subresources"];

/// The definition as a YAML file.
pub fn manifest(definition: &CustomResourceDefinition) -> Result<String, SerializeError> {
    let mut definition = json!(definition);
    if let Some(names) = definition.pointer_mut("/spec/names").and_then(Value::as_object_mut) {
        without_empty(names);
        let list = names.get("kind").and_then(Value::as_str).map(|kind| format!("{kind}List"));
        names.entry("listKind").or_insert(json!(list));
    }
    for version in
        definition.pointer_mut("/spec/versions").and_then(Value::as_array_mut).into_iter().flatten()
    {
        if let Some(version) = version.as_object_mut() {
            without_empty(version);
        }
        if let Some(object) = version.pointer_mut("/schema/openAPIV3Schema").and_then(Value::as_object_mut) {
            plain(object);
            complete(object);
            let spec = object.get("properties").and_then(|all| all.get("spec"));
            // `kube` requires a spec even where nothing in it is required.
            if spec.is_none_or(|spec| spec.get("required").is_none()) {
                object.remove("required");
            }
        }
    }
    Ok(format!("---\n{}", serde_saphyr::to_string(&definition)?))
}

fn without_empty(map: &mut Map<String, Value>) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    map.retain(|name, value| !OPTIONAL.contains(&name.as_str()) || !is_empty(value));
}

/// A schema as Go's types have it: a field that may be missing may not be `null` instead (the API server drops it then), and
/// whole numbers are written as such.
fn plain(schema: &mut Map<String, Value>) {
    schema.remove("nullable");
    schema.remove("title");
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    for bound in ["minimum", "maximum", "multipleOf"] {
        if let Some(value) = schema.get_mut(bound) {
            *value = whole(value);
        }
    }
    for one in ["items", "additionalProperties"] {
        schema.get_mut(one).and_then(Value::as_object_mut).into_iter().for_each(plain);
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().filter_map(Value::as_object_mut).for_each(plain);
    }
}

/// The number without a fraction of nothing, as in `1.0`.
fn whole(number: &Value) -> Value {
    let text = number.to_string();
    let whole = text.strip_suffix(".0").and_then(|text| text.parse::<i64>().ok());
    whole.map_or_else(|| number.clone(), Value::from)
}

/// What every object has, which is no field of the type.
fn complete(object: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = object.get_mut("properties") else { return };
    let conventions = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";
    properties.insert(
        "apiVersion".to_owned(),
        json!({
            "description": format!("The API's group and version that this object is written in. {conventions}#resources"),
            "type": "string",
        }),
    );
    properties.insert(
        "kind".to_owned(),
        json!({
            "description": format!("What this object is. {conventions}#types-kinds"),
            "type": "string",
        }),
    );
    properties.insert("metadata".to_owned(), json!({ "type": "object" }));
}
