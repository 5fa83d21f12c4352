//! The custom resource's definition, what is accepted, and the DaemonSets of objects.

use controller_testing as testing;
use gpu_operator::{FAMILY, GpuDevicePlugin};
use serde_json::json;

#[test]
fn the_definition_in_deployments_is_that_of_the_types() {
    testing::check_definition::<GpuDevicePlugin>();
}

#[test]
fn the_fields_are_those_of_the_go_implementation_and_of_all_kinds() {
    testing::check_schema::<GpuDevicePlugin>(&[
        ("allowIDs", "string"),
        ("bypathMode", "none|single|all"),
        ("denyIDs", "string"),
        ("enableMonitoring", "boolean"),
        (
            "healthManagement",
            "{gpuTemperatureLimit: integer, image: string, memoryTemperatureLimit: integer, source*: levelzero|xpumd, temperatureLimit: integer}",
        ),
        ("initImage", "string"),
        ("monitoringMode", "split|single"),
        ("preferredAllocationPolicy", "balanced|packed|none"),
        ("sharedDevNum", "integer from 1"),
    ]);
}

#[test]
fn each_object_has_its_daemonset() {
    testing::check_daemonsets(&FAMILY);
}

#[test]
fn what_the_object_does_not_say_is_as_ever() {
    let change = json!({ "sharedDevNum": null, "enableMonitoring": null });
    let expected = ["-v", "4", "-shared-dev-num", "1", "-allocation-policy", "none"];
    assert_eq!(testing::args(&FAMILY, &change), expected);
}

#[test]
fn objects_are_accepted() {
    testing::check_accepted(
        &FAMILY,
        &[
            json!({ "allowIDs": "0x56c0" }),
            json!({ "denyIDs": "0x56c0,0x0bda" }),
            json!({ "sharedDevNum": 2, "preferredAllocationPolicy": "packed" }),
            json!({ "sharedDevNum": 1, "preferredAllocationPolicy": "none" }),
            // As ever, it is not looked at.
            json!({ "initImage": "anything" }),
            json!({ "healthManagement": { "source": "levelzero", "image": "intel/intel-gpu-levelzero:0.36.0" } }),
        ],
    );
}

#[test]
fn objects_are_refused_with_a_reason() {
    testing::check_refused(
        &FAMILY,
        &[
            (json!({ "image": "" }), "spec.image: "),
            (json!({ "image": "intel/intel-gpu-plugin:0.35.0" }), "too old"),
            (json!({ "sharedDevNum": 1, "preferredAllocationPolicy": "packed" }), "make that 2 or more"),
            (json!({ "sharedDevNum": null, "preferredAllocationPolicy": "balanced" }), "make that 2 or more"),
            (json!({ "allowIDs": "0x56C0" }), "allowIDs: "),
            (json!({ "allowIDs": "0x56c0,"  }), "allowIDs: "),
            (json!({ "denyIDs": "56c0" }), "denyIDs: "),
            (json!({ "denyIDs": "0x56c0, 0x56c1" }), "denyIDs: "),
            (json!({ "allowIDs": "0x56c0", "denyIDs": "0x56c1" }), "at the same time"),
            (
                json!({ "healthManagement": { "source": "levelzero", "image": "x:0.36.0" } }),
                "spec.healthManagement.image: ",
            ),
            (
                json!({ "sharedDevNum": 200_001 }),
                "the plugin would not start: argument error: -shared-dev-num",
            ),
            (json!({ "bypathMode": "some" }), "cannot be read"),
        ],
    );
}
