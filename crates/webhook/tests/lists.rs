//! Patches of the elements of lists.

use serde_json::{Value, json};
use webhook::patch::PatchError;
use webhook::{Document, Pointer};

mod apply;

fn list() -> Pointer {
    Pointer::root().key("a").key("list")
}

/// The patch of some changes, which makes of the document what the changes made of it.
#[track_caller]
fn patch(before: Value, change: impl FnOnce(&mut Document)) -> Value {
    let mut document = Document::new(before.clone());
    change(&mut document);
    let after = document.value().clone();
    let patch = json!(document.into_patch());
    assert_eq!(apply::apply(before, &patch), after);
    patch
}

#[test]
fn values_are_put_before_all_others_in_their_order() {
    let patch = patch(json!({ "a": { "list": [1] } }), |document| {
        document.put_first(&list(), vec![json!("x"), json!("y")]).unwrap();
        assert_eq!(document.value()["a"]["list"], json!(["x", "y", 1]));
    });
    let expected = json!([
        { "op": "add", "path": "/a/list/0", "value": "x" },
        { "op": "add", "path": "/a/list/1", "value": "y" },
    ]);
    assert_eq!(patch, expected);
}

#[test]
fn a_list_that_is_missing_is_made_in_one_operation() {
    for (before, expected) in [
        (json!({}), json!([{ "op": "add", "path": "/a", "value": { "list": [1, 2] } }])),
        (json!({ "a": {} }), json!([{ "op": "add", "path": "/a/list", "value": [1, 2] }])),
        (json!({ "a": { "list": null } }), json!([{ "op": "add", "path": "/a/list", "value": [1, 2] }])),
    ] {
        let patch = patch(before, |document| {
            document.put_first(&list(), vec![json!(1), json!(2)]).unwrap();
        });
        assert_eq!(patch, expected);
    }
}

#[test]
fn no_values_change_nothing() {
    for before in [json!({}), json!({ "a": { "list": [1] } }), json!({ "a": { "list": "x" } })] {
        assert_eq!(patch(before, |document| document.put_first(&list(), vec![]).unwrap()), json!([]));
    }
}

#[test]
fn what_is_no_list_takes_no_elements() {
    let mut document = Document::new(json!({ "a": { "list": "x" } }));
    assert_eq!(document.put_first(&list(), vec![json!(1)]), Err(PatchError::NotAList(list())));
    document.retain(&list(), |_| false);
    document.retain(&Pointer::root(), |_| false);
    assert!(document.into_patch().is_empty());
}

#[test]
fn elements_that_go_are_named_as_they_stand_when_their_turn_comes() {
    let patch = patch(json!({ "a": { "list": [0, 1, 2, 3, 4, 5] } }), |document| {
        document.retain(&list(), |element| element.as_u64().is_some_and(|number| number % 3 == 1));
        assert_eq!(document.value()["a"]["list"], json!([1, 4]));
    });
    let removed = |number: usize| json!({ "op": "remove", "path": format!("/a/list/{number}") });
    assert_eq!(patch, json!([removed(0), removed(1), removed(1), removed(2)]));
}

#[test]
fn elements_that_all_stay_are_in_no_operation() {
    let before = json!({ "a": { "list": [0, null] } });
    assert_eq!(patch(before, |document| document.retain(&list(), |_| true)), json!([]));
}
