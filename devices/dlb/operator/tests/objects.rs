//! The custom resource's definition, what is accepted, and the DaemonSets of objects.

use controller_testing as testing;
use dlb_operator::{DlbDevicePlugin, FAMILY};
use serde_json::json;

#[test]
fn the_definition_in_deployments_is_that_of_the_types() {
    testing::check_definition::<DlbDevicePlugin>();
}

#[test]
fn the_fields_are_those_of_the_go_implementation_and_of_all_kinds() {
    testing::check_schema::<DlbDevicePlugin>(&[("initImage", "string")]);
}

#[test]
fn each_object_has_its_daemonset() {
    testing::check_daemonsets(&FAMILY);
}

#[test]
fn the_init_container_is_that_of_the_overlay() {
    let overlay = "dlb_plugin/overlays/dlb_initcontainer/dlb_initcontainer.yaml";
    testing::check_init_container(&FAMILY, &json!({}), overlay, &json!({}));
}

#[test]
fn objects_are_accepted() {
    testing::check_accepted(
        &FAMILY,
        &[
            json!({ "initImage": null }),
            json!({ "initImage": "" }),
            // What the Go implementation wants it to be called.
            json!({ "initImage": "intel/intel-dlb-initimage:0.36.0" }),
            json!({ "image": "registry.example.com:5000/intel-dlb-plugin:v0.40.1" }),
            json!({ "unknown": 1 }),
        ],
    );
}

#[test]
fn objects_are_refused_with_a_reason() {
    testing::check_refused(
        &FAMILY,
        &[
            (json!({ "image": null }), "spec.image: "),
            (json!({ "image": "intel/intel-dsa-plugin:0.36.0" }), "is not intel-dlb-plugin"),
            (json!({ "image": "intel/intel-dlb-plugin:0.35.0" }), "too old"),
            (json!({ "image": "intel/intel-dlb-plugin:devel" }), "no version"),
            (json!({ "initImage": "intel/intel-dlb-plugin:0.36.0" }), "spec.initImage: "),
            (json!({ "initImage": "intel/intel-dlb-initcontainer:0.35.0" }), "too old"),
            (json!({ "logLevel": "4" }), "cannot be read"),
            (json!({ "logLevel": 3_000_000_000_i64 }), "the plugin would not start: invalid value"),
        ],
    );
}
