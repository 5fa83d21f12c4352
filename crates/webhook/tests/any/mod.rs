//! Any JSON, and pods that are almost right.

use proptest::prelude::*;
use serde_json::{Map, Value};

/// JSON that has nothing to do with pods, in the place of anything.
pub(crate) fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i8>().prop_map(Value::from),
        "[a-z/~]{0,3}".prop_map(Value::from)
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z/~]{0,3}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A map in which each member is there or not, and sometimes one is unheard of. Absurd ones are for `damaged`.
pub(crate) fn map(members: Vec<(&str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| {
            let name = name.to_owned();
            prop::option::weighted(0.7, value).prop_map(move |value| value.map(|value| (name.clone(), value)))
        })
        .collect();
    (members, prop::option::weighted(0.3, ("x[a-z/~]{0,3}", anything())))
        .prop_map(|(members, unknown)| {
            Value::Object(members.into_iter().flatten().chain(unknown).collect::<Map<_, _>>())
        })
        .boxed()
}

/// One of these texts.
pub(crate) fn one_of(values: &'static [&'static str]) -> BoxedStrategy<Value> {
    prop::sample::select(values).prop_map(Value::from).boxed()
}

/// Up to three of these.
pub(crate) fn list(element: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop::collection::vec(element, 0..4).prop_map(Value::from).boxed()
}

/// A document in which one place has anything.
pub(crate) fn damaged(document: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    (document, any::<prop::sample::Index>(), anything()).prop_map(|(mut document, which, value)| {
        let mut places = Vec::new();
        collect(&document, String::new(), &mut places);
        if let Some(place) = document.pointer_mut(which.get::<String>(&places)) {
            *place = value;
        }
        document
    })
}

/// The pointers of all values.
fn collect(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| {
            collect(value, format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), places);
        }),
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(number, value)| collect(value, format!("{place}/{number}"), places));
        }
        _ => {}
    }
    places.push(place);
}
