//! Bodies that the API server and others send, and what they are answered.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    reason = "helpers of tests"
)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};
use webhook::review::{BadRequest, Kind, MAX_BODY, answer};
use webhook::{Document, Fields, Outcome, Pointer, Request};

fn review() -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "default",
            "operation": "CREATE",
            "object": {"metadata": {"name": "a"}, "spec": {"containers": []}},
            "oldObject": null,
            "dryRun": false,
            "unheardOf": {"a": [1]},
        },
    })
}

/// The review with something else at a place.
fn with(pointer: &str, value: Value) -> Value {
    let mut review = review();
    *review.pointer_mut(pointer).expect("the place is there") = value;
    review
}

fn ask(review: &Value, decide: impl FnOnce(Request) -> Outcome) -> Result<Value, BadRequest> {
    let answer = answer(review.to_string().as_bytes(), &Kind::pod(), Fields::All, decide)?;
    Ok(serde_json::from_slice(&answer).expect("the answer is JSON"))
}

fn not_asked(request: Request) -> Outcome {
    panic!("asked about {request:?}")
}

fn refused(review: &Value) -> (Value, String) {
    let mut answer = ask(review, not_asked).expect("it is answered by a review");
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["uid"], review["request"]["uid"]);
    let status = answer["response"]["status"].take();
    (status["code"].clone(), status["message"].as_str().expect("there is a message").to_owned())
}

#[test]
fn the_decision_is_made_on_the_object_as_it_was_sent() {
    let sent = with("/request/object", json!({"metadata": {}, "unheardOf": {"a": [null, 1.5]}}));
    ask(&sent, |request| {
        assert_eq!(
            request,
            Request {
                operation: "CREATE".to_owned(),
                subresource: String::new(),
                namespace: "default".to_owned(),
                object: sent["request"]["object"].clone(),
                old: Value::Null,
            }
        );
        Outcome::unchanged()
    })
    .unwrap();
}

#[test]
fn of_an_update_the_object_as_it_was_is_known() {
    let mut sent = with("/request/operation", json!("UPDATE"));
    sent["request"]["oldObject"] = json!({"metadata": {"name": "before"}});
    ask(&sent, |request| {
        assert_eq!(request.old, sent["request"]["oldObject"]);
        Outcome::unchanged()
    })
    .unwrap();
}

#[test]
fn an_object_that_stays_as_it_is_is_allowed_without_a_patch() {
    assert_eq!(
        ask(&review(), |_| Outcome::unchanged()).unwrap(),
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": true},
        })
    );
}

#[test]
fn changes_are_answered_as_a_json_patch_in_base64() {
    let mut answer = ask(&review(), |request| {
        let mut document = Document::new(request.object);
        document.push(&Pointer::root().key("spec").key("volumes"), json!({"name": "v"})).unwrap();
        Outcome::Allowed { patch: document.into_patch(), warnings: vec!["mind the gap".to_owned()] }
    })
    .unwrap();
    let patch = answer["response"]["patch"].take();
    let patch = STANDARD.decode(patch.as_str().unwrap()).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&patch).unwrap(),
        json!([{"op": "add", "path": "/spec/volumes", "value": [{"name": "v"}]}])
    );
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    assert_eq!(answer["response"]["warnings"], json!(["mind the gap"]));
    assert_eq!(answer["response"]["allowed"], true);
}

#[test]
fn a_refusal_says_why() {
    let answer = ask(&review(), |_| Outcome::Refused { message: "no".to_owned() }).unwrap();
    assert_eq!(
        answer["response"],
        json!({
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "allowed": false,
            "status": {"code": 403, "reason": "Forbidden", "message": "no"},
        })
    );
}

#[test]
fn a_deletion_is_allowed_without_asking() {
    let mut deletion = with("/request/operation", json!("DELETE"));
    deletion["request"]["object"] = Value::Null;
    assert_eq!(ask(&deletion, not_asked).unwrap()["response"]["allowed"], true);
}

#[test]
fn another_kind_of_object_is_refused() {
    for (pointer, value) in
        [("/request/kind/group", "apps"), ("/request/kind/version", "v2"), ("/request/kind/kind", "Service")]
    {
        let (code, message) = refused(&with(pointer, json!(value)));
        assert_eq!(code, 400);
        assert!(message.contains(value) && message.contains("\"Pod\" of core/v1"), "{message}");
    }
    assert_eq!(refused(&with("/request/kind", Value::Null)).0, 400);
}

