//! Changes and the patch that they make.

use proptest::prelude::*;
use serde_json::{Value, json};
use webhook::patch::PatchError;
use webhook::{Document, Pointer};

mod apply;

fn at(steps: &[&str]) -> Pointer {
    steps.iter().fold(Pointer::root(), |pointer, step| pointer.key(step))
}

fn operations(document: Document) -> Value {
    json!(document.into_patch())
}

#[test]
fn a_new_member_is_added_and_another_value_replaces() {
    let mut document = Document::new(json!({"limits": {"cpu": "1"}}));
    document.set(&at(&["limits", "memory"]), json!("1Mi")).unwrap();
    document.set(&at(&["limits", "cpu"]), json!("2")).unwrap();
    assert_eq!(document.value(), &json!({"limits": {"cpu": "2", "memory": "1Mi"}}));
    assert_eq!(
        operations(document),
        json!([
            {"op": "add", "path": "/limits/memory", "value": "1Mi"},
            {"op": "replace", "path": "/limits/cpu", "value": "2"},
        ])
    );
}

#[test]
fn what_has_the_value_already_is_in_no_operation() {
    let mut document = Document::new(json!({"a": {"b": [1]}}));
    document.set(&at(&["a", "b"]), json!([1])).unwrap();
    document.remove(&at(&["a"]), "c");
    document.remove(&at(&["x", "y"]), "c");
    assert_eq!(operations(document), json!([]));
}

#[test]
fn missing_maps_are_made_in_the_same_operation() {
    for spec in [json!({}), json!({"resources": null})] {
        let mut document = Document::new(spec);
        document.set(&at(&["resources", "limits", "cpu"]), json!("1")).unwrap();
        document.set(&at(&["resources", "limits", "memory"]), json!("1Mi")).unwrap();
        assert_eq!(
            operations(document),
            json!([
                {"op": "add", "path": "/resources", "value": {"limits": {"cpu": "1"}}},
                {"op": "add", "path": "/resources/limits/memory", "value": "1Mi"},
            ])
        );
    }
}

#[test]
fn a_list_grows_at_its_end_and_is_made_if_it_is_missing() {
    let mut document = Document::new(json!({"spec": {"volumes": ["a"], "none": null}}));
    document.push(&at(&["spec", "volumes"]), json!("b")).unwrap();
    document.push(&at(&["spec", "volumes"]), json!("c")).unwrap();
    document.push(&at(&["spec", "none"]), json!("d")).unwrap();
    document.push(&at(&["new", "list"]), json!("e")).unwrap();
    assert_eq!(
        operations(document),
        json!([
            {"op": "add", "path": "/spec/volumes/1", "value": "b"},
            {"op": "add", "path": "/spec/volumes/2", "value": "c"},
            {"op": "add", "path": "/spec/none", "value": ["d"]},
            {"op": "add", "path": "/new", "value": {"list": ["e"]}},
        ])
    );
}

#[test]
fn names_are_escaped_in_paths_only() {
    let mut document = Document::new(json!({"m~1/n": {"~0": 1, "": 2}}));
    document.set(&at(&["m~1/n", "a/b~c"]), json!(1)).unwrap();
    document.set(&at(&["m~1/n", "~0"]), json!(3)).unwrap();
    document.remove(&at(&["m~1/n"]), "");
    assert_eq!(document.get(&at(&["m~1/n", "a/b~c"])), Some(&json!(1)));
    assert_eq!(
        operations(document),
        json!([
            {"op": "add", "path": "/m~01~1n/a~1b~0c", "value": 1},
            {"op": "replace", "path": "/m~01~1n/~00", "value": 3},
            {"op": "remove", "path": "/m~01~1n/"},
        ])
    );
}

#[test]
fn the_elements_of_lists_are_changed_by_their_numbers() {
    let mut document = Document::new(json!({"containers": [{"name": "a"}, {"name": "b"}]}));
    let second = Pointer::root().key("containers").index(1);
    document.set(&second.key("env"), json!([])).unwrap();
    assert_eq!(operations(document), json!([{"op": "add", "path": "/containers/1/env", "value": []}]));
}

#[test]
fn null_counts_as_missing() {
    let document = Document::new(json!({"a": null}));
    assert_eq!(document.get(&at(&["a"])), None);
}

#[test]
fn a_change_that_does_not_fit_is_an_error_that_names_the_place_and_changes_nothing() {
    let before = json!({"text": "x", "list": [1], "map": {}});
    let mut document = Document::new(before.clone());
    let text = at(&["text"]);
    assert_eq!(document.set(&text.key("a"), json!(1)), Err(PatchError::NotAContainer(text.clone())));
    assert_eq!(document.push(&text, json!(1)), Err(PatchError::NotAList(text)));
    for number in ["1", "01", "-", "x"] {
        let place = at(&["list", number]);
        let error = document.set(&place, json!(1)).unwrap_err();
        assert_eq!(error, PatchError::NoElement(place));
        assert_eq!(error.to_string(), format!("/list/{number} is no element of its list"));
    }
    assert_eq!(document.value(), &before);
    assert_eq!(operations(document), json!([]));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        "[ab/~01]{0,3}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ab/~01]{0,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[derive(Clone, Debug)]
enum Change {
    Set(Vec<String>, Value),
    Push(Vec<String>, Value),
    Remove(Vec<String>, String),
}

fn any_change() -> impl Strategy<Value = Change> {
    let place = || prop::collection::vec("[ab/~01]{0,2}", 0..4);
    prop_oneof![
        (place(), any_value()).prop_map(|(at, value)| Change::Set(at, value)),
        (place(), any_value()).prop_map(|(at, value)| Change::Push(at, value)),
        (place(), "[ab/~01]{0,2}").prop_map(|(at, key)| Change::Remove(at, key)),
    ]
}

proptest! {
    #[test]
    fn the_patch_makes_the_changed_document_of_the_first(
        first in any_value(),
        changes in prop::collection::vec(any_change(), 0..6),
    ) {
        let mut document = Document::new(first.clone());
        for change in &changes {
            let place = |steps: &[String]| steps.iter().fold(Pointer::root(), |place, step| place.key(step));
            match change {
                Change::Set(at, value) => {
                    if document.set(&place(at), value.clone()).is_ok() && !value.is_null() {
                        prop_assert_eq!(document.get(&place(at)), Some(value));
                    }
                }
                Change::Push(at, value) => drop(document.push(&place(at), value.clone())),
                Change::Remove(at, key) => {
                    document.remove(&place(at), key);
                    if document.get(&place(at)).is_some_and(Value::is_object) {
                        prop_assert_eq!(document.get(&place(at).key(key)), None);
                    }
                }
            }
        }
        let after = document.value().clone();
        prop_assert_eq!(apply::apply(first, &json!(document.into_patch())), after);
    }
}
