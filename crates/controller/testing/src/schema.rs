//! What a definition says of its fields, in a line each.

use controller::{DevicePlugin, Family, definition};
use serde_json::{Value, json};

/// The fields of every kind's spec.
const COMMON: [(&str, &str); 10] = [
    ("env", r#"[{name*: string, value: string = ""}]"#),
    ("image", "string"),
    ("imagePullPolicy", "Always|IfNotPresent|Never"),
    ("imagePullSecrets", "[{name*: string}]"),
    ("logLevel", "integer from 0"),
    ("metrics", "{port*: integer from 1 to 65535}"),
    ("nodeSelector", "map of string"),
    ("priorityClassName", "string"),
    ("resources", "{limits: map of integer or string, requests: map of integer or string}"),
    (
        "tolerations",
        "[{effect: string, key: string, operator: string, tolerationSeconds: integer, value: string}]",
    ),
];

/// The fields of every kind's status.
const STATUS: &str = "{conditions: [{lastTransitionTime*: string, message*: string, observedGeneration: integer, reason*: string, \
    status*: string, type*: string}], controlledDaemonSet: atomic {apiVersion: string, fieldPath: string, kind: string, name: \
    string, namespace: string, resourceVersion: string, uid: string}, desiredNumberScheduled*: integer, nodeNames: [string], \
    numberReady*: integer, observedGeneration: integer, resources: [{devices*: integer, name*: string, nodes*: integer, reasons: [string], unhealthy*: integer, unhealthyNodes: [string]}]}";

/// Checks that a kind is defined as the Go implementation's, its spec having the fields of all kinds and these, and no other: name
/// and shape, such as `("sharedDevNum", "integer from 1")`, `("mode", "af|region")`, `("parts", "[string]")`. A star marks what may
/// not be missing in an object; a default follows an equals sign.
#[track_caller]
pub fn check_schema<P: DevicePlugin>(own: &[(&str, &str)]) {
    let family = Family::of::<P>();
    let definition: Value = serde_saphyr::from_str(&crd::manifest(&definition::<P>()).unwrap()).unwrap();
    let spec = &definition["spec"];
    assert_eq!(definition["metadata"]["name"], format!("{}.deviceplugin.intel.com", family.plural()));
    assert_eq!(spec["scope"], "Cluster");
    let kind = family.kind();
    let names = json!({ "kind": kind, "listKind": format!("{kind}List"), "plural": family.plural(), "singular": kind.to_lowercase() });
    assert_eq!(spec["names"], names);

    let [version] = spec["versions"].as_array().unwrap().as_slice() else { panic!("not one version") };
    assert_eq!(
        (&version["name"], &version["served"], &version["storage"]),
        (&json!("v1"), &json!(true), &json!(true))
    );
    assert_eq!(version["subresources"], json!({ "status": {} }));
    let columns = json!([
        { "name": "Desired", "type": "integer", "jsonPath": ".status.desiredNumberScheduled" },
        { "name": "Ready", "type": "integer", "jsonPath": ".status.numberReady" },
        { "name": "Node Selector", "type": "string", "jsonPath": ".spec.nodeSelector" },
        { "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" },
    ]);
    assert_eq!(version["additionalPrinterColumns"], columns);

    let object = &version["schema"]["openAPIV3Schema"];
    assert_eq!(object["required"], Value::Null, "an object without a spec is one");
    assert_eq!(shape(&object["properties"]["status"]), STATUS);
    let mut expected: Vec<String> =
        COMMON.iter().chain(own).map(|(name, shape)| format!("{name}: {shape}")).collect();
    expected.sort();
    assert_eq!(fields(&object["properties"]["spec"]), expected);
}

fn shape(schema: &Value) -> String {
    let mut text = match (&schema["type"], &schema["enum"]) {
        (_, Value::Array(values)) => {
            values.iter().map(|value| value.as_str().unwrap()).collect::<Vec<_>>().join("|")
        }
        (Value::String(kind), _) if kind == "array" => format!("[{}]", shape(&schema["items"])),
        (Value::String(kind), _) if kind == "object" => match &schema["additionalProperties"] {
            Value::Null => format!("{{{}}}", fields(schema).join(", ")),
            values => format!("map of {}", shape(values)),
        },
        (Value::String(kind), _) => kind.clone(),
        _ if schema["x-kubernetes-int-or-string"] == json!(true) => "integer or string".to_owned(),
        _ => panic!("{schema}"),
    };
    for (bound, word) in [("minimum", "from"), ("maximum", "to")] {
        if let Some(value) = schema.get(bound) {
            text += &format!(" {word} {value}");
        }
    }
    if let Some(value) = schema.get("default") {
        text += &format!(" = {value}");
    }
    match schema.get("x-kubernetes-map-type") {
        Some(kind) => format!("{} {text}", kind.as_str().unwrap()),
        None => text,
    }
}

/// Name and shape of each field, by name.
fn fields(schema: &Value) -> Vec<String> {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut fields: Vec<String> = properties
        .map(|(name, field)| {
            let star = if required.contains(&json!(name)) { "*" } else { "" };
            format!("{name}{star}: {}", shape(field))
        })
        .collect();
    fields.sort();
    fields
}
