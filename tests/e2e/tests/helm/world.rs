//! The cluster that all tests share, and what they ask of it.

use std::fs;
use std::path::Path;
use std::sync::MutexGuard;

use e2e::{Cluster, Kubernetes, SharedCluster, pod};
use serde_json::Value;
use tempfile::TempDir;

const IMAGES: [&str; 3] = ["intel-deviceplugin-operator", "intel-gpu-plugin", "intel-npu-plugin"];

pub(crate) const FAMILIES: [&str; 8] = ["dlb", "dsa", "fpga", "gpu", "iaa", "npu", "qat", "sgx"];
pub(crate) const NAMESPACE: &str = "inteldeviceplugins-system";
pub(crate) const OPERATOR: &str = "charts/device-plugin-operator";
/// The definitions of custom resources.
const DEFINITIONS: [&str; 2] =
    ["deployments/operator/crd/bases", "deployments/fpga_admissionwebhook/crd/bases"];
/// Kinds of objects that charts, the operator and Kubernetes make for a release.
const KINDS: &str = "serviceaccounts,secrets,configmaps,leases.coordination.k8s.io,services,deployments,daemonsets,\
    poddisruptionbudgets,roles,rolebindings,clusterroles,clusterrolebindings,mutatingwebhookconfigurations,\
    validatingwebhookconfigurations,nodefeaturerules";

/// A cluster, and its client, for one test at a time.
pub(crate) struct World {
    pub(crate) cluster: MutexGuard<'static, Cluster>,
    pub(crate) kubernetes: Kubernetes,
}

/// The cluster as it is, to render charts; `None` where no cluster can be had.
pub(crate) fn any_world() -> Option<World> {
    static CLUSTER: SharedCluster = SharedCluster::new();
    let (cluster, kubernetes) = CLUSTER.take("xeon-full", &IMAGES)?;
    Some(World { cluster, kubernetes })
}

/// The cluster without any release.
pub(crate) fn world() -> Option<World> {
    let world = any_world()?;
    // What a test left behind that failed.
    for release in
        world.cluster.helm(&["list", "-n", NAMESPACE, "--deployed", "--failed", "--pending", "-q"]).lines()
    {
        world.uninstall(release);
    }
    for folder in DEFINITIONS {
        world.cluster.kubectl(&["delete", "-f", folder, "--ignore-not-found", "--timeout=60s"]);
    }
    world.cluster.define_node_features();
    let labels = ["gpu", "npu"].map(|family| format!("intel.feature.node.kubernetes.io/{family}=true"));
    world.cluster.kubectl(&["label", "node", "node-1", "--overwrite", &labels[0], &labels[1]]);
    Some(world)
}

/// The objects of a text in YAML.
pub(crate) fn objects(yaml: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    objects.into_iter().filter(|object| !object.is_null()).collect()
}

/// The charts in a folder of their own, where a test can change them.
pub(crate) fn copy_of_charts() -> TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let (path, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
            if path.is_dir() {
                copy(&path, &target);
            } else {
                fs::copy(path, target).unwrap();
            }
        }
    }
    let folder = TempDir::new().unwrap();
    copy(Path::new("../../charts"), folder.path());
    folder
}

impl World {
    /// Installs a chart as a release, with more arguments of Helm.
    pub(crate) fn install(&self, release: &str, chart: &str, args: &[&str]) {
        let command = ["install", release, chart, "-n", NAMESPACE, "--create-namespace"];
        self.cluster.helm(&[&command, args].concat());
    }

    pub(crate) fn upgrade(&self, release: &str, chart: &str, args: &[&str]) {
        self.cluster.helm(&[&["upgrade", release, chart, "-n", NAMESPACE], args].concat());
    }

    pub(crate) fn uninstall(&self, release: &str) {
        self.cluster.helm(&["uninstall", release, "-n", NAMESPACE]);
    }

    /// What a chart renders, rules of Node Feature Discovery last.
    pub(crate) fn template(&self, chart: &str, args: &[&str]) -> Vec<Value> {
        let rendered = self.cluster.helm(&[&["template", "x", chart, "-n", NAMESPACE], args].concat());
        let mut objects = objects(&rendered);
        objects.sort_by_key(|object| object["kind"] == "NodeFeatureRule");
        objects
    }

