//! What an object says of the devices that its nodes offer, and why some are unhealthy.

use serde_json::{Value, json};

use crate::world::{World, plural, world};

const OBJECT: &str = "{apiVersion: deviceplugin.intel.com/v1, kind: QatDevicePlugin, metadata: {name: offers}, spec: {maxNumDevices: 64, metrics: {port: 9090}}}";
const HEARTBEAT: &str = "/sys/kernel/debug/qat_4xxx_0000:6b:00.0/heartbeat/status";

impl World {
    /// Waits until the object's summary of the virtual functions for cryptography has so many unhealthy ones.
    fn expect_unhealthy(&self, unhealthy: i64, is_complete: impl Fn(&Value) -> bool) -> Value {
        let summary = || {
            let object = self.object("qat", "offers")?;
            let resources = object["status"]["resources"].as_array()?;
            resources.iter().find(|summary| summary["name"] == "qat.intel.com/cy").cloned()
        };
        self.kubernetes.wait_for(
            &format!("{unhealthy} unhealthy devices"),
            || format!("{:?}\n{}", summary(), self.state()),
            || summary().filter(|summary| summary["unhealthy"] == unhealthy && is_complete(summary)),
        )
    }
}

#[test]
fn an_object_tells_which_devices_are_unhealthy_and_why() {
    let Some(world) = world() else { return };
    world.apply(OBJECT);
    let well = json!({"name": "qat.intel.com/cy", "nodes": 1, "devices": 32, "unhealthy": 0});
    assert_eq!(world.expect_unhealthy(0, |summary| summary["devices"] == 32), well);

    for _ in 0..2 {
        world.cluster.node().set_attribute(HEARTBEAT, "-1\n").unwrap();
        let summary = world.expect_unhealthy(16, |summary| !summary["reasons"].is_null());
        assert_eq!(summary["unhealthyNodes"], json!(["node-1"]));
        let reasons = summary["reasons"].as_array().unwrap();
        assert_eq!(reasons.len(), 10, "the first ten: {reasons:?}");
        let why =
            "the firmware of its physical function 0000:6b:00.0 does not answer (heartbeat/status is -1)";
        for reason in reasons {
            let (of, found) = reason.as_str().unwrap().split_once(": ").unwrap();
            assert!(of.starts_with("node-1 ") && found == why, "{reason}");
        }
        world.cluster.node().set_attribute(HEARTBEAT, "0\n").unwrap();
        assert_eq!(world.expect_unhealthy(0, |summary| summary["devices"] == 32), well);
    }
    world.expect_condition("qat", "offers", "Degraded", "False", "");
    world.cluster.kubectl(&["delete", &plural("qat"), "offers", "--timeout=60s"]);
}