#[test]
fn a_request_without_an_object_or_with_an_unknown_operation_is_refused() {
    for object in [Value::Null, json!("pod"), json!([])] {
        assert_eq!(
            refused(&with("/request/object", object)),
            (json!(400), "the request has no object".to_owned())
        );
    }
    let (code, message) = refused(&with("/request/operation", json!("PATCH")));
    assert_eq!((code, message.as_str()), (json!(400), "the request's operation \"PATCH\" is not known"));
}

#[test]
fn what_is_no_review_of_this_version_is_a_bad_request() {
    for (pointer, value) in [
        ("/apiVersion", json!("admission.k8s.io/v1beta1")),
        ("/apiVersion", Value::Null),
        ("/kind", json!("Pod")),
    ] {
        let error = ask(&with(pointer, value), not_asked).unwrap_err();
        assert!(matches!(error, BadRequest::NotAReview { .. }), "{error}");
        assert_eq!(error.status(), 400);
    }
    for body in [json!(null), json!([]), json!({}), json!("a")] {
        assert!(matches!(ask(&body, not_asked).unwrap_err(), BadRequest::NotAReview { .. }));
    }
}

#[test]
fn a_review_without_a_uid_is_a_bad_request() {
    for (pointer, value) in [
        ("/request/uid", json!("")),
        ("/request/uid", json!(7)),
        ("/request", Value::Null),
        ("/request", json!([])),
    ] {
        let error = ask(&with(pointer, value), not_asked).unwrap_err();
        assert!(matches!(error, BadRequest::NoUid), "{error}");
        assert_eq!(error.status(), 400);
    }
}

#[test]
fn bodies_that_are_no_json_or_too_deep_are_bad_requests() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for body in [&b""[..], b"{", b"{} {}", b"\xff", b"\0", deep.as_bytes()] {
        let error = answer(body, &Kind::pod(), Fields::All, not_asked).unwrap_err();
        assert!(matches!(error, BadRequest::NotJson(_)), "{error}");
        assert_eq!(error.status(), 400);
    }
}

#[test]
fn a_body_of_the_limit_is_read_and_a_byte_more_is_too_large() {
    let mut body = review().to_string().into_bytes();
    body.resize(MAX_BODY, b' ');
    assert!(answer(&body, &Kind::pod(), Fields::All, |_| Outcome::unchanged()).is_ok());
    body.push(b' ');
    let error = answer(&body, &Kind::pod(), Fields::All, not_asked).unwrap_err();
    assert_eq!(error.status(), 413);
    assert_eq!(error.to_string(), "the body has 4194305 bytes; no more than 4194304 are read");
}

#[test]
fn long_texts_are_cut_between_characters() {
    let long = "é".repeat(100_000);
    let cut = format!("{}…", "é".repeat(1000));
    let answer = ask(&review(), |_| Outcome::Refused { message: long.clone() }).unwrap();
    assert_eq!(answer["response"]["status"]["message"], json!(cut));
    let warnings = Outcome::Allowed { patch: webhook::Patch::default(), warnings: vec![long; 100] };
    let answer = ask(&review(), |_| warnings).unwrap();
    assert_eq!(answer["response"]["warnings"], json!(vec![cut; 10]));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i8>().prop_map(Value::from),
        "[a-zA-Z0-9/.]{0,6}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{0,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_answered_or_a_bad_request(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(answer(&body, &Kind::pod(), Fields::All, |_| Outcome::unchanged()).is_err());
    }

    #[test]
    fn a_review_with_anything_anywhere_is_answered_for_its_uid(
        place in prop::sample::select(vec![
            "/request/kind", "/request/kind/group", "/request/namespace", "/request/operation", "/request/object",
            "/request/dryRun", "/request/unheardOf", "/request/resource",
        ]),
        value in any_json(),
    ) {
        let review = with(place, value);
        let answer = ask(&review, |_| Outcome::unchanged()).unwrap();
        prop_assert_eq!(&answer["response"]["uid"], &review["request"]["uid"]);
        prop_assert!(answer["response"]["allowed"].is_boolean());
    }
}