    pub(crate) fn apply(&self, text: &str) {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("object.yaml");
        fs::write(&file, text).unwrap();
        self.cluster.kubectl(&["apply", "-f", file.to_str().unwrap()]);
    }

    pub(crate) fn json(&self, args: &[&str]) -> Option<Value> {
        let text = self.cluster.try_kubectl(&[args, &["-o", "json"]].concat()).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// All objects of the namespace, and those without one that have the charts' prefix, by kind and name.
    pub(crate) fn left(&self) -> Vec<String> {
        let names =
            self.cluster.kubectl(&["get", KINDS, "-n", NAMESPACE, "-o", "name", "--ignore-not-found"]);
        let is_of_cluster =
            |name: &str| ["clusterrole", "webhookconfiguration"].iter().any(|kind| name.contains(kind));
        let is_ours = |name: &&str| !is_of_cluster(name) || name.contains("inteldeviceplugins-");
        // Each namespace has these.
        let is_new = |name: &&str| !["serviceaccount/default", "configmap/kube-root-ca.crt"].contains(name);
        names.lines().filter(is_ours).filter(is_new).map(str::to_owned).collect()
    }

    /// Waits until nothing is left of releases that there was not `before` but the Lease, by which another operator knows that none
    /// is there.
    pub(crate) fn expect_nothing_but_a_lease(&self, before: &[String]) {
        let is_new =
            |name: &String| !before.contains(name) && name != "lease.coordination.k8s.io/d1c7b6d5.intel.com";
        let new = || -> Vec<String> { self.left().into_iter().filter(is_new).collect() };
        let state = || format!("{:?}\n{}", new(), self.state());
        self.kubernetes.wait_for("nothing but a Lease", state, || new().is_empty().then_some(()));
    }

    /// The definition of a family's custom resource.
    pub(crate) fn definition(&self, family: &str) -> Option<Value> {
        self.json(&["get", "crd", &format!("{family}deviceplugins.deviceplugin.intel.com")])
    }

    pub(crate) fn wait_for_operator(&self) {
        let deployment = "deployment/inteldeviceplugins-controller-manager";
        self.cluster.kubectl(&["rollout", "status", "-n", NAMESPACE, deployment, "--timeout=110s"]);
        let probe = r#"{"apiVersion": "deviceplugin.intel.com/v1", "kind": "NpuDevicePlugin", "metadata": {"name": "probe"}}"#;
        let probe: Value = serde_json::from_str(probe).unwrap();
        let list = "/apis/deviceplugin.intel.com/v1/npudeviceplugins";
        // The API server has to know the webhooks' authority.
        self.wait("answers of the webhooks", || {
            let made = self.kubernetes.try_out(list, &probe).ok()?;
            made["spec"]["image"].is_string().then_some(())
        });
    }

    /// Waits until the node offers so many of a resource, and has a pod get one.
    pub(crate) fn expect_resource(&self, resource: &str, count: i64) {
        self.wait(&format!("{count} of {resource}"), || {
            let offered = self.kubernetes.resources(resource);
            (offered.get(resource) == Some(&(count, count))).then_some(())
        });
        self.kubernetes.run(&pod("user", &[(resource, 1)], "true"), || self.state());
        self.kubernetes.delete("user");
    }

    pub(crate) fn wait<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.kubernetes.wait_for(what, || self.state(), look)
    }

    /// For failures.
    fn state(&self) -> String {
        let ask = |args: &[&str]| self.cluster.try_kubectl(args).unwrap_or_else(|error| error);
        let pods = ask(&["get", "pods,daemonsets", "-A", "-o", "wide"]);
        let events = ask(&["get", "events", "-A"]);
        let selector = "manager=intel-deviceplugin-operator";
        let log = ask(&["logs", "-n", NAMESPACE, "-l", selector, "--tail=40", "--prefix"]);
        format!("{pods}\n{events}\n--- the operator's logs\n{log}\n{}", self.cluster.logs())
    }
}
