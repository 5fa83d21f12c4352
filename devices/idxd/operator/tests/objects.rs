//! The custom resources' definitions, what is accepted, and the DaemonSets of objects.

use controller_testing as testing;
use idxd_operator::{DSA, DsaDevicePlugin, IAA, IaaDevicePlugin};
use serde_json::json;

const DSA_OVERLAYS: &str = "dsa_plugin/overlays";
const IAA_OVERLAY: &str = "iaa_plugin/overlays/iaa_initcontainer/iaa_initcontainer.yaml";

#[test]
fn the_definitions_in_deployments_are_those_of_the_types() {
    testing::check_definition::<DsaDevicePlugin>();
    testing::check_definition::<IaaDevicePlugin>();
}

#[test]
fn the_fields_are_those_of_the_go_implementation_and_of_all_kinds() {
    let both =
        [("initImage", "string"), ("provisioningConfig", "string"), ("sharedDevNum", "integer from 1")];
    testing::check_schema::<IaaDevicePlugin>(&both);
    let driver = ("driver", r#"idxd|vfio-pci = "idxd""#);
    testing::check_schema::<DsaDevicePlugin>(&[&both[..], &[driver]].concat());
}

#[test]
fn each_object_has_its_daemonset() {
    testing::check_daemonsets(&DSA);
    testing::check_daemonsets(&IAA);
}

#[test]
fn what_the_object_does_not_say_is_as_ever() {
    let none = json!({ "sharedDevNum": null });
    assert_eq!(testing::args(&DSA, &none), ["-v", "4", "-driver", "idxd", "-shared-dev-num", "1"]);
    assert_eq!(testing::args(&IAA, &none), ["-v", "4", "-shared-dev-num", "1"]);
}

#[test]
fn init_containers_are_those_of_the_overlays() {
    let change = json!({ "provisioningConfig": "intel-dsa-config" });
    let overlay = format!("{DSA_OVERLAYS}/dsa_initcontainer/dsa_initcontainer.yaml");
    let added = json!({ "env": { "DEVICE_TYPE": "dsa", "DSA_DRIVER": "idxd" } });
    testing::check_init_container(&DSA, &change, &overlay, &added);

    let change = json!({ "driver": "vfio-pci" });
    let overlay = format!("{DSA_OVERLAYS}/dsa_vfio_initcontainer/dsa_initcontainer.yaml");
    testing::check_init_container(&DSA, &change, &overlay, &json!({ "env": { "DEVICE_TYPE": "dsa" } }));

    let change = json!({ "provisioningConfig": "intel-iaa-config" });
    testing::check_init_container(&IAA, &change, IAA_OVERLAY, &json!({}));
}

#[test]
fn pods_read_the_config_map_only_with_an_init_container() {
    for family in [DSA, IAA] {
        let config_map = |spec| family.config_map(&spec).unwrap();
        let image = "intel/intel-idxd-config-initcontainer:0.36.0";
        let both = json!({ "initImage": image, "provisioningConfig": "config" });
        assert_eq!(config_map(both).as_deref(), Some("config"));
        assert_eq!(config_map(json!({ "initImage": image })), None);
        assert_eq!(config_map(json!({ "provisioningConfig": "config" })), None);
    }
}

#[test]
fn objects_are_accepted() {
    for family in [DSA, IAA] {
        let changes = [
            json!({ "initImage": null }),
            json!({ "sharedDevNum": null }),
            json!({ "provisioningConfig": "" , "initImage": "" }),
            json!({ "provisioningConfig": "config" }),
        ];
        testing::check_accepted(&family, &changes);
    }
    testing::check_accepted(&DSA, &[json!({ "driver": "idxd" }), json!({ "driver": "vfio-pci" })]);
}

#[test]
fn objects_are_refused_with_a_reason() {
    for family in [DSA, IAA] {
        let plugin = family.app();
        let refused = [
            (json!({ "image": "" }), "spec.image: "),
            (json!({ "image": "intel/intel-idxd-plugin:0.36.0" }), plugin.as_str()),
            (json!({ "image": format!("intel/{plugin}:0.35.0") }), "too old"),
            (json!({ "provisioningConfig": "config", "initImage": null }), "set initImage too"),
            (
                json!({ "initImage": "intel/intel-qat-initcontainer:0.36.0" }),
                "is not intel-idxd-config-initcontainer",
            ),
            (json!({ "initImage": "intel/intel-idxd-config-initcontainer:0.35.0" }), "too old"),
            (
                json!({ "sharedDevNum": 200_001 }),
                "the plugin would not start: argument error: -shared-dev-num is 200001",
            ),
        ];
        testing::check_refused(&family, &refused);
    }
    testing::check_refused(&DSA, &[(json!({ "driver": "vfio" }), "cannot be read")]);
}
