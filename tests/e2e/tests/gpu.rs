//! The GPU plugin on a real cluster: a simulated node with an i915 and an xe GPU, the real kubelet, containerd and runc.
//!
//! One cluster serves all tests, one after the other; each leaves the node as it found it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use e2e::{Cluster, Kubernetes, Prerequisites, pod};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

const I915: &str = "gpu.intel.com/i915";
const XE: &str = "gpu.intel.com/xe";
const PLUGIN: &str = "intel-gpu-plugin";
/// What the node has when nobody has changed it.
const GPUS: [(&str, i64); 2] = [("i915", 1), ("xe", 1)];
const THIRD_GPU: &str = "arc-b580 as=card2 at=pci0000:00 pci=0000:00:0a.0 card=2 render=130 bus=4096 mei=2";

/// The cluster with the plugin on it, for one test at a time; `None` where it can't be had.
fn cluster() -> Option<(MutexGuard<'static, Cluster>, Kubernetes)> {
    static CLUSTER: OnceLock<Option<Mutex<Cluster>>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| {
        let cluster = Cluster::start(&Prerequisites::find()?, "arc-b580-igpu");
        cluster.kubectl(&["apply", "-k", "deployments/gpu_plugin"]);
        Some(Mutex::new(cluster))
    });
    let cluster = cluster.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
    let kubernetes = cluster.kubernetes();
    kubernetes.wait_for_service_account();
    kubernetes.wait_for_daemonset(PLUGIN, || state(&cluster));
    kubernetes.wait_for_gpus(&GPUS, || state(&cluster));
    Some((cluster, kubernetes))
}

/// For failures.
fn state(cluster: &Cluster) -> String {
    let pods = cluster.kubectl(&["get", "pods", "-A", "-o", "wide"]);
    let log = cluster.kubectl(&["logs", "-l", "app=intel-gpu-plugin", "--tail=40"]);
    format!("{pods}\n--- the plugin's log\n{log}\n{}", cluster.logs())
}

fn container(pod: &Pod) -> ContainerStatus {
    pod.status.clone().unwrap().container_statuses.unwrap().remove(0)
}

fn name_of(pod: &Pod) -> String {
    pod.metadata.name.clone().unwrap()
}

/// What a pod's container sees in `/dev/dri`, a name a line.
const LIST: &str = "cd /dev/dri; for f in * by-path/*; do [ -d $f ] || echo $f; done; echo end";

#[test]
fn both_drivers_resources_are_allocatable() {
    let Some((_cluster, kubernetes)) = cluster() else { return };
    let counts = kubernetes.gpus();
    assert_eq!(
        counts.into_iter().collect::<Vec<_>>(),
        GPUS.map(|(name, count)| (name.to_owned(), (count, count)))
    );
}

#[test]
fn a_pod_sees_its_own_gpu_and_nothing_of_the_other() {
    let Some((cluster, kubernetes)) = cluster() else { return };
    let cases = [
        ("own-i915", I915, "card0 renderD128 by-path/pci-0000:00:02.0-card by-path/pci-0000:00:02.0-render"),
        ("own-xe", XE, "card1 renderD129 by-path/pci-0000:03:00.0-card by-path/pci-0000:03:00.0-render"),
    ];
    for (name, resource, expected) in cases {
        kubernetes.run(&pod(name, &[(resource, 1)], LIST), || state(&cluster));
        let seen = kubernetes.output(name);
        assert_eq!(seen.split_whitespace().collect::<Vec<_>>().join(" "), expected);
    }
    for (name, _, _) in cases {
        kubernetes.delete(name);
    }
}

#[test]
fn hotplug_and_removal_reach_the_node() {
    let Some((mut cluster, kubernetes)) = cluster() else { return };
    for _ in 0..3 {
        cluster.node.add(THIRD_GPU).unwrap();
        kubernetes.wait_for_gpus(&[("i915", 1), ("xe", 2)], || state(&cluster));
        cluster.node.remove("card2").unwrap();
        kubernetes.wait_for_gpus(&GPUS, || state(&cluster));
    }
    cluster.node.remove("card1").unwrap();
    kubernetes.wait_for_gpus(&[("i915", 1)], || state(&cluster));
    let back = "arc-b580 as=card1 at=pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:01.0 pci=0000:03:00.0 card=1 render=129 \
                bus=768 mei=1";
    cluster.node.add(back).unwrap();
    kubernetes.wait_for_gpus(&GPUS, || state(&cluster));
}

#[test]
fn no_resource_is_lost_in_ten_kubelet_restarts() {
    let Some((mut cluster, kubernetes)) = cluster() else { return };
    let plugin = kubernetes.pods_of(PLUGIN).remove(0);
    for round in 0..10 {
        eprintln!("kubelet restart {} of 10", round + 1);
        cluster.stop("kubelet");
        // Every other restart with a change while the kubelet is away, the others with one after it is back.
        let away = round % 2 == 0;
        if away {
            cluster.node.add(THIRD_GPU).unwrap();
        }
        cluster.start_again("kubelet");
        kubernetes.wait_for_kubelet(&name_of(&plugin), || state(&cluster));
        let now = if away { [("i915", 1), ("xe", 2)] } else { GPUS };
        kubernetes.wait_for_gpus(&now, || state(&cluster));
        let name = format!("restart-{round}");
        let asks = if away { 2 } else { 1 };
        kubernetes.run(&pod(&name, &[(I915, 1), (XE, asks)], "true"), || state(&cluster));
        kubernetes.delete(&name);
        if away {
            cluster.node.remove("card2").unwrap();
        } else {
            cluster.node.add(THIRD_GPU).unwrap();
            kubernetes.wait_for_gpus(&[("i915", 1), ("xe", 2)], || state(&cluster));
            cluster.node.remove("card2").unwrap();
        }
        kubernetes.wait_for_gpus(&GPUS, || state(&cluster));
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
    let before = kubernetes.run(&pod("stays", &[(XE, 1)], LIST), || state(&cluster));
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
    kubernetes.wait_for_gpus(&GPUS, || state(&cluster));
    kubernetes.run(&pod("after-kill", &[(I915, 1)], LIST), || state(&cluster));

    cluster.kubectl(&["rollout", "restart", "daemonset", PLUGIN]);
    kubernetes.wait_for_daemonset(PLUGIN, || state(&cluster));
    kubernetes.wait_for_gpus(&GPUS, || state(&cluster));
    kubernetes.delete("after-kill");
    kubernetes.run(&pod("after-rollout", &[(I915, 1)], LIST), || state(&cluster));

    let after = kubernetes.pod("stays").unwrap();
    assert_eq!(container(&after).container_id, container(&before).container_id);
    assert_eq!(container(&after).restart_count, 0);
    kubernetes.delete("after-rollout");
    kubernetes.delete("stays");
}
