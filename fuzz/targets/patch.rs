#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use webhook::{Document, Pointer};

// A JSON document, a line's end, and changes, one a line: `+PATH` sets a value, `*PATH` adds one to a list, `-PATH` removes one. The
// patch that they give must do the same by another implementation of RFC 6902.
fuzz_target!(|text: &str| {
    let (document, changes) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(before) = serde_json::from_str::<Value>(document) else { return };
    let mut document = Document::new(before.clone());
    for (number, change) in changes.lines().take(20).enumerate() {
        let Some((what, path)) = change.split_at_checked(1) else { continue };
        let mut names = path.split('/');
        let last = names.next_back().unwrap_or_default();
        let above = names.fold(Pointer::root(), |place, name| match name.parse() {
            Ok(index) => place.index(index),
            Err(_) => place.key(name),
        });
        // What cannot be done must change nothing.
        match what {
            "+" => drop(document.set(&above.key(last), json!(number))),
            "*" => drop(document.push(&above.key(last), json!({ "added": number }))),
            "-" => document.remove(&above, last),
            _ => {}
        }
    }
    let after = document.value().clone();
    let patch = json!(document.into_patch());
    assert_eq!(
        serde_json::from_value::<json_patch::Patch>(patch.clone())
            .map(|other| {
                let mut value = before;
                json_patch::patch(&mut value, &other).unwrap_or_else(|error| panic!("{error}: {patch}"));
                value
            })
            .expect("it is a JSON patch"),
        after,
        "{patch}"
    );
});
