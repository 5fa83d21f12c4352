//! The sample objects give a node of every family.

use std::fs;

use e2e::pod;
use serde_json::{Value, json};

use crate::world::{FAMILIES, NAMESPACE, plural, world};

/// A resource of each family that comes of its sample, and how many.
const RESOURCES: [(&str, i64); 8] = [
    ("dlb.intel.com/vf", 1),
    ("dsa.intel.com/wq-user-dedicated", 16),
    ("fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6", 1),
    ("gpu.intel.com/i915", 80),
    ("iaa.intel.com/wq-user-dedicated", 16),
    ("npu.intel.com/accel", 1),
    ("qat.intel.com/cy", 1),
    ("sgx.intel.com/enclave", 110),
];

#[test]
fn sample_objects_give_a_working_node_of_every_family() {
    let Some(world) = world() else { return };
    world.boot();
    let labels = FAMILIES.map(|family| {
        let feature = if family == "fpga" { "fpga-arria10" } else { family };
        format!("intel.feature.node.kubernetes.io/{feature}=true")
    });
    let mut label = vec!["label", "node", "node-1", "--overwrite"];
    label.extend(labels.iter().map(String::as_str));
    world.cluster.kubectl(&label);
    for family in FAMILIES {
        let file = format!("../../deployments/operator/samples/deviceplugin_v1_{family}deviceplugin.yaml");
        world.apply(&fs::read_to_string(file).unwrap());
    }
    for (family, (resource, count)) in FAMILIES.into_iter().zip(RESOURCES) {
        let name = format!("{family}deviceplugin-sample");
        world.expect_condition(family, &name, "Available", "True", "AllReady");
        world.expect_condition(family, &name, "Degraded", "False", "");
        let status = &world.object(family, &name).unwrap()["status"];
        assert_eq!(status["nodeNames"], json!(["node-1"]), "{family}");
        assert_eq!(status["desiredNumberScheduled"], status["numberReady"], "{family}");
        world.wait(resource, || {
            (world.kubernetes.resources(resource).get(resource) == Some(&(count, count))).then_some(())
        });
    }
    // What a pod asks for, and gets. Of FPGA, the webhook has to know it.
    for (resource, _) in RESOURCES.into_iter().filter(|(name, _)| !name.starts_with("fpga")) {
        world.kubernetes.run(&pod("user", &[(resource, 1)], "true"), || world.state());
        world.kubernetes.delete("user");
    }
    for family in FAMILIES {
        world.cluster.kubectl(&["delete", &plural(family), "--all", "--timeout=60s"]);
    }
    world.wait("no DaemonSet", || world.daemonsets().is_empty().then_some(()));
}

#[test]
fn each_kind_lists_what_an_admin_looks_for() {
    let Some(world) = world() else { return };
    world.apply("{apiVersion: deviceplugin.intel.com/v1, kind: NpuDevicePlugin, metadata: {name: listed}}");
    world.expect_condition("npu", "listed", "Available", "True", "AllReady");
    let table = world.cluster.kubectl(&["get", &plural("npu")]);
    let words: Vec<&str> = table.split_whitespace().collect();
    assert_eq!(words[..7], ["NAME", "DESIRED", "READY", "NODE", "SELECTOR", "AGE", "listed"]);
    assert_eq!(words[7..9], ["1", "1"]);
    let pods = world.json(&["get", "pods", "-n", NAMESPACE, "-l", "app=intel-npu-plugin"]).unwrap();
    let pod = &pods["items"][0]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], Value::Bool(false));
    world.cluster.kubectl(&["delete", &plural("npu"), "listed", "--timeout=60s"]);
}
