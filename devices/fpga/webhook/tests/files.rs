//! The files in `deployments/fpga_admissionwebhook` that come from this crate, or are read by it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use fpga_webhook::{AcceleratorFunction, FpgaRegion, Kind, Object};
use serde_json::{Value, json};
use simulator::golden;

const FOLDER: &str = "../../../deployments/fpga_admissionwebhook";

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

#[test]
fn the_definitions_are_those_of_the_types() {
    for definition in fpga_webhook::definitions() {
        let name = &definition.spec.names.plural;
        let text = crd::manifest(&definition).unwrap();
        golden(format!("{FOLDER}/crd/bases/fpga.intel.com_{name}.yaml"), &text);
    }
}

/// Without what is for people.
fn without_descriptions(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            map.retain(|name, value| name != "description" || !value.is_string());
            map.values_mut().for_each(|value| *value = without_descriptions(value.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| *value = without_descriptions(value.take())),
        _ => {}
    }
    value
}

#[test]
fn clusters_see_the_resources_that_they_have_had_so_far_but_for_the_pattern_of_modes() {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    let interface = text("^[0-9a-f]{8,32}$");
    let function =
        json!({ "afuId": text("^[0-9a-f]{8,40}$"), "interfaceId": interface, "mode": text("^(af|region)$") });
    for (definition, kind, short, fields, required) in [
        (0, "AcceleratorFunction", "af", function, json!(["afuId", "interfaceId", "mode"])),
        (1, "FpgaRegion", "fpga", json!({ "interfaceId": interface }), json!(["interfaceId"])),
    ] {
        let singular = kind.to_lowercase();
        let expected = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{singular}s.fpga.intel.com") },
            "spec": {
                "group": "fpga.intel.com",
                "names": {
                    "kind": kind,
                    "listKind": format!("{kind}List"),
                    "plural": format!("{singular}s"),
                    "shortNames": [short],
                    "singular": singular,
                },
                "scope": "Namespaced",
                "versions": [{
                    "name": "v2",
                    "schema": { "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "apiVersion": { "type": "string" },
                            "kind": { "type": "string" },
                            "metadata": { "type": "object" },
                            "spec": { "type": "object", "properties": fields, "required": required },
                            "status": { "type": "object" },
                        },
                        "required": ["spec"],
                    }},
                    "served": true,
                    "storage": true,
                }],
            },
        });
        let found = documents(&crd::manifest(&fpga_webhook::definitions()[definition]).unwrap());
        assert_eq!(without_descriptions(found[0].clone()), expected);
    }
}

#[test]
fn every_object_of_the_collection_has_a_meaning() {
    let text = std::fs::read_to_string(format!("{FOLDER}/mappings-collection.yaml")).unwrap();
    let mut found = BTreeMap::new();
    for document in documents(&text) {
        assert_eq!(document["apiVersion"], "fpga.intel.com/v2");
        let name = document["metadata"]["name"].as_str().unwrap().to_owned();
        let (kind, mapping) = match document["kind"].as_str().unwrap() {
            "AcceleratorFunction" => {
                let object: AcceleratorFunction = serde_json::from_value(document).unwrap();
                (Kind::AcceleratorFunction, object.mapping())
            }
            _ => (Kind::FpgaRegion, serde_json::from_value::<FpgaRegion>(document).unwrap().mapping()),
        };
        let mapping = mapping.unwrap();
        let expected = match name.rsplit_once('-').map_or("", |(_, last)| last) {
            "orchestrated" => "region",
            "preprogrammed" => "af",
            _ => "regiondevel",
        };
        assert_eq!(mapping.mode().to_string(), expected, "{name}");
        assert_eq!(found.insert(name.clone(), (kind, mapping.target())), None, "{name} is there twice");
    }
    let of = |kind| found.values().filter(|(its, _)| *its == kind).count();
    assert_eq!((of(Kind::FpgaRegion), of(Kind::AcceleratorFunction)), (4, 17));
    let target = |name: &str| found[name].1.as_str();
    assert_eq!(target("d5005-nlb3-preprogrammed"), "af-bfa.f7d.v6xNhR7oVv6MlYZc4buqLfffQFy9es9yIvFEsLk6zRg");
    for name in ["arria10.dcp1.0", "arria10.dcp1.0-nlb0-orchestrated"] {
        assert_eq!(target(name), "region-ce48969398f05f33946d560708be108a");
    }
}

/// The same objects with the Go implementation's file: names, ids and modes.
#[test]
fn the_collection_has_names_for_both_functions_of_every_card() {
    let text = std::fs::read_to_string(format!("{FOLDER}/mappings-collection.yaml")).unwrap();
    for card in ["arria10.dcp1.0", "arria10.dcp1.1", "arria10.dcp1.2", "d5005"] {
        for name in
            ["", "-nlb0-orchestrated", "-nlb0-preprogrammed", "-nlb3-orchestrated", "-nlb3-preprogrammed"]
        {
            assert!(text.contains(&format!("\n  name: {card}{name}\n")), "{card}{name}");
        }
    }
}

/// Where the Go implementation has it a second time.
#[test]
fn the_collection_is_among_the_operators_samples() {
    let text = std::fs::read_to_string(format!("{FOLDER}/mappings-collection.yaml")).unwrap();
    golden(format!("{FOLDER}/../operator/samples/mappings-collection.yaml"), &text);
}
