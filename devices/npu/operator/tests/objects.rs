//! The custom resource's definition, what is accepted, and the DaemonSets of objects.

use controller_testing as testing;
use npu_operator::{FAMILY, NpuDevicePlugin};
use serde_json::json;

#[test]
fn the_definition_in_deployments_is_that_of_the_types() {
    testing::check_definition::<NpuDevicePlugin>();
}

#[test]
fn the_fields_are_those_of_the_go_implementation_and_of_all_kinds() {
    testing::check_schema::<NpuDevicePlugin>(&[("sharedDevNum", "integer from 1")]);
}

#[test]
fn each_object_has_its_daemonset() {
    testing::check_daemonsets(&FAMILY);
}

#[test]
fn a_device_is_shared_only_if_the_object_says_so() {
    assert_eq!(testing::args(&FAMILY, &json!({ "sharedDevNum": null })), ["-v", "4", "-shared-dev-num", "1"]);
    assert_eq!(testing::args(&FAMILY, &json!({ "sharedDevNum": 5 })), ["-v", "4", "-shared-dev-num", "5"]);
}

#[test]
fn objects_are_accepted() {
    testing::check_accepted(
        &FAMILY,
        &[
            json!({ "sharedDevNum": null, "logLevel": null, "nodeSelector": null }),
            // Pruned by the API server where it is in a manifest; nobody's concern here.
            json!({ "initImage": "anything" }),
        ],
    );
}

#[test]
fn objects_are_refused_with_a_reason() {
    testing::check_refused(
        &FAMILY,
        &[
            (json!({ "image": "" }), "spec.image: "),
            (json!({ "image": "intel/intel-gpu-plugin:0.36.0" }), "is not intel-npu-plugin"),
            (json!({ "image": "intel/intel-npu-plugin:0.35.9" }), "too old"),
            (
                json!({ "sharedDevNum": 0 }),
                "the plugin would not start: argument error: -shared-dev-num is 0, not 1 to",
            ),
        ],
    );
}
