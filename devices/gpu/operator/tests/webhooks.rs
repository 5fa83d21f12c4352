//! What the API server is answered about an object before it stores it.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gpu_operator::FAMILY;
use serde_json::{Value, json};
use webhook::review::answer;

/// The answer to a review of this kind of request, of the webhook at this path.
fn ask(path: &str, operation: &str, object: &Value) -> Value {
    ask_about(path, operation, object, &Value::Null)
}

/// The same, of an object that is there.
fn ask_about(path: &str, operation: &str, object: &Value, old: &Value) -> Value {
    let webhook = controller::webhooks(FAMILY).into_iter().find(|webhook| webhook.path == path).unwrap();
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": {"group": "deviceplugin.intel.com", "version": "v1", "kind": "GpuDevicePlugin"},
            "operation": operation,
            "object": object,
            "oldObject": old,
        },
    });
    let text = answer(review.to_string().as_bytes(), &webhook.kind, webhook.fields, &webhook.decide).unwrap();
    let mut answer: Value = serde_json::from_slice(&text).unwrap();
    answer["response"].take()
}

/// The patch of an object that is allowed.
fn patch(object: &Value) -> Value {
    let response = ask("/mutate-deviceplugin-intel-com-v1-gpudeviceplugin", "CREATE", object);
    assert_eq!(response["allowed"], true, "{response}");
    let patch = response["patch"].as_str().map(|text| STANDARD.decode(text).unwrap());
    patch.map_or(Value::Null, |patch| serde_json::from_slice(&patch).unwrap())
}

fn validate(operation: &str, object: &Value) -> Value {
    ask("/validate-deviceplugin-intel-com-v1-gpudeviceplugin", operation, object)
}

fn review(operation: &str, object: &Value, old: &Value) -> Value {
    ask_about("/validate-deviceplugin-intel-com-v1-gpudeviceplugin", operation, object, old)
}

#[test]
fn only_an_empty_image_is_filled_in_and_nothing_else_is_touched() {
    let image = json!("intel/intel-gpu-plugin:0.36.0");
    let at_image = json!([{"op": "add", "path": "/spec/image", "value": image}]);
    let with_spec = json!([{"op": "add", "path": "/spec", "value": {"image": image}}]);
    let instead = json!([{"op": "replace", "path": "/spec/image", "value": image}]);
    for (object, expected) in [
        (json!({"spec": {"sharedDevNum": 2, "unknown": {"a": []}}}), at_image.clone()),
        (json!({"spec": {"image": null}}), at_image),
        (json!({"spec": {"image": ""}}), instead),
        (json!({"metadata": {"name": "x"}}), with_spec.clone()),
        (json!({"spec": null}), with_spec),
        (json!({"spec": {"image": "devel"}}), Value::Null),
        // The schema refuses them.
        (json!({"spec": {"image": 5}}), Value::Null),
        (json!({"spec": "text"}), Value::Null),
    ] {
        assert_eq!(patch(&object), expected, "{object}");
    }
}

#[test]
fn what_breaks_a_rule_is_refused_with_the_reason() {
    for (spec, why) in [
        (json!({"allowIDs": "0x56c0,56C1"}), "allowIDs: \"56C1\""),
        (json!({"sharedDevNum": 1, "preferredAllocationPolicy": "packed"}), "sharedDevNum is 1"),
        // What the plugin says of its flags.
        (
            json!({"sharedDevNum": 200_001}),
            "the plugin would not start: argument error: -shared-dev-num is 200001, not 1 to 200000",
        ),
        (
            json!({"logLevel": 3_000_000_000_i64}),
            "the plugin would not start: invalid value \"3000000000\" for flag -v",
        ),
        (json!({"bypathMode": "some"}), "the object's spec cannot be read: unknown variant `some`"),
        (json!({"image": "intel/intel-qat-plugin:0.36.0"}), "is not intel-gpu-plugin"),
        (json!({"image": "intel/intel-gpu-plugin:0.35.9"}), "is too old for this operator"),
        (json!("text"), "the object's spec cannot be read"),
    ] {
        let mut spec = spec;
        if let Some(spec) = spec.as_object_mut() {
            spec.entry("image").or_insert(json!("intel/intel-gpu-plugin:0.36.0"));
        }
        for operation in ["CREATE", "UPDATE"] {
            let response = validate(operation, &json!({"spec": spec}));
            assert_eq!(response["allowed"], false, "{spec}");
            assert_eq!(response["status"]["code"], 403, "{spec}");
            let message = response["status"]["message"].as_str().unwrap();
            assert!(message.starts_with("invalid resource: ") && message.contains(why), "{spec}: {message}");
        }
    }
}

#[test]
fn what_is_right_or_on_its_way_out_is_stored() {
    let good = json!({"spec": {"image": "intel/intel-gpu-plugin:0.36.0", "allowIDs": "0x56c0"}});
    let old = json!({
        "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"image": "intel/intel-gpu-plugin:0.30.0"},
    });
    for object in [good, old] {
        assert_eq!(validate("UPDATE", &object), json!({"uid": "1", "allowed": true}), "{object}");
    }
    let update = json!({"spec": {"image": "intel/intel-gpu-plugin:0.30.0"}});
    assert_eq!(validate("DELETE", &update)["allowed"], true);
}

#[test]
fn an_update_that_changes_what_nodes_offer_is_stored_with_a_warning() {
    let spec = |more: Value| {
        let mut spec = json!({"image": "intel/intel-gpu-plugin:0.36.0"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"spec": spec})
    };
    let warnings = |old: Value, new: Value| {
        let response = review("UPDATE", &spec(new), &spec(old));
        assert_eq!(response["allowed"], true, "{response}");
        let warnings = response["warnings"].as_array().cloned().unwrap_or_default();
        let flags = warnings.iter().map(|text| text.as_str().unwrap().split(':').next().unwrap().to_owned());
        flags.collect::<Vec<_>>()
    };
    let old = json!({"sharedDevNum": 2, "enableMonitoring": true, "allowIDs": "0x56c0,0x56c1"});
    let new = json!({"sharedDevNum": 10, "enableMonitoring": true, "monitoringMode": "split"});
    let expected = [
        "the plugin's -shared-dev-num changes from 2 to 10",
        "the plugin's -allow-ids changes from 0x56c0,0x56c1 to nothing",
        "the plugin's -monitoring-mode changes from single to split",
    ];
    assert_eq!(warnings(old.clone(), new), expected);
    let monitoring = ["the plugin's -enable-monitoring changes from false to true"];
    assert_eq!(
        warnings(json!({}), json!({"enableMonitoring": true, "monitoringMode": "single"})),
        monitoring
    );
    // The same in other words, and what changes something else.
    let same = json!({
        "sharedDevNum": 2, "enableMonitoring": true, "allowIDs": "0x56c1,0x56c0", "monitoringMode": "single",
        "preferredAllocationPolicy": "packed", "logLevel": 4,
    });
    assert_eq!(warnings(old, same), [""; 0]);
    assert_eq!(warnings(json!({"bypathMode": "unknown"}), json!({"sharedDevNum": 2})), [""; 0]);
}
