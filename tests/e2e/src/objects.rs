//! What the tests ask of the API server.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{EnvVar, Event, Node, Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, ListParams, LogParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Generous: a guard against hanging.
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(100);

/// Capacity and allocatable by the resource's name.
pub type Counts = BTreeMap<String, (i64, i64)>;

/// Resources all of whose devices are healthy.
pub fn healthy(resources: &[(&str, i64)]) -> Counts {
    resources.iter().map(|(name, count)| ((*name).to_owned(), (*count, *count))).collect()
}

/// A client of the API server that waits for its answers.
pub struct Kubernetes {
    runtime: Runtime,
    client: Client,
}

/// A pod of one busybox container that runs `script` and then sleeps.
pub fn pod(name: &str, requests: &[(&str, u32)], script: &str) -> Pod {
    let limits: BTreeMap<&str, String> =
        requests.iter().map(|(name, count)| (*name, count.to_string())).collect();
    let pod = json!({
        "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "main",
                "image": "localhost/pause:1",
                "imagePullPolicy": "Never",
                "command": ["/bin/sh", "-c", format!("{script}\nexec /bin/sleep 1000000")],
                "resources": {"limits": limits},
            }],
        },
    });
    serde_json::from_value(pod).expect("a pod")
}

/// The pod, with these variables in its container.
pub fn with_variables(mut pod: Pod, variables: &[(&str, &str)]) -> Pod {
    let variables = variables.iter().map(|(name, value)| EnvVar {
        name: (*name).to_owned(),
        value: Some((*value).to_owned()),
        ..EnvVar::default()
    });
    let containers = pod.spec.as_mut().map(|spec| &mut spec.containers);
    containers
        .expect("a pod with containers")
        .iter_mut()
        .for_each(|c| c.env = Some(variables.clone().collect()));
    pod
}

impl Kubernetes {
    pub(crate) fn new(kubeconfig: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the cluster's kubeconfig");
        let client = runtime.block_on(async {
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            let mut config = config.expect("the cluster's kubeconfig");
            config.read_timeout = Some(PATIENCE);
            Client::try_from(config).expect("a client")
        });
        Self { runtime, client }
    }

    /// Asks again and again until the answer is not `None`; panics with what `state` gives when it takes too long.
    pub fn wait_for<T>(
        &self,
        what: &str,
        state: impl Fn() -> String,
        mut look: impl FnMut() -> Option<T>,
    ) -> T {
        let since = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(since.elapsed() < PATIENCE, "{what} did not come about:\n{}", state());
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until pods can be made at all.
    pub fn wait_for_service_account(&self) {
        let accounts: Api<ServiceAccount> = Api::default_namespaced(self.client.clone());
        self.wait_for("the default service account", String::new, || {
            self.runtime.block_on(accounts.get_opt("default")).ok().flatten()
        });
    }

    /// Capacity and allocatable of the node, for resources whose names begin like this and that are not 0.
    pub fn resources(&self, domain: &str) -> Counts {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let status =
            self.runtime.block_on(nodes.get("node-1")).ok().and_then(|node| node.status).unwrap_or_default();
        let allocatable = status.allocatable.unwrap_or_default();
        let number = |text: &str| text.parse::<i64>().unwrap_or(-1);
        let resources = status.capacity.unwrap_or_default().into_iter().map(|(name, capacity)| {
            let allocatable = allocatable.get(&name).map_or(0, |found| number(&found.0));
            (name, (number(&capacity.0), allocatable))
        });
        resources.filter(|(name, counts)| name.starts_with(domain) && *counts != (0, 0)).collect()
    }

    /// Waits until a kubelet that was started again has heard of the pod `name` from the API server. Before that, the
    /// node's status is from before the restart, and the kubelet counts the devices of deleted pods.
    pub fn wait_for_kubelet(&self, name: &str, state: impl Fn() -> String) {
        let knows = || {
            let request = http::Request::get("/api/v1/nodes/node-1/proxy/pods").body(Vec::new()).ok()?;
            let pods = self.runtime.block_on(self.client.request_text(request)).ok()?;
            pods.contains(&format!("\"name\":\"{name}\"")).then_some(())
        };
        self.wait_for(&format!("a kubelet that knows of pod {name}"), state, knows);
    }

    /// Waits until these are the node's resources whose names begin with `domain`.
    pub fn wait_for_resources(&self, domain: &str, expected: &Counts, state: impl Fn() -> String) {
        let what = format!("{expected:?} on the node");
        self.wait_for(
            &what,
            || format!("{:?}\n{}", self.resources(domain), state()),
            || (self.resources(domain) == *expected).then_some(()),
        );
    }

    /// Waits until all of a DaemonSet's pods run the newest template and are ready.
    pub fn wait_for_daemonset(&self, name: &str, state: impl Fn() -> String) {
        let daemonsets: Api<DaemonSet> = Api::default_namespaced(self.client.clone());
        self.wait_for(&format!("a ready DaemonSet {name}"), state, || {
            let found = self.runtime.block_on(daemonsets.get(name)).ok()?;
            let status = found.status?;
            let is_current = status.observed_generation == found.metadata.generation;
            let updated = status.updated_number_scheduled.unwrap_or_default();
            (is_current && updated == 1 && status.number_ready == 1 && status.desired_number_scheduled == 1)
                .then_some(())
        });
    }

    /// The pods with the label `app`.
    pub fn pods_of(&self, app: &str) -> Vec<Pod> {
        let list =
            self.runtime.block_on(self.pods().list(&ListParams::default().labels(&format!("app={app}"))));
        list.expect("a list of pods").items
    }

    /// How often the containers of the pods with the label `app` were restarted.
    pub fn restarts(&self, app: &str) -> i32 {
        let pods = self.pods_of(app).into_iter().filter_map(|pod| pod.status?.container_statuses);
        pods.flatten().map(|status| status.restart_count).sum()
    }

    fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(self.client.clone())
    }

