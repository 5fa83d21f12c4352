//! What init containers make of a node that nobody has configured: they and the plugins on a real cluster, on the simulated
//! kernel.
//!
//! One cluster serves all tests, one after the other; each has devices of its own.

use std::sync::MutexGuard;

use e2e::{Cluster, Kubernetes, SharedCluster, healthy, pod};
use serde_json::Value;

const IMAGES: [&str; 8] = [
    "intel-device-plugins",
    "intel-dlb-plugin",
    "intel-dlb-initcontainer",
    "intel-dsa-plugin",
    "intel-iaa-plugin",
    "intel-idxd-config-initcontainer",
    "intel-qat-plugin",
    "intel-qat-initcontainer",
];

/// A cluster, and its client, for one test at a time.
struct World {
    cluster: MutexGuard<'static, Cluster>,
    kubernetes: Kubernetes,
}

/// `None` where no cluster can be had.
fn world() -> Option<World> {
    static CLUSTER: SharedCluster = SharedCluster::new();
    let (cluster, kubernetes) = CLUSTER.take("xeon-unconfigured", &IMAGES)?;
    Some(World { cluster, kubernetes })
}

impl World {
    fn deploy(&self, family: &str) {
        let folder = format!("deployments/{family}_plugin/overlays/{family}_initcontainer");
        self.cluster.kubectl(&["apply", "-k", &folder]);
    }

    /// What a command of a pod on the node says that ends so.
    fn debug(&self, phase: &str, words: &[&str]) -> String {
        let image = "--image=intel/intel-device-plugins:devel";
        let debug = ["debug", "node/node-1", "--profile=sysadmin", "--attach=false", image, "--"];
        self.cluster.kubectl(&[&debug[..], &["intel-device-plugins"], words].concat());
        let pods = self.cluster.kubectl(&["get", "pods", "-o", "name"]);
        let pod = pods.lines().find(|pod| pod.contains("node-debugger")).unwrap_or_default();
        let ended = format!("--for=jsonpath={{.status.phase}}={phase}");
        self.cluster.kubectl(&["wait", pod, &ended, "--timeout=60s"]);
        self.cluster.kubectl(&["logs", pod])
    }

    fn expect(&self, family: &str, resources: &[(&str, i64)]) {
        let domain = format!("{family}.intel.com/");
        self.kubernetes.wait_for_resources(&domain, &healthy(resources), || self.state());
    }

    /// A pod can have one of each.
    fn use_one(&self, resources: &[(&str, i64)]) {
        let requests: Vec<(&str, u32)> = resources.iter().map(|(name, _)| (*name, 1)).collect();
        self.kubernetes.run(&pod("user", &requests, "true"), || self.state());
        self.kubernetes.delete("user");
    }

    /// What the init container said.
    fn log(&self, family: &str, container: &str) -> String {
        let label = format!("app=intel-{family}-plugin");
        let args = ["logs", "-l", &label, "-c", container, "--tail=-1"];
        self.cluster.try_kubectl(&args).unwrap_or_else(|error| error)
    }

    /// For failures.
    fn state(&self) -> String {
        let ask = |args: &[&str]| self.cluster.try_kubectl(args).unwrap_or_else(|error| error);
        let pods = ask(&["get", "pods", "-A", "-o", "wide"]);
        let logs =
            ask(&["logs", "-l", "app", "--tail=30", "--prefix", "--all-containers", "--ignore-errors"]);
        format!("{pods}\n--- the plugins' logs\n{logs}\n{}", self.cluster.logs())
    }
}

/// One queue of each mode.
const QUEUES: &str = r#"[{"dev": "dsaX", "groups": [{
  "dev": "groupX.0", "grouped_engines": [{"dev": "engineX.0"}],
  "grouped_workqueues": [
    {"dev": "wqX.0", "type": "user", "name": "one", "mode": "dedicated", "size": 16, "priority": 10},
    {"dev": "wqX.1", "type": "user", "name": "two", "mode": "shared", "size": 32, "threshold": 24, "priority": 5}
  ]}]}]"#;

