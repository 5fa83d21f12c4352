//! The cluster that all tests share, and what they ask of it.

use std::io::Write as _;
use std::sync::MutexGuard;

use e2e::{Cluster, Kubernetes, SharedCluster};
use serde_json::Value;

const IMAGES: [&str; 14] = [
    "intel-deviceplugin-operator",
    "intel-dlb-plugin",
    "intel-dlb-initcontainer",
    "intel-dsa-plugin",
    "intel-idxd-config-initcontainer",
    "intel-fpga-plugin",
    "intel-fpga-initcontainer",
    "intel-gpu-plugin",
    "intel-gpu-initcontainer",
    "intel-iaa-plugin",
    "intel-npu-plugin",
    "intel-qat-plugin",
    "intel-qat-initcontainer",
    "intel-sgx-plugin",
];

pub(crate) const FAMILIES: [&str; 8] = ["dlb", "dsa", "fpga", "gpu", "iaa", "npu", "qat", "sgx"];
/// Where the operator and its DaemonSets are.
pub(crate) const NAMESPACE: &str = "inteldeviceplugins-system";
pub(crate) const DEPLOYMENT: &str = "deployment/intel-deviceplugins-controller-manager";
/// Where a DaemonSet has its plugin's container, and the init containers.
pub(crate) const CONTAINER: &str = "/spec/template/spec/containers/0";
pub(crate) const INIT: &str = "/spec/template/spec/initContainers";
const FOLDER: &str = "deployments/operator/default";

/// A cluster, and its client, for one test at a time.
pub(crate) struct World {
    pub(crate) cluster: MutexGuard<'static, Cluster>,
    pub(crate) kubernetes: Kubernetes,
}

/// The cluster with the operator on it; `None` where no cluster can be had.
pub(crate) fn world() -> Option<World> {
    static CLUSTER: SharedCluster = SharedCluster::new();
    let (cluster, kubernetes) = CLUSTER.take("xeon-full", &IMAGES)?;
    let world = World { cluster, kubernetes };
    world.install();
    // What a test left behind that failed.
    for family in FAMILIES {
        world.cluster.kubectl(&["delete", &plural(family), "--all", "--timeout=60s"]);
    }
    world.wait("no DaemonSet", || world.daemonsets().is_empty().then_some(()));
    Some(world)
}

/// `gpudeviceplugins`.
pub(crate) fn plural(family: &str) -> String {
    format!("{family}deviceplugins")
}

/// `GpuDevicePlugin`.
pub(crate) fn kind(family: &str) -> String {
    let (first, rest) = family.split_at(1);
    format!("{}{rest}DevicePlugin", first.to_uppercase())
}

/// An object, with a spec in JSON.
pub(crate) fn object(family: &str, name: &str, spec: &str) -> String {
    format!(
        r#"{{"apiVersion": "deviceplugin.intel.com/v1", "kind": "{}", "metadata": {{"name": "{name}"}}, "spec": {spec}}}"#,
        kind(family)
    )
}

/// The family's image of the init container.
pub(crate) fn init_image(family: &str) -> Option<&'static str> {
    match family {
        "dlb" => Some("intel-dlb-initcontainer"),
        "dsa" | "iaa" => Some("intel-idxd-config-initcontainer"),
        "fpga" => Some("intel-fpga-initcontainer"),
        "gpu" => Some("intel-gpu-initcontainer"),
        "qat" => Some("intel-qat-initcontainer"),
        "sgx" => Some("intel-sgx-initcontainer"),
        _ => None,
    }
}

impl World {
    fn install(&self) {
        self.cluster.kubectl(&["apply", "-k", FOLDER]);
        self.wait_for_rollout();
    }

    pub(crate) fn wait_for_rollout(&self) {
        self.cluster.kubectl(&["rollout", "status", "-n", NAMESPACE, DEPLOYMENT, "--timeout=110s"]);
        // The webhooks answer before the API server asks them only if it knows their authority.
        let object = r#"{"apiVersion": "deviceplugin.intel.com/v1", "kind": "NpuDevicePlugin", "metadata": {"name": "probe"}}"#;
        self.wait("answers of the webhooks", || {
            self.try_apply_as(object, &["--dry-run=server"]).ok().map(drop)
        });
    }

    /// Makes or changes objects, in YAML.
    pub(crate) fn apply(&self, yaml: &str) {
        let done = self.try_apply_as(yaml, &[]);
        assert!(done.is_ok(), "{yaml}\n{done:?}\n{}", self.state());
    }

    pub(crate) fn try_apply(&self, yaml: &str) -> Result<String, String> {
        self.try_apply_as(yaml, &[])
    }

