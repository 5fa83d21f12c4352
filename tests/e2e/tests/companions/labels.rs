//! Labels of the node, and enclave memory, by programs that ask the API themselves: without node-feature-discovery.

use serde_json::{Value, json};

use crate::world::{World, world};

const SECOND_GPU: &str = "arc-b580 as=card1 at=pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:01.0 pci=0000:03:00.0 card=1 \
                          render=129 bus=768 mei=1";

impl World {
    fn json(&self, args: &[&str]) -> Option<Value> {
        let text = self.cluster.try_kubectl(&[args, &["-o", "json"]].concat()).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The node's labels that begin like this.
    fn labels(&self, domain: &str) -> Value {
        let node = self.json(&["get", "node", "node-1"]).unwrap_or_default();
        let labels = node.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default();
        labels.into_iter().filter(|(name, _)| name.starts_with(domain)).collect()
    }

    fn expect_labels(&self, domain: &str, expected: &Value) {
        self.kubernetes.wait_for(
            &format!("the labels {expected}"),
            || format!("{}\n{}", self.labels(domain), self.state()),
            || (self.labels(domain) == *expected).then_some(()),
        );
    }

    fn wait_for_rollout(&self, daemonset: &str) {
        let object = format!("daemonset/{daemonset}");
        self.cluster.kubectl(&["rollout", "status", "-n", "kube-system", &object, "--timeout=110s"]);
    }
}

/// All that is to be said of both GPUs, or of the first alone.
fn labels(both: bool) -> Value {
    let (cards, numbers) = if both { ("card0.card1", "0.1") } else { ("card0", "0") };
    let count = if both { 2 } else { 1 };
    json!({
        "gpu.intel.com/cards": cards,
        "gpu.intel.com/gpu-numbers": numbers,
        "gpu.intel.com/memory.max": "0",
        "gpu.intel.com/millicores": (1000 * count).to_string(),
        "gpu.intel.com/tiles": count.to_string(),
    })
}

#[test]
fn a_node_gets_labels_for_its_gpus_and_loses_those_that_no_longer_hold() {
    let Some(world) = world() else { return };
    world.cluster.kubectl(&["label", "node", "node-1", "gpu.intel.com/owner=somebody"]);
    world.apply("gpu_labels/node_labels");
    let every_second =
        r#"[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "-interval=1s"}]"#;
    let patch =
        ["patch", "-n", "kube-system", "daemonset", "intel-gpu-labels", "--type=json", "-p", every_second];
    world.cluster.kubectl(&patch);
    world.wait_for_rollout("intel-gpu-labels");
    let with_owner = |both| {
        let mut expected = labels(both);
        expected["gpu.intel.com/owner"] = json!("somebody");
        expected
    };
    world.expect_labels("gpu.intel.com/", &with_owner(true));
    world.cluster.node().remove("card1").unwrap();
    world.expect_labels("gpu.intel.com/", &with_owner(false));
    world.cluster.node().add(SECOND_GPU).unwrap();
    world.expect_labels("gpu.intel.com/", &with_owner(true));
    world.remove("gpu_labels/node_labels");
    let names = labels(true).as_object().unwrap().keys().map(|name| format!("{name}-")).collect::<Vec<_>>();
    let mut unlabel = vec!["label", "node", "node-1", "gpu.intel.com/owner-"];
    unlabel.extend(names.iter().map(String::as_str));
    world.cluster.kubectl(&unlabel);
}

#[test]
fn a_node_feature_says_the_same_and_goes_with_its_pod() {
    let Some(world) = world() else { return };
    world.cluster.define_node_features();
    world.apply("gpu_labels/node_features");
    let feature = || world.json(&["get", "-n", "kube-system", "nodefeatures", "intel-gpu-node-1"]);
    let found = world.kubernetes.wait_for("a NodeFeature", || world.state(), feature);
    assert_eq!(found["spec"]["labels"], labels(true));
    assert_eq!(found["metadata"]["labels"]["nfd.node.kubernetes.io/node-name"], "node-1");
    world.remove("gpu_labels/node_features");
    world.kubernetes.wait_for(
        "the NodeFeature's end",
        || world.state(),
        || feature().is_none().then_some(()),
    );
}

#[test]
fn enclave_memory_is_registered_and_nodes_without_get_no_plugin() {
    let Some(world) = world() else { return };
    world.apply("sgx_plugin/overlays/epc-register");
    world.wait_for_rollout("sgx-node-init");
    let node = || world.json(&["get", "node", "node-1"]).unwrap_or_default();
    let capacity = world.kubernetes.wait_for(
        "sgx.intel.com/epc",
        || world.state(),
        || node()["status"]["capacity"]["sgx.intel.com/epc"].as_str().map(str::to_owned),
    );
    // This machine may have SGX or not: the label and the plugin follow.
    let is_capable = capacity != "0";
    let label = if is_capable { json!({"sgx.intel.com/capable": "true"}) } else { json!({}) };
    world.expect_labels("sgx.intel.com/capable", &label);
    let plugin = world.json(&["get", "-n", "kube-system", "daemonset", "intel-sgx-plugin"]).unwrap();
    assert_eq!(plugin["status"]["desiredNumberScheduled"], json!(i32::from(is_capable)));
    world.remove("sgx_plugin/overlays/epc-register");
}
