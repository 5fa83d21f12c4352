//! What the cluster is full of, as large as in real ones: nodes with Node Feature Discovery, the plugins' pods, and others.

use serde_json::{Map, Value, json};

use super::cluster::NAMESPACE;

/// Resources of all families, and how many devices a node has of each.
const RESOURCES: [(&str, u32); 12] = [
    ("dlb.intel.com/pf", 2),
    ("dsa.intel.com/wq-user-shared", 80),
    ("fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6", 1),
    ("gpu.intel.com/i915", 80),
    ("gpu.intel.com/i915_monitoring", 1),
    ("iaa.intel.com/wq-user-dedicated", 8),
    ("npu.intel.com/accel", 1),
    ("qat.intel.com/cy", 32),
    ("qat.intel.com/dc", 32),
    ("sgx.intel.com/enclave", 110),
    ("sgx.intel.com/epc", 2_147_483_648),
    ("sgx.intel.com/provision", 110),
];
const FEATURES: [&str; 40] = [
    "ADX",
    "AESNI",
    "AMXBF16",
    "AMXINT8",
    "AMXTILE",
    "AVX",
    "AVX2",
    "AVX512BF16",
    "AVX512BITALG",
    "AVX512BW",
    "AVX512CD",
    "AVX512DQ",
    "AVX512F",
    "AVX512FP16",
    "AVX512IFMA",
    "AVX512VBMI",
    "AVX512VBMI2",
    "AVX512VL",
    "AVX512VNNI",
    "AVX512VPOPCNTDQ",
    "CETIBT",
    "CETSS",
    "CLDEMOTE",
    "CMPXCHG8",
    "ENQCMD",
    "FMA3",
    "FSRM",
    "FXSR",
    "GFNI",
    "HRESET",
    "IBPB",
    "LAHF",
    "MOVBE",
    "MOVDIR64B",
    "MOVDIRI",
    "OSXSAVE",
    "SERIALIZE",
    "SHA",
    "VAES",
    "WBNOINVD",
];
const DEVICES: [&str; 8] = ["dlb", "dsa", "fpga-arria10", "gpu", "iaa", "npu", "qat", "sgx"];
const TIME: &str = "2026-01-01T00:00:00Z";
/// How many images a kubelet reports.
const IMAGES: usize = 50;

pub(crate) fn node_name(number: usize) -> String {
    format!("node-{number:05}")
}

/// A node of 15 kB.
pub(crate) fn node(number: usize) -> Value {
    let name = node_name(number);
    let mut labels = Map::new();
    for feature in FEATURES {
        labels.insert(format!("feature.node.kubernetes.io/cpu-cpuid.{feature}"), "true".into());
    }
    for device in DEVICES {
        labels.insert(format!("intel.feature.node.kubernetes.io/{device}"), "true".into());
    }
    for (key, value) in [("arch", "amd64"), ("os", "linux"), ("hostname", &name)] {
        labels.insert(format!("kubernetes.io/{key}"), value.into());
    }
    let mut amounts = Map::new();
    for (resource, count) in
        [("cpu", "224"), ("ephemeral-storage", "1843269236Ki"), ("memory", "1056437612Ki"), ("pods", "110")]
    {
        amounts.insert(resource.to_owned(), count.into());
    }
    for (resource, count) in RESOURCES {
        amounts.insert(resource.to_owned(), count.to_string().into());
    }
    let images: Vec<Value> = (0..IMAGES)
        .map(|image| {
            let repository = format!("registry.example.com/platform/component-{image:02}");
            let digest = digest(image);
            json!({"names": [format!("{repository}@{digest}"), format!("{repository}:v1.{image}.0")],
                   "sizeBytes": 100_000_000 + image * 1_234_567})
        })
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {
            "nfd.node.kubernetes.io/feature-labels": FEATURES.map(|feature| format!("cpu-cpuid.{feature}")).join(","),
            "volumes.kubernetes.io/controller-managed-attach-detach": "true"}},
        "spec": {"podCIDR": "10.244.0.0/24", "providerID": format!("example://{name}")},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address(number)}, {"type": "Hostname", "address": name}],
            "capacity": amounts, "allocatable": amounts, "conditions": conditions(TIME), "images": images,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {"architecture": "amd64", "bootID": "9f1b5e4c-6f51-4f5f-8f3e-6d8f3b1f9a10",
                "containerRuntimeVersion": "containerd://2.1.4", "kernelVersion": "6.8.0-60-generic",
                "kubeProxyVersion": "", "kubeletVersion": "v1.36.3", "machineID": "3c1f2b6d7a8e4f0c9b5d6e7f8a9b0c1d",
                "operatingSystem": "linux", "osImage": "Ubuntu 24.04.2 LTS",
                "systemUUID": "4c4c4544-0051-3510-8052-b4c04f4a3333"}},
    })
}