    fn try_apply_as(&self, yaml: &str, flags: &[&str]) -> Result<String, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(yaml.as_bytes()).unwrap();
        let path = file.path().to_str().unwrap();
        self.cluster.try_kubectl(&[&["apply", "-f", path], flags].concat())
    }

    pub(crate) fn json(&self, args: &[&str]) -> Option<Value> {
        let text = self.cluster.try_kubectl(&[args, &["-o", "json"]].concat()).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The object's DaemonSet.
    pub(crate) fn daemonset(&self, family: &str, name: &str) -> Option<Value> {
        self.json(&["get", "-n", NAMESPACE, "daemonset", &format!("intel-{family}-plugin-{name}")])
    }

    /// The names of all DaemonSets.
    pub(crate) fn daemonsets(&self) -> Vec<String> {
        let list = self.json(&["get", "-n", NAMESPACE, "daemonsets"]).unwrap_or_default();
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn object(&self, family: &str, name: &str) -> Option<Value> {
        self.json(&["get", &plural(family), name])
    }

    /// Waits until a part of the object's DaemonSet is this, by a JSON pointer; null if there is no such part.
    pub(crate) fn expect(&self, family: &str, name: &str, pointer: &str, value: &Value) {
        let found = || Some(self.daemonset(family, name)?.pointer(pointer).cloned().unwrap_or_default());
        self.kubernetes.wait_for(
            &format!("{value} at {pointer} of the DaemonSet of {family} {name}"),
            || format!("{:?}\n{}", found(), self.state()),
            || (found()? == *value).then_some(()),
        );
    }

    /// Makes the node as it is after a boot, when nobody has configured anything.
    pub(crate) fn boot(&self) {
        const FUNCTIONS: &str = "/sys/bus/pci/devices";
        const QUEUES: &str = "/sys/bus/dsa/devices";
        let host = self.cluster.kernel.host();
        for name in host.names(FUNCTIONS).unwrap() {
            let count = format!("{FUNCTIONS}/{name}/sriov_numvfs");
            if host.exists(&count) {
                host.write(count, "0").unwrap();
            }
        }
        // Whole functions that are given away.
        for name in host.names("/sys/bus/pci/drivers/vfio-pci").unwrap() {
            let driver_override = format!("{FUNCTIONS}/{name}/driver_override");
            if host.exists(&driver_override) {
                host.write(driver_override, "\n").unwrap();
                host.write("/sys/bus/pci/drivers/vfio-pci/unbind", &name).unwrap();
                host.write("/sys/bus/pci/drivers_probe", &name).unwrap();
            }
        }
        for name in host.names(QUEUES).unwrap() {
            let is_on = host.read(format!("{QUEUES}/{name}/state")).is_ok_and(|state| state == "enabled");
            if is_on && !name.starts_with("wq") {
                host.write("/sys/bus/dsa/drivers/idxd/unbind", &name).unwrap();
            }
        }
    }

    pub(crate) fn wait<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.kubernetes.wait_for(what, || self.state(), look)
    }

    /// Waits until one of an object's conditions has this status and reason.
    pub(crate) fn expect_condition(
        &self,
        family: &str,
        name: &str,
        condition: &str,
        status: &str,
        reason: &str,
    ) {
        let found = || {
            let object = self.object(family, name)?;
            object["status"]["conditions"]
                .as_array()?
                .iter()
                .find(|found| found["type"] == condition)
                .cloned()
        };
        self.kubernetes.wait_for(
            &format!("{condition} {status} {reason} of {family} {name}"),
            || format!("{:?}\n{}", found(), self.state()),
            || {
                let found = found()?;
                let is_it = found["status"] == status && found["reason"].as_str()?.contains(reason);
                is_it.then_some(())
            },
        );
    }

    /// For failures.
    pub(crate) fn state(&self) -> String {
        let ask = |args: &[&str]| self.cluster.try_kubectl(args).unwrap_or_else(|error| error);
        let pods = ask(&["get", "pods", "-A", "-o", "wide"]);
        let events = ask(&["get", "events", "-A"]);
        let events = events.lines().rev().take(15).collect::<Vec<_>>().join("\n");
        let selector = "manager=intel-deviceplugin-operator";
        let log = ask(&["logs", "-n", NAMESPACE, "-l", selector, "--tail=60", "--prefix"]);
        let plugins = ask(&[
            "logs",
            "-n",
            NAMESPACE,
            "-l",
            "app",
            "--tail=10",
            "--prefix",
            "--all-containers",
            "--ignore-errors",
        ]);
        let logs = self.cluster.logs();
        format!("{pods}\n{events}\n--- the operator's logs\n{log}\n--- the plugins' logs\n{plugins}\n{logs}")
    }
}
