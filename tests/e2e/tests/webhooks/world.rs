//! The cluster that all tests share, and what they ask of it.

use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use e2e::{Cluster, Kubernetes, SharedCluster};
use serde_json::{Value, json};

const IMAGES: [&str; 5] = [
    "intel-sgx-admissionwebhook",
    "intel-fpga-admissionwebhook",
    "intel-sgx-plugin",
    "intel-fpga-plugin",
    "intel-fpga-initcontainer",
];

/// A cluster, and its client, for one test at a time.
pub(crate) struct World {
    pub(crate) cluster: MutexGuard<'static, Cluster>,
    pub(crate) kubernetes: Kubernetes,
}

/// One of the webhooks, as its kustomization names it.
#[derive(Clone, Copy)]
pub(crate) struct Deployed {
    pub(crate) folder: &'static str,
    pub(crate) namespace: &'static str,
    /// What kustomize puts before all names.
    pub(crate) prefix: &'static str,
}

impl Deployed {
    pub(crate) fn deployment(&self) -> String {
        format!("deployment/{}webhook", self.prefix)
    }

    pub(crate) fn configuration(&self) -> String {
        format!("mutatingwebhookconfiguration/{}mutating-webhook-configuration", self.prefix)
    }
}

/// `None` where no cluster can be had.
pub(crate) fn world() -> Option<World> {
    static CLUSTER: SharedCluster = SharedCluster::new();
    let (cluster, kubernetes) = CLUSTER.take("xeon-full", &IMAGES)?;
    Some(World { cluster, kubernetes })
}

impl World {
    /// Installs a webhook, and waits until it answers for pods like `concerned`: until the API server changes them.
    pub(crate) fn install(&self, webhook: Deployed, concerned: &Value) {
        self.cluster.kubectl(&["apply", "-k", &format!("deployments/{}", webhook.folder)]);
        self.wait_for_rollout(webhook);
        self.wait_until_changed(concerned);
    }

    pub(crate) fn remove(&self, webhook: Deployed) {
        let folder = format!("deployments/{}", webhook.folder);
        self.cluster.kubectl(&["delete", "-k", &folder, "--timeout=100s"]);
    }

    pub(crate) fn wait_for_rollout(&self, webhook: Deployed) {
        let name = webhook.deployment();
        let rollout = ["rollout", "status", "-n", webhook.namespace, &name, "--timeout=110s"];
        let answer = self.cluster.try_kubectl(&rollout);
        assert!(answer.is_ok(), "{answer:?}\n{}", self.state());
    }

    /// What becomes of a new pod in this namespace, or what is said against it.
    pub(crate) fn try_in(&self, namespace: &str, pod: &Value) -> Result<Value, String> {
        self.kubernetes.try_out(&format!("/api/v1/namespaces/{namespace}/pods"), pod)
    }

    /// What becomes of a new pod in the namespace `default`.
    pub(crate) fn accepted(&self, pod: &Value) -> Value {
        let created = self.try_in("default", pod);
        assert!(created.is_ok(), "{created:?} for {pod}\n{}", self.state());
        created.unwrap_or_default()
    }

    /// Why there must be no such pod in this namespace; the webhook says so.
    pub(crate) fn refused(&self, namespace: &str, pod: &Value) -> String {
        let refusal = self.try_in(namespace, pod).unwrap_err();
        assert!(refusal.contains("denied the request"), "{refusal}\n{}", self.state());
        refusal
    }

    pub(crate) fn wait_until_changed(&self, concerned: &Value) {
        self.kubernetes.wait_for(
            "an answer of the webhook",
            || self.state(),
            || self.try_in("default", concerned).ok().filter(is_changed),
        );
    }

    /// Does something, while pods are tried out without a pause, each of which the webhook has to change; gives how many.
    pub(crate) fn under_load(&self, concerned: &Value, work: impl FnOnce()) -> usize {
        let done = Done(AtomicBool::new(false));
        let cluster: &Cluster = &self.cluster;
        thread::scope(|scope| {
            let load = scope.spawn(|| {
                let kubernetes = cluster.kubernetes();
                let mut count = 0;
                while !done.0.load(Ordering::Relaxed) {
                    let created = kubernetes.try_out("/api/v1/namespaces/default/pods", concerned);
                    assert!(created.as_ref().is_ok_and(is_changed), "pod {count}: {created:?}");
                    count += 1;
                }
                count
            });
            let ended = Ended(&done);
            work();
            drop(ended);
            let count = load.join();
            assert!(count.is_ok(), "a pod was not changed, see above\n{}", self.state());
            count.unwrap_or_default()
        })
    }

    /// For failures.
    pub(crate) fn state(&self) -> String {
        let ask = |args: &[&str]| self.cluster.try_kubectl(args).unwrap_or_else(|error| error);
        let pods = ask(&["get", "pods", "-A", "-o", "wide"]);
        let logs: String = ["intelsgxwebhook-system", "intelfpgawebhook-system"]
            .iter()
            .map(|namespace| {
                ask(&[
                    "logs",
                    "-n",
                    namespace,
                    "-l",
                    "control-plane=controller-manager",
                    "--tail=40",
                    "--prefix",
                ])
            })
            .collect();
        let events = ask(&["get", "events", "-A"]);
        let events = events.lines().rev().take(15).collect::<Vec<_>>().join("\n");
        format!("{pods}\n{events}\n--- the webhooks' logs\n{logs}\n{}", self.cluster.logs())
    }
}

/// Ends the load, also when the work fails.
struct Done(AtomicBool);

struct Ended<'a>(&'a Done);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// A pod of busybox containers that sleep, each with these limits.
pub(crate) fn pod(name: &str, containers: &[(&str, &[(&str, &str)])]) -> Value {
    let containers: Vec<Value> = containers.iter().map(|(name, limits)| container(name, limits)).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 0,
            "containers": containers,
        },
    })
}

pub(crate) fn container(name: &str, limits: &[(&str, &str)]) -> Value {
    let limits: serde_json::Map<String, Value> =
        limits.iter().map(|(name, amount)| ((*name).to_owned(), json!(amount))).collect();
    json!({
        "name": name,
        "image": "localhost/pause:1",
        "imagePullPolicy": "Never",
        "command": ["/bin/sleep", "1000000"],
        "resources": {"limits": limits},
    })
}

/// Whether one of the webhooks was here: no test's pod asks for these by itself.
fn is_changed(pod: &Value) -> bool {
    pod["spec"]["containers"].as_array().into_iter().flatten().any(|container| {
        let limits = container["resources"]["limits"].as_object();
        limits.into_iter().flatten().any(|(name, _)| {
            ["sgx.intel.com/enclave", "fpga.intel.com/af-", "fpga.intel.com/region-"]
                .iter()
                .any(|made| name.starts_with(made))
        })
    })
}
