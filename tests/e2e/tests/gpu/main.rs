//! The GPU plugin on a real cluster: a simulated node with an i915 and an xe GPU, the real kubelet, containerd and runc.
//!
//! One cluster serves all tests, one after the other; each leaves the node as it found it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod chaos;

use std::fs;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use e2e::{Cluster, Kubernetes, Prerequisites, healthy, pod};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use serde_json::{Value, json};
use simulator::golden;

const DOMAIN: &str = "gpu.intel.com/";
const I915: &str = "gpu.intel.com/i915";
const XE: &str = "gpu.intel.com/xe";
const PLUGIN: &str = "intel-gpu-plugin";
/// What the node has when nobody has changed it.
const GPUS: [(&str, i64); 2] = [(I915, 1), (XE, 1)];
const FIRST_GPU: &str = "igpu as=card0 device=0xa780 driver=i915 card=0 render=128 monitor=HDMI-A-1";
const SECOND_GPU: &str = "arc-b580 as=card1 at=pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:01.0 pci=0000:03:00.0 card=1 \
                          render=129 bus=768 mei=1";
const THIRD_GPU: &str = "arc-b580 as=card2 at=pci0000:00 pci=0000:00:0a.0 card=2 render=130 bus=4096 mei=2";

/// The cluster with the plugin on it, for one test at a time; `None` where it can't be had.
fn cluster() -> Option<(MutexGuard<'static, Cluster>, Kubernetes)> {
    static CLUSTER: OnceLock<Option<Mutex<Cluster>>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| {
        let cluster = Cluster::start(&Prerequisites::find()?, "arc-b580-igpu", &[PLUGIN]);
        cluster.kubectl(&["apply", "-k", "deployments/gpu_plugin"]);
        Some(Mutex::new(cluster))
    });
    let mutex = cluster.as_ref()?;
    let cluster = mutex.lock().unwrap_or_else(PoisonError::into_inner);
    let kubernetes = cluster.kubernetes();
    if mutex.is_poisoned() {
        mutex.clear_poison();
        tidy_after_a_failure(&cluster);
    }
    kubernetes.wait_for_service_account();
    kubernetes.wait_for_daemonset(PLUGIN, || state(&cluster));
    kubernetes.wait_for_resources(DOMAIN, &healthy(&GPUS), || state(&cluster));
    Some((cluster, kubernetes))
}

/// Undoes what a test left behind that failed, so that the next one does not fail for it.
fn tidy_after_a_failure(cluster: &Cluster) {
    if !cluster.runs("kubelet") {
        cluster.start_again("kubelet");
    }
    cluster.kubectl(&["delete", "pods", "--selector=app!=intel-gpu-plugin", "--force", "--wait=false"]);
    for (device, words) in [("card0", FIRST_GPU), ("card1", SECOND_GPU)] {
        if !is_there(cluster, device) {
            cluster.node().add(words).unwrap();
        }
    }
    unplug_what_was_added(cluster);
}

fn is_there(cluster: &Cluster, device: &str) -> bool {
    cluster.node().devices().any(|found| found == device)
}

/// The node's own two GPUs stay.
fn unplug_what_was_added(cluster: &Cluster) {
    let mut node = cluster.node();
    let added = node.devices().filter(|name| !["card0", "card1"].contains(name));
    for device in added.map(str::to_owned).collect::<Vec<_>>() {
        node.remove(&device).unwrap();
    }
}

/// For failures.
fn state(cluster: &Cluster) -> String {
    let ask = |args: &[&str]| cluster.try_kubectl(args).unwrap_or_else(|error| error);
    let pods = ask(&["get", "pods", "-A", "-o", "wide"]);
    let log = ask(&["logs", "-l", "app=intel-gpu-plugin", "--tail=40"]);
    format!("{pods}\n--- the plugin's log\n{log}\n{}", cluster.logs())
}

fn container(pod: &Pod) -> ContainerStatus {
    pod.status.clone().unwrap().container_statuses.unwrap().remove(0)
}

fn name_of(pod: &Pod) -> String {
    pod.metadata.name.clone().unwrap()
}

