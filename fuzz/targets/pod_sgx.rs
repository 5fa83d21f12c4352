#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use sgx_webhook::{FIELDS, mutate};
use webhook::Outcome;

fuzz_target!(|content: &[u8]| {
    let Ok(pod) = serde_json::from_slice::<Value>(content) else { return };
    let outcome = mutate(pod.clone());
    assert_eq!(
        mutate(FIELDS.read(content).expect("it is JSON")),
        outcome,
        "what is not read changes something"
    );
    match outcome {
        Outcome::Allowed { patch, .. } => {
            let after = fuzz::apply(pod, &patch);
            let Outcome::Allowed { patch, .. } = mutate(after.clone()) else {
                panic!("refused once changed: {after}")
            };
            assert!(patch.is_empty(), "changed again: {after}: {patch:?}");
        }
        Outcome::Refused { message } => assert!(!message.is_empty()),
    }
});
