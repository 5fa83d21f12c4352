//! The operator goes on when its leader or the API server does not.

use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::world::{NAMESPACE, World, plural, world};

/// Longer than a leader may go on without the API server, and than requests wait for it.
const OUTAGE: Duration = Duration::from_mins(1);

impl World {
    /// The process that leads, as it calls itself, and the unique id of its pod.
    fn leader(&self) -> (String, String) {
        self.wait("a leader", || {
            let lease = self.json(&["get", "lease", "-n", NAMESPACE, "d1c7b6d5.intel.com"])?;
            let holder = lease["spec"]["holderIdentity"].as_str()?.to_owned();
            let pod = self.json(&["get", "pod", "-n", NAMESPACE, holder.split('_').next()?])?;
            Some((holder, pod["metadata"]["uid"].as_str()?.to_owned()))
        })
    }

    /// The operator follows an object from its beginning to its end.
    fn expect_work(&self, name: &str) {
        let object = "apiVersion: deviceplugin.intel.com/v1, kind: NpuDevicePlugin";
        let spec = "spec: {nodeSelector: {nowhere: here}}";
        let yaml = format!("{{{object}, metadata: {{name: {name}}}, {spec}}}");
        self.wait("an accepted object", || self.try_apply(&yaml).ok());
        self.expect("npu", name, "/spec/template/spec/nodeSelector", &json!({"nowhere": "here"}));
        self.cluster.kubectl(&["delete", &plural("npu"), name, "--timeout=60s"]);
        self.wait("the DaemonSet's end", || self.daemonset("npu", name).is_none().then_some(()));
    }
}

#[test]
fn another_replica_goes_on_when_the_leader_is_killed() {
    let Some(world) = world() else { return };
    for round in ["first", "second"] {
        let (leader, pod) = world.leader();
        // It has no time to give up its Lease.
        assert_eq!(world.cluster.kill_in_pod(&pod, "intel_deviceplugin_operator"), 1);
        world.expect_work(round);
        assert_ne!(world.leader().0, leader);
        world.wait_for_rollout();
    }
}

#[test]
fn an_api_server_that_was_away_finds_everything_followed() {
    let Some(world) = world() else { return };
    world.apply("{apiVersion: deviceplugin.intel.com/v1, kind: NpuDevicePlugin, metadata: {name: stays}}");
    world.expect_condition("npu", "stays", "Available", "True", "AllReady");
    let generation = world.daemonset("npu", "stays").unwrap()["metadata"]["generation"].clone();
    world.cluster.stop("kube-apiserver");
    sleep(OUTAGE);
    world.cluster.start_again("kube-apiserver");
    world.wait("an API server", || world.object("npu", "stays"));
    world.expect_work("after");
    world.expect_condition("npu", "stays", "Available", "True", "AllReady");
    assert_eq!(world.daemonset("npu", "stays").unwrap()["metadata"]["generation"], generation);
    world.cluster.kubectl(&["delete", &plural("npu"), "stays", "--timeout=60s"]);
}
