//! The custom resource's definition, what is accepted, and the DaemonSets of objects.

use controller::Settings;
use controller_testing as testing;
use fpga_operator::{FAMILY, FpgaDevicePlugin};
use serde_json::json;

#[test]
fn the_definition_in_deployments_is_that_of_the_types() {
    testing::check_definition::<FpgaDevicePlugin>();
}

#[test]
fn the_fields_are_those_of_the_go_implementation_and_of_all_kinds() {
    testing::check_schema::<FpgaDevicePlugin>(&[("initImage", "string"), ("mode", "af|region|regiondevel")]);
}

#[test]
fn each_object_has_its_daemonset() {
    testing::check_daemonsets(&FAMILY);
}

#[test]
fn functions_are_offered_where_the_object_names_no_mode() {
    assert_eq!(testing::args(&FAMILY, &json!({ "mode": null })), ["-v", "4", "-mode", "af"]);
}

#[test]
fn the_plugin_has_a_token_only_of_an_account_that_is_there_for_it() {
    let spec = testing::sample(&FAMILY)["spec"].take();
    let mut settings = Settings { namespace: "devices".to_owned(), ..Settings::default() };
    for (account, has_token) in [(None, false), (Some("node-getter".to_owned()), true)] {
        settings.service_account.clone_from(&account);
        let daemonset = FAMILY.daemonset("test", &spec, &settings).unwrap();
        let pod = daemonset.spec.unwrap().template.spec.unwrap();
        assert_eq!(pod.service_account_name, account);
        assert_eq!(pod.automount_service_account_token, Some(has_token));
    }
}

#[test]
fn objects_are_accepted() {
    testing::check_accepted(
        &FAMILY,
        &[
            json!({ "mode": "af" }),
            json!({ "mode": "regiondevel" }),
            // What the Go implementation wants it to be called.
            json!({ "initImage": "intel/intel-fpga-initimage:0.36.0" }),
        ],
    );
}

#[test]
fn objects_are_refused_with_a_reason() {
    testing::check_refused(
        &FAMILY,
        &[
            (json!({ "image": "" }), "spec.image: "),
            (json!({ "image": "intel/intel-fpga-plugin:0.35.0" }), "too old"),
            (json!({ "initImage": null }), "spec.initImage: "),
            (json!({ "initImage": "" }), "is not intel-fpga-initcontainer"),
            (json!({ "initImage": "intel/intel-fpga-plugin:0.36.0" }), "is not intel-fpga-initcontainer"),
            (json!({ "initImage": "intel/intel-fpga-initcontainer:0.35.0" }), "too old"),
            (json!({ "mode": "both" }), "cannot be read"),
            (json!({ "logLevel": 3_000_000_000_i64 }), "the plugin would not start: invalid value"),
        ],
    );
}