    /// Makes a pod and waits until its containers run.
    pub fn run(&self, pod: &Pod, state: impl Fn() -> String) -> Pod {
        let created = self.runtime.block_on(self.pods().create(&PostParams::default(), pod));
        let name = created.expect("a new pod").metadata.name.unwrap_or_default();
        self.wait_for(
            &format!("a running pod {name}"),
            || format!("{:?}\n{}", self.pod(&name), state()),
            || {
                let found = self.pod(&name)?;
                let status = found.status.as_ref()?;
                let failed = status.phase.as_deref() == Some("Failed");
                assert!(!failed, "pod {name} failed: {status:?}\n{}", state());
                let containers = status.container_statuses.as_ref()?;
                containers.iter().all(|container| container.ready).then_some(found)
            },
        )
    }

    /// Has the API server do all that it does to a new object of this list, such as `/api/v1/namespaces/default/pods`, but keep
    /// it; returns the object, or what the API server says against it.
    pub fn try_out(&self, list: &str, object: &Value) -> Result<Value, String> {
        self.ask("POST", &format!("{list}?dryRun=All"), Some(object))
    }

    /// Asks the API server for something under this path, and returns what it says. A list as the body of PATCH is a JSON patch, an
    /// object a merge patch; `APPLY` is a PATCH whose body is applied.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let kind = match (method, body) {
            ("APPLY", _) => "application/apply-patch+yaml",
            ("PATCH", Some(Value::Array(_))) => "application/json-patch+json",
            ("PATCH", _) => "application/merge-patch+json",
            _ => "application/json",
        };
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let method = if method == "APPLY" { "PATCH" } else { method };
        let request =
            http::Request::builder().method(method).uri(path).header("content-type", kind).body(body);
        let request = request.expect("a request");
        self.runtime.block_on(self.client.request(request)).map_err(|error| error.to_string())
    }

    /// Makes a pod that cannot start, waits until an event of it says why, and deletes it.
    pub fn refused(&self, pod: &Pod, why: &str, state: impl Fn() -> String) {
        let created = self.runtime.block_on(self.pods().create(&PostParams::default(), pod));
        let name = created.expect("a new pod").metadata.name.unwrap_or_default();
        let events: Api<Event> = Api::default_namespaced(self.client.clone());
        let of_pod = ListParams::default().fields(&format!("involvedObject.name={name}"));
        let messages = || {
            let list = self.runtime.block_on(events.list(&of_pod)).ok();
            list.into_iter().flatten().filter_map(|event| event.message).collect::<Vec<_>>()
        };
        self.wait_for(
            &format!("an event of pod {name} that says {why:?}"),
            || format!("{:?}\n{}", messages(), state()),
            || messages().iter().any(|message| message.contains(why)).then_some(()),
        );
        self.delete(&name);
    }

    /// The pod as it is now.
    pub fn pod(&self, name: &str) -> Option<Pod> {
        self.runtime.block_on(self.pods().get_opt(name)).expect("the API server's answer")
    }

    /// What the pod printed, once it ends with a line `end`.
    pub fn output(&self, name: &str) -> String {
        self.wait_for(&format!("the output of pod {name}"), String::new, || {
            let log = self.runtime.block_on(self.pods().logs(name, &LogParams::default())).ok()?;
            log.strip_suffix("end\n").map(str::to_owned)
        })
    }

    /// Deletes a pod and waits until it is gone.
    pub fn delete(&self, name: &str) {
        self.runtime
            .block_on(self.pods().delete(name, &DeleteParams::default().grace_period(0)))
            .expect("delete a pod");
        self.wait_for(&format!("the end of pod {name}"), String::new, || {
            self.pod(name).is_none().then_some(())
        });
    }
}

impl Debug for Kubernetes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kubernetes").finish_non_exhaustive()
    }
}
