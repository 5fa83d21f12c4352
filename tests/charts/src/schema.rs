//! The file `values.schema.json` of a chart: which values there are, and what they may be. What is a field of the custom resource
//! may be what that may be.

use serde_json::{Map, Value, json};

use crate::{Entry, FAMILIES, OPERATOR, UMBRELLA, values, yaml};

/// Values that are fields of the custom resource under another name.
const RENAMED: [(&str, &str); 1] = [("allocationPolicy", "preferredAllocationPolicy")];

/// The schema of a chart's values, in draft 7 of JSON Schema.
pub fn schema(chart: &str) -> Value {
    let fields = match chart.strip_suffix("-device-plugin") {
        Some(family) => fields(family),
        None => Value::Null,
    };
    let mut properties = Map::new();
    for entry in values(chart) {
        let mut schema = match &entry.default {
            None => json!({"type": "object", "properties": {}, "additionalProperties": false}),
            Some(default) => of_value(chart, &entry, default, &fields),
        };
        if !entry.description.is_empty() {
            schema["description"] = json!(entry.description);
        }
        if chart == UMBRELLA && entry.path.len() == 1 {
            // The rest is in the schemas of those charts.
            schema["additionalProperties"] = json!(true);
        }
        let (last, groups) = entry.path.split_last().unwrap();
        let place = groups
            .iter()
            .fold(&mut properties, |place, name| place[name]["properties"].as_object_mut().unwrap());
        place.insert(last.clone(), schema);
    }
    properties.insert("global".to_owned(), json!({"type": "object"}));
    if chart == UMBRELLA {
        properties.insert("tags".to_owned(), json!({"type": "object"}));
    } else {
        let description = "Set by a chart that has this one, to leave it out.";
        properties.insert("enabled".to_owned(), json!({"type": "boolean", "description": description}));
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

/// The fields of a family's custom resource.
fn fields(family: &str) -> Value {
    let file = format!("deployments/operator/crd/bases/deviceplugin.intel.com_{family}deviceplugins.yaml");
    yaml(&file)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        .clone()
}

fn of_value(chart: &str, entry: &Entry, default: &Value, fields: &Value) -> Value {
    let path = entry.path.join(".");
    let renamed = RENAMED.iter().find(|(value, _)| *value == path);
    let field = &fields[renamed.map_or(path.as_str(), |(_, field)| field)];
    if field.is_object() {
        let name = entry.path.last().unwrap();
        return of_field(field, default).unwrap_or_else(|| panic!("{chart}: the schema of {name}"));
    }
    let path_there = match chart {
        OPERATOR => Some(path.as_str()),
        UMBRELLA => path.strip_prefix("operator."),
        _ => None,
    };
    if let Some(schema) = path_there.and_then(of_operator) {
        return schema;
    }
    match default {
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(_) => json!({"type": "integer", "minimum": 1}),
        Value::Array(_) => json!({"type": ["array", "null"]}),
        Value::Object(_) if path == "annotations" => texts(),
        Value::Object(_) => json!({"type": ["object", "null"]}),
        _ => json!({"type": "string"}),
    }
}

fn of_field(field: &Value, default: &Value) -> Option<Value> {
    let mut schema = strict(field);
    let empty = match default {
        Value::String(text) if text.is_empty() => json!(""),
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Object(_) => Value::Null,
        _ => return Some(schema),
    };
    if let Some(choices) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        choices.push(empty);
    } else if empty.is_null() {
        // As an empty mapping says nothing, what else would be needed in it is not.
        let kind = schema["type"].take();
        let required = schema.as_object_mut()?.remove("required");
        schema["type"] = json!([kind, "null"]);
        if let Some(required) = required {
            schema["anyOf"] = json!([{"maxProperties": 0}, {"required": required}]);
        }
    }
    Some(schema)
}

/// The part of a custom resource's schema that JSON Schema has, too; unknown fields are errors.
fn strict(field: &Value) -> Value {
    let mut schema = Map::new();
    for (key, value) in field.as_object().unwrap() {
        let value = match key.as_str() {
            "properties" => {
                schema.insert("additionalProperties".to_owned(), json!(false));
                let properties = value.as_object().unwrap().iter();
                properties.map(|(name, field)| (name.clone(), strict(field))).collect()
            }
            "items" | "additionalProperties" => strict(value),
            "type" | "description" | "enum" | "minimum" | "maximum" | "required" => value.clone(),
            "x-kubernetes-int-or-string" => {
                schema.insert("type".to_owned(), json!(["integer", "string"]));
                continue;
            }
            // A default is the API server's, formats and rules are not in JSON Schema.
            "default" | "format" | "x-kubernetes-validations" => continue,
            other => panic!("{other} of a custom resource's schema is new"),
        };
        schema.insert(key.clone(), value);
    }
    Value::Object(schema)
}

/// Values of the operator's chart that are more than their type says.
fn of_operator(path: &str) -> Option<Value> {
    let one_of = |choices: Value| Some(json!({"enum": choices}));
    match path {
        "nodeSelector" => Some(texts()),
        "manager.image.pullPolicy" => one_of(json!(["Always", "IfNotPresent", "Never"])),
        "manager.devices" => {
            let devices = FAMILIES.map(|family| (family.to_owned(), json!({"type": "boolean"})));
            let devices: Map<String, Value> = devices.into_iter().collect();
            Some(json!({"type": ["object", "null"], "properties": devices, "additionalProperties": false}))
        }
        "controllerExtraArgs" => {
            Some(json!({"type": ["string", "array", "null"], "items": {"type": "string"}}))
        }
        "resources" | "tolerations" => of_field(&fields("gpu")[path], &json!([])),
        "certificates" => one_of(json!(["self", "cert-manager", "openshift"])),
        "webhooks.failurePolicy" => one_of(json!(["Fail", "Ignore"])),
        "crds.install" => one_of(json!([true, false, "onUpgrade"])),
        _ => None,
    }
}

/// A mapping of texts to texts.
fn texts() -> Value {
    json!({"type": ["object", "null"], "additionalProperties": {"type": "string"}})
}
