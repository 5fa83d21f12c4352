//! The custom resource's definition, what is accepted, and the DaemonSets of objects.

use controller_testing as testing;
use serde_json::json;
use sgx_operator::{FAMILY, SgxDevicePlugin};

#[test]
fn the_definition_in_deployments_is_that_of_the_types() {
    testing::check_definition::<SgxDevicePlugin>();
}

#[test]
fn the_fields_are_those_of_the_go_implementation_and_of_all_kinds() {
    testing::check_schema::<SgxDevicePlugin>(&[
        ("dcapInfraResources", "boolean"),
        ("enclaveLimit", "integer from 1"),
        ("initImage", "string"),
        ("provisionLimit", "integer from 1"),
    ]);
}

#[test]
fn each_object_has_its_daemonset() {
    testing::check_daemonsets(&FAMILY);
}

#[test]
fn limits_that_are_not_set_are_one() {
    let change = json!({ "enclaveLimit": null, "provisionLimit": null });
    let expected = ["-v", "4", "-enclave-limit", "1", "-provision-limit", "1"];
    assert_eq!(testing::args(&FAMILY, &change), expected);
}

#[test]
fn objects_are_accepted() {
    testing::check_accepted(
        &FAMILY,
        &[
            json!({ "enclaveLimit": null, "provisionLimit": null, "dcapInfraResources": false }),
            json!({ "initImage": "intel/intel-sgx-initcontainer:0.36.0" }),
        ],
    );
}

#[test]
fn objects_are_refused_with_a_reason() {
    testing::check_refused(
        &FAMILY,
        &[
            (json!({ "image": "" }), "spec.image: "),
            (json!({ "image": "intel/intel-sgx-initcontainer:0.36.0" }), "is not intel-sgx-plugin"),
            (json!({ "initImage": "intel/intel-sgx-plugin:0.36.0" }), "is not intel-sgx-initcontainer"),
            (json!({ "initImage": "intel/intel-sgx-initcontainer" }), "has no version"),
            (json!({ "initImage": "intel/intel-sgx-initcontainer:0.30.0" }), "too old"),
            (
                json!({ "enclaveLimit": 100_001 }),
                "the plugin would not start: argument error: -enclave-limit is 100001",
            ),
            (json!({ "provisionLimit": -1 }), "the plugin would not start: invalid value"),
        ],
    );
}
