//! The overlays in which the Level-Zero sidecar runs: in the plugin's pod, or in one of its own.

use serde_json::{Value, json};

use crate::{containers, daemon_sets};
use kustomize::list;

/// Of its container, and of its DaemonSet where it has one.
pub(crate) const NAME: &str = "intel-gpu-levelzero";

/// Where the sidecar listens and the plugin asks, by default.
const SOCKETS: &str = "/var/lib/levelzero";

/// The pods of an overlay of the GPU plugin.
fn pods(overlay: &str) -> Vec<Value> {
    let folder = format!("gpu_plugin/overlays/{overlay}");
    let sets = daemon_sets().into_iter().filter(|(of, _)| *of == folder);
    sets.map(|(_, set)| set["spec"]["template"]["spec"].clone()).collect()
}

/// A container, with its pod.
fn container<'a>(pods: &'a [Value], name: &str) -> (&'a Value, &'a Value) {
    let all = pods.iter().flat_map(|pod| containers(pod).map(move |(container, _)| (pod, container)));
    all.into_iter().find(|(_, container)| container["name"] == name).unwrap()
}

/// The mount at this path, and the volume without its name.
fn mount(pod: &Value, container: &Value, path: &str) -> (Value, Value) {
    let mount = list(&container["volumeMounts"]).iter().find(|mount| mount["mountPath"] == path);
    let mount = mount.unwrap_or_else(|| panic!("{} has no {path}", container["name"])).clone();
    let volume = list(&pod["volumes"]).iter().find(|volume| volume["name"] == mount["name"]);
    let mut volume = volume.unwrap().clone();
    volume.as_object_mut().unwrap().remove("name");
    (mount, volume)
}

#[test]
fn plugin_and_sidecar_share_the_folder_of_the_socket_and_only_the_sidecar_writes_there() {
    for overlay in ["levelzero", "health", "wsl", "health_unprivileged"] {
        let pods = pods(overlay);
        let (plugin_pod, plugin) = container(&pods, "intel-gpu-plugin");
        let (sidecar_pod, sidecar) = container(&pods, NAME);
        let (asks, asked) = (mount(plugin_pod, plugin, SOCKETS), mount(sidecar_pod, sidecar, SOCKETS));
        assert_eq!(asks.1, asked.1, "{overlay}");
        assert_eq!(asks.0["readOnly"], json!(true), "{overlay}");
        assert_eq!(asked.0["readOnly"], Value::Null, "{overlay}");
        // A folder of the pod is not seen from another one.
        let expected = if plugin_pod == sidecar_pod {
            json!({"emptyDir": {}})
        } else {
            json!({"hostPath": {"path": SOCKETS, "type": "DirectoryOrCreate"}})
        };
        assert_eq!(asked.1, expected, "{overlay}");
    }
}

#[test]
fn without_privileges_the_sidecar_asks_for_what_the_plugin_beside_it_offers() {
    let pods = pods("health_unprivileged");
    let (_, plugin) = container(&pods, "intel-gpu-plugin");
    for flag in ["-enable-monitoring", "-health-management"] {
        assert!(list(&plugin["args"]).contains(&json!(flag)), "{flag}");
    }
    let (pod, sidecar) = container(&pods, NAME);
    assert!(sidecar["securityContext"]["privileged"].is_null());
    assert_eq!(sidecar["resources"]["limits"]["gpu.intel.com/monitoring"], json!(1));
    // Where there are no GPUs it would wait for ever.
    assert_eq!(pod["nodeSelector"]["intel.feature.node.kubernetes.io/gpu"], "true");
    // A folder that the kubelet makes is root's.
    assert_eq!(sidecar["securityContext"]["runAsUser"], json!(0));
}

#[test]
fn below_windows_both_know_it_and_have_what_they_need() {
    let pods = pods("wsl");
    let (pod, plugin) = container(&pods, "intel-gpu-plugin");
    let (_, sidecar) = container(&pods, NAME);
    for container in [plugin, sidecar] {
        assert!(list(&container["args"]).contains(&json!("-wsl")), "{}", container["name"]);
    }
    // Not there below Windows, and nothing can make it.
    assert!(!list(&pod["volumes"]).iter().any(|volume| volume["hostPath"]["path"] == "/sys/class/drm"));
    // All other device nodes, /dev/dxg too, come by being privileged.
    assert_eq!(sidecar["securityContext"]["privileged"], json!(true));
    for (container, path) in [(plugin, "/dev/dxg"), (sidecar, "/usr/lib/wsl")] {
        let (mount, volume) = mount(pod, container, path);
        assert_eq!((&mount["readOnly"], &volume["hostPath"]["path"]), (&json!(true), &json!(path)));
    }
}
