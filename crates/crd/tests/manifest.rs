//! What is made of a type that has every kind of field.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use crd::manifest;
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A thing.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Thing", status = "Status")]
#[serde(rename_all = "camelCase")]
struct ThingSpec {
    /// Its size.
    #[schemars(range(min = 1, max = 10))]
    size: i32,
    #[schemars(range(min = 0.5))]
    ratio: Option<f64>,
    colour: Option<Colour>,
    /// A field of the name of a keyword.
    nullable: Option<String>,
    parts: Option<Vec<Part>>,
    named: Option<std::collections::BTreeMap<String, Part>>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
enum Colour {
    Red,
    Green,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Part {
    count: Option<u8>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Status {
    ready: Option<bool>,
}

/// A thing of which nothing has to be said.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Loose")]
struct LooseSpec {
    size: Option<i32>,
}

fn read() -> Value {
    serde_saphyr::from_str(&manifest(&Thing::crd()).unwrap()).unwrap()
}

#[test]
fn fields_that_may_be_missing_may_not_be_null_and_whole_numbers_are_whole() {
    let part = json!({
        "type": "object",
        "properties": { "count": { "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255 } },
    });
    let expected = json!({
        "type": "object",
        "properties": {
            "size": { "description": "Its size.", "type": "integer", "format": "int32", "minimum": 1, "maximum": 10 },
            "ratio": { "type": "number", "format": "double", "minimum": 0.5 },
            "colour": { "type": "string", "enum": ["Red", "Green"] },
            "nullable": { "description": "A field of the name of a keyword.", "type": "string" },
            "parts": { "type": "array", "items": part },
            "named": { "type": "object", "additionalProperties": part },
        },
        "required": ["size"],
    });
    let mut spec = read()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone();
    assert!(spec.as_object_mut().unwrap().remove("description").is_some());
    assert_eq!(spec, expected);
    // As it is written, for 1.0 would be equal for a reader of numbers.
    let text = manifest(&Thing::crd()).unwrap();
    assert!(text.contains("minimum: 1\n") && text.contains("maximum: 255\n"), "{text}");
}

#[test]
fn what_every_object_has_is_in_the_schema() {
    let object = &read()["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    assert_eq!(object["properties"]["apiVersion"]["type"], "string");
    assert_eq!(object["properties"]["kind"]["type"], "string");
    assert_eq!(object["properties"]["metadata"], json!({ "type": "object" }));
    assert_eq!(object["required"], json!(["spec"]));
}

#[test]
fn the_spec_may_be_missing_where_all_of_it_may() {
    let loose: Value = serde_saphyr::from_str(&manifest(&Loose::crd()).unwrap()).unwrap();
    assert_eq!(loose["spec"]["versions"][0]["schema"]["openAPIV3Schema"].get("required"), None);
}

#[test]
fn what_says_nothing_is_left_out() {
    let definition = read();
    let names = json!({ "kind": "Thing", "listKind": "ThingList", "plural": "things", "singular": "thing" });
    assert_eq!(definition["spec"]["names"], names);
    let version = &definition["spec"]["versions"][0];
    assert_eq!(version.get("additionalPrinterColumns"), None);
    assert_eq!(version["subresources"], json!({ "status": {} }), "a status of its own says something");
}
