#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use webhook::review::{Kind, answer};
use webhook::{Document, Fields, Outcome, Pointer, Request};

/// A part of a review, in which are lists, too.
const PART: Fields<'_> = Fields::Only(&[
    ("kind", Fields::All),
    (
        "request",
        Fields::Only(&[(
            "object",
            Fields::Only(&[(
                "spec",
                Fields::Only(&[("containers", Fields::Only(&[("name", Fields::All)]))]),
            )]),
        )]),
    ),
]);

fuzz_target!(|body: &[u8]| {
    match answer(body, &Kind::pod(), Fields::All, decide) {
        Ok(answer) => {
            let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
            assert!(answer["response"]["uid"].as_str().is_some_and(|uid| !uid.is_empty()));
            assert!(answer["response"]["allowed"].is_boolean());
        }
        Err(bad) => assert!(matches!(bad.status(), 400 | 413) && bad.to_string().len() < 10_000, "{bad}"),
    }
    if let Ok(whole) = Fields::All.read(body) {
        assert_eq!(PART.read(body).expect("what is JSON as a whole is JSON in part"), part(PART, whole));
    }
});

/// Changes what it gets, at places that may be there or not.
fn decide(request: Request) -> Outcome {
    let mut object = Document::new(request.object);
    let spec = Pointer::root().key("spec");
    let _ = object.set(&spec.key("a").key("b"), "c".into());
    let _ = object.push(&spec.key("containers"), "d".into());
    object.remove(&Pointer::root(), "metadata");
    Outcome::Allowed { patch: object.into_patch(), warnings: vec![request.namespace] }
}

/// The part of a value that these fields are.
fn part(fields: Fields<'_>, value: Value) -> Value {
    match (fields, value) {
        (Fields::Only(members), Value::Object(map)) => map
            .into_iter()
            .filter_map(|(name, value)| {
                let (_, fields) = members.iter().find(|(wanted, _)| *wanted == name)?;
                Some((name, part(*fields, value)))
            })
            .collect(),
        (Fields::Only(_), Value::Array(list)) => list.into_iter().map(|value| part(fields, value)).collect(),
        (_, value) => value,
    }
}
