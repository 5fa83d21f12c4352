//! Operator and plugin as releases of their own.

use serde_json::json;

use crate::world::{FAMILIES, OPERATOR, world};

const NPU: &str = "charts/npu-device-plugin";

#[test]
fn operator_and_plugin_are_installed_changed_and_uninstalled() {
    let Some(world) = world() else { return };
    let before = world.left();
    world.install("operator", OPERATOR, &[]);
    world.wait_for_operator();
    world.install("npu", NPU, &[]);
    world.expect_resource("npu.intel.com/accel", 1);
    assert!(world.left().contains(&"nodefeaturerule.nfd.k8s-sigs.io/intel-dp-npu-device".to_owned()));

    world.upgrade("npu", NPU, &["--set", "sharedDevNum=3,metrics.port=9090"]);
    world.expect_resource("npu.intel.com/accel", 3);
    // What is taken away again goes from the object, too.
    world.upgrade("npu", NPU, &["--set", "sharedDevNum=2"]);
    world.expect_resource("npu.intel.com/accel", 2);
    let object = world.json(&["get", "npudeviceplugin", "npudeviceplugin-sample"]).unwrap();
    assert!(object["spec"]["metrics"].is_null(), "{object}");

    // An operator whose release is upgraded keeps its certificates: nothing of Helm's is in those fields.
    let authority = || {
        world
            .json(&[
                "get",
                "mutatingwebhookconfigurations",
                "inteldeviceplugins-mutating-webhook-configuration",
            ])
            .unwrap()["webhooks"][0]["clientConfig"]["caBundle"]
            .clone()
    };
    let ours = authority();
    assert!(ours.is_string());
    world.upgrade("operator", OPERATOR, &["--set", "manager.devices.npu=true"]);
    world.wait_for_operator();
    assert_eq!(authority(), ours);

    world.uninstall("npu");
    world.wait("no DaemonSet", || {
        let left = world.left();
        (!left.iter().any(|name| name.contains("npu"))).then_some(())
    });
    world.uninstall("operator");
    world.expect_nothing_but_a_lease(&before);
    // Others may have objects of them.
    let definition = world.definition("npu").unwrap();
    assert_eq!(definition["metadata"]["annotations"]["helm.sh/resource-policy"], json!("keep"));

    // They are no hindrance to the next one, which takes the objects of all charts.
    world.install("operator", OPERATOR, &[]);
    world.wait_for_operator();
    for family in FAMILIES {
        let object = &world.template(&format!("charts/{family}-device-plugin"), &[])[0];
        let list = format!("/apis/deviceplugin.intel.com/v1/{family}deviceplugins");
        // The Service may still send some to the operator that has just gone.
        let made = world.wait(family, || world.kubernetes.try_out(&list, object).ok());
        assert_eq!(made["spec"]["image"], object["spec"]["image"], "{family}");
    }
    world.uninstall("operator");
}