/// What a kubelet says every five minutes of a node that goes on well.
pub(crate) fn heartbeat(time: &str) -> Value {
    json!({"status": {"conditions": conditions(time)}})
}

fn conditions(time: &str) -> Value {
    let kinds =
        [("MemoryPressure", "False"), ("DiskPressure", "False"), ("PIDPressure", "False"), ("Ready", "True")];
    let conditions = kinds.map(|(kind, status)| {
        json!({"type": kind, "status": status, "lastHeartbeatTime": time, "lastTransitionTime": TIME,
               "reason": format!("KubeletHas{kind}"), "message": format!("kubelet says {status} of {kind}")})
    });
    conditions.into()
}

/// A pod of a DaemonSet as its controller makes it, already on its node.
pub(crate) fn pod(daemonset: &Value, number: usize) -> Value {
    let at = |path: &str| daemonset.pointer(path).cloned().unwrap_or_default();
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": at("/spec/template/metadata"),
                         "spec": at("/spec/template/spec")});
    let owner = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": at("/metadata/name"),
                       "uid": at("/metadata/uid"), "controller": true, "blockOwnerDeletion": true});
    let tolerations: Vec<Value> =
        ["not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"]
            .map(|taint| json!({"key": format!("node.kubernetes.io/{taint}"), "operator": "Exists"}))
            .into();
    let term =
        json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node_name(number)]}]});
    merge(
        &mut pod,
        &json!({
            "metadata": {
                "name": pod_name(daemonset, number),
                "namespace": NAMESPACE,
                "labels": {"controller-revision-hash": "6d4cf56db6", "pod-template-generation": "1"},
                "ownerReferences": [owner],
            },
            "spec": {
                "nodeName": node_name(number),
                "tolerations": tolerations,
                "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}},
            },
        }),
    );
    pod
}

pub(crate) fn pod_name(daemonset: &Value, number: usize) -> String {
    let name = daemonset.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    format!("{name}-{number:05}")
}

/// A pod of somebody else's, in a namespace of others.
pub(crate) fn foreign_pod(number: usize, nodes: usize) -> Value {
    let container = json!({"name": "main", "image": "registry.example.com/shop/service:v1.2.3",
        "env": (0..20).map(|n| json!({"name": format!("SETTING_{n}"), "value": "a value of some length"})).collect::<Vec<_>>(),
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}});
    json!({"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": format!("service-{number:05}"), "labels": {"app": "service", "team": "shop"}},
           "spec": {"nodeName": node_name(number % nodes), "containers": [container]}})
}

/// What a kubelet says of a pod that runs.
pub(crate) fn running(pod: &Value, number: usize) -> Value {
    let containers = |list: &str| -> Vec<Value> {
        let containers = pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
        let status = |container: &Value| {
            let at = |name: &str| container.get(name).cloned().unwrap_or_default();
            json!({"name": at("name"), "image": at("image"), "imageID": digest(number), "ready": true, "restartCount": 0,
                   "containerID": format!("containerd://{}", digest(number)), "state": {"running": {"startedAt": TIME}}})
        };
        containers.into_iter().flatten().map(status).collect()
    };
    let mut status = ready(true);
    merge(
        &mut status,
        &json!({"status": {
            "phase": "Running", "hostIP": address(number), "podIP": address(number), "podIPs": [{"ip": address(number)}],
            "hostIPs": [{"ip": address(number)}], "startTime": TIME,
            "containerStatuses": containers("containers"), "initContainerStatuses": containers("initContainers"),
        }}),
    );
    status
}

/// What a kubelet says when a pod becomes ready or unready.
pub(crate) fn ready(is_ready: bool) -> Value {
    let kinds = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];
    let conditions = kinds.map(|kind| {
        let is_true = is_ready || !kind.contains("Ready") || kind.starts_with("Pod");
        json!({"type": kind, "status": if is_true { "True" } else { "False" }, "lastTransitionTime": TIME})
    });
    json!({"status": {"conditions": conditions}})
}

/// What the DaemonSet's controller counts.
pub(crate) fn counts(generation: &Value, nodes: usize, ready: usize) -> Value {
    json!({"status": {"observedGeneration": generation, "desiredNumberScheduled": nodes, "currentNumberScheduled": nodes,
        "updatedNumberScheduled": nodes, "numberReady": ready, "numberAvailable": ready, "numberUnavailable": nodes - ready,
        "numberMisscheduled": 0}})
}

fn address(number: usize) -> String {
    format!("10.{}.{}.{}", 64 + number / 65_536, number / 256 % 256, number % 256)
}

fn digest(number: usize) -> String {
    format!("sha256:{number:064x}")
}

/// As RFC 7386 says, for patches without null.
fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key.as_str()).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}