/// By the command of `docs/troubleshooting.md`, without a terminal.
#[test]
fn a_plan_can_be_seen_on_the_node_before_it_is_carried_out() {
    let Some(world) = world() else { return };
    let log = world.debug("Succeeded", &["setup", "qat", "-dry-run", "-prefix", "/host"]);
    assert!(log.contains("/sys/bus/pci/devices/0000:6b:00.0/sriov_numvfs"), "{log}");
    let count = world.cluster.kernel.host().read("/sys/bus/pci/devices/0000:6b:00.0/sriov_numvfs").unwrap();
    assert_eq!(count.trim(), "0", "nothing was written");
}

/// By the command of `docs/doctor.md`, without a terminal.
#[test]
fn a_node_can_be_checked_and_says_what_it_lacks() {
    let Some(world) = world() else { return };
    world.cluster.kubectl(&["apply", "-k", "deployments/dlb_plugin"]);
    world.expect("dlb", &[("dlb.intel.com/pf", 2)]);
    // It ends with 2 where something is wrong.
    let log = world.debug("Failed", &["doctor", "-root", "/host", "-json"]);
    let report: Value = serde_json::from_str(&log).unwrap_or_else(|error| panic!("{error}: {log}"));
    let check = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {log}"))
    };
    let fine = |name: &str| check(name)["fine"].to_string();
    let found = |name: &str| -> Vec<&str> {
        let findings = check(name)["findings"].as_array().unwrap();
        findings.iter().map(|finding| finding["id"].as_str().unwrap()).collect()
    };
    assert!(fine("kubelet").contains("kubelet.sock answers"), "{log}");
    // It runs as root and with the node's processes, of which one is the plugin.
    assert!(fine("plugins").contains("one each of dlb"), "{log}");
    assert_eq!(found("qat"), ["qat-no-virtual-functions"], "{log}");
    assert!(!found("offers").contains(&"offer-not-taken"), "{log}");
}

#[test]
fn virtual_functions_and_work_queues_are_made_and_offered() {
    let Some(world) = world() else { return };
    let literal = format!("--from-literal=dsa.conf={QUEUES}");
    world.cluster.kubectl(&["create", "configmap", "intel-dsa-config", &literal]);
    for (family, resources) in [
        ("dlb", &[("dlb.intel.com/pf", 1), ("dlb.intel.com/vf", 1)][..]),
        ("dsa", &[("dsa.intel.com/wq-user-dedicated", 4), ("dsa.intel.com/wq-user-shared", 4)]),
        // As the built-in file says.
        ("iaa", &[("iaa.intel.com/wq-user-dedicated", 16)]),
    ] {
        world.deploy(family);
        world.expect(family, resources);
        world.use_one(resources);
    }
}

/// The kernel enables no virtual functions of a QAT that has no IOMMU group.
#[test]
fn what_the_kernel_refuses_is_said_and_tried_again() {
    let Some(world) = world() else { return };
    world.cluster.node().delete("/sys/bus/pci/devices/0000:ed:00.0/iommu_group").unwrap();
    world.deploy("qat");
    let refused = "/sys/bus/pci/devices/0000:ed:00.0/sriov_numvfs";
    world.kubernetes.wait_for(
        "a line that says what the kernel refused",
        || world.state(),
        || {
            let log = world.log("qat", "intel-qat-initcontainer");
            let line =
                log.lines().find(|line| line.contains(refused) && line.contains("Invalid argument"))?;
            assert!(line.contains("is the IOMMU on"), "{line}");
            Some(())
        },
    );
    world.cluster.node().remove("qat3").unwrap();
    let resources = [("qat.intel.com/cy", 32), ("qat.intel.com/dc", 16)];
    world.expect("qat", &resources);
    world.use_one(&resources);
    // What the init container has prepared, the plugin can bind again without its rights.
    let host = world.cluster.kernel.host();
    host.write("/sys/bus/pci/drivers/vfio-pci/unbind", "0000:6b:00.1").unwrap();
    let bound = || host.link_name("/sys/bus/pci/devices/0000:6b:00.1/driver").ok();
    world.kubernetes.wait_for(
        "the driver of 0000:6b:00.1",
        || world.state(),
        || (bound()? == "vfio-pci").then_some(()),
    );
    world.expect("qat", &resources);
}