/// Prints what a container sees in `/dev/dri`, and which minor numbers of DRM devices it may open, a name a line. (There is
/// no such device behind a simulated one, but it is asked for only after the container's permission.)
const LOOK: &str = r#"
look() { case $({ : <$1; } 2>&1) in *"not permitted"*) echo "$2 denied" ;; *) echo "$2" ;; esac; }
cd /dev/dri; for name in * by-path/*; do [ -d $name ] || look $name $name; done
for minor in 0 1 128 129; do /bin/busybox mknod /$minor c 226 $minor; look /$minor $minor; done
echo end"#;
const SEES_I915: &str = "card0\nrenderD128\nby-path/pci-0000:00:02.0-card\nby-path/pci-0000:00:02.0-render\n\
                         0\n1 denied\n128\n129 denied\n";
const SEES_XE: &str = "card1\nrenderD129\nby-path/pci-0000:03:00.0-card\nby-path/pci-0000:03:00.0-render\n\
                       0 denied\n1\n128 denied\n129\n";

/// The runtime's own filter of system calls lets it do so.
#[test]
fn the_plugin_confines_itself_in_its_container() {
    let Some((cluster, _kubernetes)) = cluster() else { return };
    let plugin = ["get", "pods", "-l", "app=intel-gpu-plugin", "-o", "jsonpath={.items[0].metadata.name}"];
    let page =
        format!("/api/v1/namespaces/default/pods/{}:9090/proxy/metrics", cluster.kubectl(&plugin).trim());
    let page = cluster.kubectl(&["get", "--raw", &page]);
    for by in ["landlock", "seccomp"] {
        let line = format!("device_plugin_confined{{by={by:?}}} 1");
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
}

#[test]
fn both_drivers_resources_are_allocatable() {
    let Some((_cluster, kubernetes)) = cluster() else { return };
    assert_eq!(kubernetes.resources(DOMAIN), healthy(&GPUS));
}

#[test]
fn a_pod_sees_its_own_gpu_and_nothing_of_the_other() {
    let Some((cluster, kubernetes)) = cluster() else { return };
    let cases = [("own-i915", I915, SEES_I915), ("own-xe", XE, SEES_XE)];
    for (name, resource, expected) in cases {
        kubernetes.run(&pod(name, &[(resource, 1)], LOOK), || state(&cluster));
        assert_eq!(kubernetes.output(name), expected);
    }
    for (name, _, _) in cases {
        kubernetes.delete(name);
    }
}

#[test]
fn top_on_the_node_says_which_pod_has_which_gpu() {
    let Some((cluster, kubernetes)) = cluster() else { return };
    kubernetes.run(&pod("holder", &[(XE, 1)], "echo end"), || state(&cluster));
    let found: Value = serde_json::from_str(&cluster.program_on_node(&["top", "-once", "-json"])).unwrap();
    kubernetes.delete("holder");
    let device = &found["devices"][0];
    let told = ["resource", "device", "at", "namespace", "pod", "container"]
        .map(|key| device[key].as_str().unwrap());
    assert_eq!(told, [XE, "card1-0", "0000:03:00.0", "default", "holder", "main"], "{found}");
    assert_eq!(found["free"], json!({I915: ["card0-0"], XE: []}));
    // Root sees all processes of the node, and whose they are.
    assert_eq!(found["notSeen"], json!([]));
}

#[test]
fn the_picture_of_a_pod_shows_what_a_cluster_says() {
    const SHOWN: &str = "../../docs/pictures/pod.txt";
    let Some((cluster, _kubernetes)) = cluster() else { return };
    let shown = fs::read_to_string(SHOWN).unwrap();
    let mut found = String::new();
    for command in shown.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let mut words = command.split(' ').map(|word| word.trim_matches('\''));
        let printed = match words.next() {
            Some("kubectl") => cluster.kubectl(&words.collect::<Vec<_>>()),
            Some("cat") => fs::read_to_string(format!("../../{}", words.next().unwrap())).unwrap(),
            _ => panic!("{command}"),
        };
        found.push_str(&format!("$ {command}\n{printed}"));
    }
    cluster.kubectl(&["delete", "pod", "first", "--now"]);
    golden(SHOWN, &found);
}

#[test]
fn hotplug_and_removal_reach_the_node() {
    let Some((cluster, kubernetes)) = cluster() else { return };
    for _ in 0..3 {
        cluster.node().add(THIRD_GPU).unwrap();
        kubernetes.wait_for_resources(DOMAIN, &healthy(&[(I915, 1), (XE, 2)]), || state(&cluster));
        cluster.node().remove("card2").unwrap();
        kubernetes.wait_for_resources(DOMAIN, &healthy(&GPUS), || state(&cluster));
    }
    cluster.node().remove("card1").unwrap();
    kubernetes.wait_for_resources(DOMAIN, &healthy(&[(I915, 1)]), || state(&cluster));
    cluster.node().add(SECOND_GPU).unwrap();
    kubernetes.wait_for_resources(DOMAIN, &healthy(&GPUS), || state(&cluster));

    // With the last GPU goes /dev/dri, and the plugin's mount is of a dead folder.
    cluster.node().remove("card0").unwrap();
    cluster.node().remove("card1").unwrap();
    kubernetes.wait_for_resources(DOMAIN, &healthy(&[]), || state(&cluster));
    cluster.node().add(FIRST_GPU).unwrap();
    cluster.node().add(SECOND_GPU).unwrap();
    kubernetes.wait_for_resources(DOMAIN, &healthy(&GPUS), || state(&cluster));
}

#[test]
fn no_resource_is_lost_in_ten_kubelet_restarts() {
    let Some((cluster, kubernetes)) = cluster() else { return };
    let plugin = kubernetes.pods_of(PLUGIN).remove(0);
    for round in 0..10 {
        eprintln!("kubelet restart {} of 10", round + 1);
        cluster.stop("kubelet");
        // Every other restart with a change while the kubelet is away, the others with one after it is back.
        let away = round % 2 == 0;
        if away {
            cluster.node().add(THIRD_GPU).unwrap();
        }
        cluster.start_again("kubelet");
        kubernetes.wait_for_kubelet(&name_of(&plugin), || state(&cluster));
        let now = if away { [(I915, 1), (XE, 2)] } else { GPUS };
        kubernetes.wait_for_resources(DOMAIN, &healthy(&now), || state(&cluster));
        let name = format!("restart-{round}");
        let asks = if away { 2 } else { 1 };
        kubernetes.run(&pod(&name, &[(I915, 1), (XE, asks)], "true"), || state(&cluster));
        kubernetes.delete(&name);
        if away {
            cluster.node().remove("card2").unwrap();
        } else {
            cluster.node().add(THIRD_GPU).unwrap();
            kubernetes.wait_for_resources(DOMAIN, &healthy(&[(I915, 1), (XE, 2)]), || state(&cluster));
            cluster.node().remove("card2").unwrap();
        }
        kubernetes.wait_for_resources(DOMAIN, &healthy(&GPUS), || state(&cluster));
    }
    let after = kubernetes.pods_of(PLUGIN).remove(0);
    assert_eq!(
        container(&after).restart_count,
        container(&plugin).restart_count,
        "the plugin survives it all"
    );
}

#[test]
fn running_pods_outlive_the_plugin() {
    let Some((cluster, kubernetes)) = cluster() else { return };
    let before = kubernetes.run(&pod("stays", &[(XE, 1)], "true"), || state(&cluster));
    let restarts = container(&kubernetes.pods_of(PLUGIN).remove(0)).restart_count;

    assert_eq!(cluster.kill("intel_gpu_device_plugin"), 1);
    kubernetes.wait_for(
        "a restarted plugin",
        || state(&cluster),
        || {
            let status = container(&kubernetes.pods_of(PLUGIN).pop()?);
            (status.restart_count > restarts && status.ready).then_some(())
        },
    );
    kubernetes.wait_for_resources(DOMAIN, &healthy(&GPUS), || state(&cluster));
    kubernetes.run(&pod("after-kill", &[(I915, 1)], LOOK), || state(&cluster));
    assert_eq!(kubernetes.output("after-kill"), SEES_I915);

    cluster.kubectl(&["rollout", "restart", "daemonset", PLUGIN]);
    kubernetes.wait_for_daemonset(PLUGIN, || state(&cluster));
    kubernetes.wait_for_resources(DOMAIN, &healthy(&GPUS), || state(&cluster));
    kubernetes.delete("after-kill");
    kubernetes.run(&pod("after-rollout", &[(I915, 1)], LOOK), || state(&cluster));
    assert_eq!(kubernetes.output("after-rollout"), SEES_I915);

    let after = kubernetes.pod("stays").unwrap();
    assert_eq!(container(&after).container_id, container(&before).container_id);
    assert_eq!(container(&after).restart_count, 0);
    let sees = cluster.kubectl(&["exec", "stays", "--", "/bin/sh", "-c", LOOK]);
    assert_eq!(sees, format!("{SEES_XE}end\n"));
    kubernetes.delete("after-rollout");
    kubernetes.delete("stays");
}
