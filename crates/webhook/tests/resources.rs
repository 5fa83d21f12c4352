//! What containers ask for.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use serde_json::{Value, json};
use webhook::resources::{asked, containers, list};
use webhook::{Document, Pointer};

const PREFIX: &str = "example.com/";

fn container() -> Pointer {
    Pointer::root().key("spec").key("containers").index(0)
}

/// A pod whose only container has these resources.
fn pod(resources: &Value) -> Document {
    Document::new(json!({ "spec": { "containers": [{ "name": "c", "resources": resources }] } }))
}

/// What the container asks for, as `name=units`.
fn shown(resources: &Value) -> String {
    let asked = asked(&pod(resources), &container(), PREFIX).unwrap();
    let words: Vec<String> = asked.iter().map(|(name, units)| format!("{name}={units}")).collect();
    words.join(" ")
}

#[test]
fn init_containers_come_first_and_ephemeral_ones_are_none() {
    let pod = Document::new(json!({ "spec": {
        "containers": [{ "name": "a" }, {}],
        "initContainers": [{ "name": "i", "restartPolicy": "Always" }],
        "ephemeralContainers": [{ "name": "e" }],
    }}));
    let found: Vec<(String, String)> =
        containers(&pod).unwrap().iter().map(|it| (it.place.to_string(), it.name.clone())).collect();
    let expected = [("/spec/initContainers/0", "i"), ("/spec/containers/0", "a"), ("/spec/containers/1", "")];
    assert_eq!(found, expected.map(|(place, name)| (place.to_owned(), name.to_owned())));
    assert_eq!(containers(&Document::new(json!({}))).unwrap(), []);
}

#[test]
fn resources_with_the_prefix_are_found_in_order_with_their_units() {
    for (resources, expected) in [
        (json!(null), ""),
        (json!({}), ""),
        (json!({ "limits": null, "requests": {} }), ""),
        (
            json!({ "limits": { "example.com/b": "1k", "example.com/a": 2, "example.community/c": "?", "cpu": "1m" } }),
            "example.com/a=2 example.com/b=1000",
        ),
        (
            json!({ "limits": { "example.com/a": "1" }, "requests": { "example.com/a": "1000m" } }),
            "example.com/a=1",
        ),
        (json!({ "limits": { "example.com/a": "0" } }), "example.com/a=0"),
        (json!({ "limits": { "example.com/a": null } }), ""),
        (
            json!({ "limits": { "example.com/a": 1 }, "requests": { "example.com/a": null } }),
            "example.com/a=1",
        ),
    ] {
        assert_eq!(shown(&resources), expected, "{resources}");
    }
}

#[test]
fn amounts_that_are_none_of_devices_are_errors_with_the_resource() {
    for (limit, request, expected) in [
        (
            json!(null),
            json!(1),
            "requests have 1, but limits nothing: write it under limits, requests follow by themselves",
        ),
        (
            json!("1"),
            json!("2"),
            r#"requests have "2", but limits "1": make both the same, for devices are not overcommitted"#,
        ),
        (json!("1m"), json!(null), r#""1m" is no whole number of units, as devices need"#),
        (json!(-1), json!(null), "-1 is less than nothing"),
        (json!(true), json!(null), "a quantity is a text or a number, not a list, a map, true or false"),
    ] {
        let resources =
            json!({ "limits": { "example.com/a": limit }, "requests": { "example.com/a": request } });
        let error = asked(&pod(&resources), &container(), PREFIX).unwrap_err();
        assert_eq!(error.to_string(), format!("example.com/a: {expected}"));
    }
}

#[test]
fn another_shape_is_an_error_with_the_place() {
    for (resources, expected) in [
        (json!("x"), "/spec/containers/0/resources is not a map"),
        (json!({ "limits": [] }), "/spec/containers/0/resources/limits is not a map of resources"),
        (json!({ "requests": 1 }), "/spec/containers/0/resources/requests is not a map of resources"),
    ] {
        let error = asked(&pod(&resources), &container(), PREFIX).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    for (spec, expected) in [
        (json!({ "containers": {} }), "/spec/containers is not a list"),
        (json!({ "initContainers": [1] }), "/spec/initContainers/0 is not a container"),
    ] {
        let error = containers(&Document::new(json!({ "spec": spec }))).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let place = Pointer::root().key("spec");
    assert!(list(&Document::new(json!({})), &place).unwrap().is_empty());
}
