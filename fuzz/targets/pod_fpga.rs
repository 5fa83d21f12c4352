#![no_main]

use fpga_webhook::{AcceleratorFunction, FIELDS, FpgaRegion, Mappings, review};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use webhook::{Outcome, Request};

// `{"functions": [SPEC], "regions": [SPEC], "pod": POD}`: objects of a namespace, named f0, f1, r0, and a pod in it.
fuzz_target!(|content: &[u8]| {
    let Ok(case) = serde_json::from_slice::<Value>(content) else { return };
    let mappings = Mappings::default();
    mappings.replace(objects::<AcceleratorFunction>(&case["functions"], 'f'));
    mappings.replace(objects::<FpgaRegion>(&case["regions"], 'r'));
    assert_eq!(mappings.ready(), Ok(()));
    let decide = |pod: &Value| {
        let (operation, object) = ("CREATE".to_owned(), pod.clone());
        review(
            &mappings,
            Request {
                operation,
                subresource: String::new(),
                namespace: "default".to_owned(),
                object,
                old: Value::Null,
            },
        )
    };
    // Both read the same text: the JSON reader takes some long numbers for the one next to what is written.
    let text = case["pod"].to_string();
    let pod: Value = serde_json::from_str(&text).expect("it is JSON");
    let outcome = decide(&pod);
    let read = FIELDS.read(text.as_bytes()).expect("it is JSON");
    assert_eq!(decide(&read), outcome, "what is not read changes something");
    match outcome {
        Outcome::Allowed { patch, .. } => {
            let after = fuzz::apply(pod, &patch);
            match decide(&after) {
                Outcome::Allowed { patch, .. } => {
                    assert!(patch.is_empty(), "changed again: {after}: {patch:?}")
                }
                // What a readable name stands for need not be offered by its real name.
                Outcome::Refused { message } => assert!(!patch.is_empty(), "refused later: {message}"),
            }
        }
        Outcome::Refused { message } => assert!(!message.is_empty()),
    }
});

fn objects<O: serde::de::DeserializeOwned>(specs: &Value, letter: char) -> Vec<O> {
    let specs = specs.as_array().map(Vec::as_slice).unwrap_or_default();
    let object = |(number, spec): (usize, &Value)| {
        serde_json::from_value(json!({
            "apiVersion": "fpga.intel.com/v2",
            "kind": if letter == 'f' { "AcceleratorFunction" } else { "FpgaRegion" },
            "metadata": { "namespace": "default", "name": format!("{letter}{number}") },
            "spec": spec,
        }))
        .ok()
    };
    specs.iter().take(10).enumerate().filter_map(object).collect()
}
