//! The custom resource's definition, what is accepted, and the DaemonSets of objects.

use controller_testing as testing;
use qat_operator::{FAMILY, QatDevicePlugin};
use serde_json::json;

#[test]
fn the_definition_in_deployments_is_that_of_the_types() {
    testing::check_definition::<QatDevicePlugin>();
}

#[test]
fn the_fields_are_those_of_the_go_implementation_and_of_all_kinds() {
    testing::check_schema::<QatDevicePlugin>(&[
        ("dpdkDriver", "igb_uio|vfio-pci"),
        ("initImage", "string"),
        ("kernelVfDrivers", "[dh895xccvf|c6xxvf|c3xxxvf|d15xxvf|4xxxvf|420xxvf|c4xxxvf|6xxxvf]"),
        ("maxNumDevices", "integer from 1"),
        ("preferredAllocationPolicy", "balanced|packed"),
        ("provisioningConfig", "string"),
    ]);
}

#[test]
fn each_object_has_its_daemonset() {
    testing::check_daemonsets(&FAMILY);
}

#[test]
fn what_the_object_does_not_say_is_as_ever() {
    let change = json!({ "dpdkDriver": null, "kernelVfDrivers": null, "maxNumDevices": null });
    let expected = [
        "-v",
        "4",
        "-dpdk-driver",
        "vfio-pci",
        "-kernel-vf-drivers",
        "c6xxvf,4xxxvf",
        "-max-num-devices",
        "32",
    ];
    assert_eq!(testing::args(&FAMILY, &change), expected);
}

#[test]
fn the_init_container_is_that_of_the_overlay() {
    let change = json!({ "provisioningConfig": "qat-config" });
    let overlay = "qat_plugin/overlays/qat_initcontainer/qat_initcontainer.yaml";
    let added = json!({
        "env": { "ENABLED_QAT_PF_PCIIDS": "4940 4942 4944 4946" },
        "security": { "seLinuxOptions": { "type": "container_device_plugin_init_t" } },
    });
    testing::check_init_container(&FAMILY, &change, overlay, &added);
}

#[test]
fn pods_read_the_config_map_only_with_an_init_container() {
    let config_map = |spec| FAMILY.config_map(&spec).unwrap();
    let image = "intel/intel-qat-initcontainer:0.36.0";
    let both = json!({ "initImage": image, "provisioningConfig": "qat-config" });
    assert_eq!(config_map(both).as_deref(), Some("qat-config"));
    assert_eq!(config_map(json!({ "initImage": image })), None);
    assert_eq!(config_map(json!({ "provisioningConfig": "qat-config" })), None);
    assert_eq!(config_map(json!(null)), None);
}

#[test]
fn objects_are_accepted() {
    testing::check_accepted(
        &FAMILY,
        &[
            json!({ "initImage": null }),
            json!({ "dpdkDriver": null, "kernelVfDrivers": null, "maxNumDevices": null }),
            json!({ "preferredAllocationPolicy": "balanced" }),
            json!({ "provisioningConfig": "x", "kernelVfDrivers": ["c6xxvf", "4xxxvf"] }),
            json!({ "provisioningConfig": "x", "kernelVfDrivers": ["420xxvf"] }),
            json!({ "provisioningConfig": "x", "kernelVfDrivers": ["6xxxvf"] }),
        ],
    );
}

#[test]
fn objects_are_refused_with_a_reason() {
    testing::check_refused(
        &FAMILY,
        &[
            (json!({ "image": "" }), "spec.image: "),
            (json!({ "image": "intel/intel-qat-plugin:0.35.0" }), "too old"),
            (json!({ "initImage": "intel/intel-qat-plugin:0.36.0" }), "is not intel-qat-initcontainer"),
            (json!({ "initImage": "intel/intel-qat-initcontainer:0.35.0" }), "too old"),
            (json!({ "provisioningConfig": "x", "initImage": null }), "set initImage too"),
            (json!({ "provisioningConfig": "x", "kernelVfDrivers": ["c6xxvf"] }), r#"not among ["c6xxvf"]"#),
            (json!({ "provisioningConfig": "x", "kernelVfDrivers": null }), "not among []"),
            (json!({ "kernelVfDrivers": ["8xxxvf"] }), "cannot be read"),
            (json!({ "preferredAllocationPolicy": "none" }), "cannot be read"),
            (json!({ "maxNumDevices": -1 }), "the plugin would not start: -max-num-devices is -1"),
        ],
    );
}
