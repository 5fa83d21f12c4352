//! The cluster that all tests share, and programs of others beside it.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::MutexGuard;

use e2e::{Cluster, Kubernetes, LEVELZERO_IMAGE, SharedCluster, pod};
use serde_json::Value;
use tempfile::TempDir;

const IMAGES: [&str; 19] = [
    "intel-deviceplugin-operator",
    "intel-dlb-plugin",
    "intel-dlb-initcontainer",
    "intel-dsa-plugin",
    "intel-idxd-config-initcontainer",
    "intel-fpga-plugin",
    "intel-fpga-initcontainer",
    "intel-fpga-admissionwebhook",
    "intel-gpu-plugin",
    "intel-gpu-initcontainer",
    LEVELZERO_IMAGE,
    "intel-iaa-plugin",
    "intel-npu-plugin",
    "intel-qat-plugin",
    "intel-qat-initcontainer",
    "intel-sgx-plugin",
    "intel-sgx-initcontainer",
    "intel-sgx-admissionwebhook",
    "intel-device-plugins",
];
/// The operator's, there and here.
pub(crate) const DEPLOYMENT: &str = "deployment/intel-deviceplugins-controller-manager";
pub(crate) const FAMILIES: [&str; 8] = ["dlb", "dsa", "fpga", "gpu", "iaa", "npu", "qat", "sgx"];
/// A resource that each family's sample object gives, and FPGA's region.
const SAMPLES: [&str; 8] = [
    "dlb.intel.com/vf",
    "dsa.intel.com/wq-user-dedicated",
    REGION,
    "gpu.intel.com/i915",
    "iaa.intel.com/wq-user-dedicated",
    "npu.intel.com/accel",
    "qat.intel.com/cy",
    "sgx.intel.com/enclave",
];
pub(crate) const REGION: &str = "fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6";
pub(crate) const FUNCTION: &str = "fpga.intel.com/af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs";
pub(crate) const VERSION: &str = "0.36.0";
pub(crate) const OPERATOR: &str = "inteldeviceplugins-system";

/// A program that ends with the test.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A cluster, and its client, for one test at a time.
pub(crate) struct World {
    pub(crate) cluster: MutexGuard<'static, Cluster>,
    pub(crate) kubernetes: Kubernetes,
}

pub(crate) fn path(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable);
    assert!(value.is_some(), "{variable} has to be set: see the head of this file");
    PathBuf::from(value.unwrap())
}

/// A path of the Go implementation's repository.
pub(crate) fn file(path_there: &str) -> String {
    path("E2E_REFERENCE").join(path_there).display().to_string()
}

pub(crate) fn world() -> World {
    static CLUSTER: SharedCluster = SharedCluster::new();
    let (cluster, kubernetes) = CLUSTER.take("xeon-full", &IMAGES).unwrap();
    let labels = FAMILIES.map(|family| {
        let feature = if family == "fpga" { "fpga-arria10" } else { family };
        format!("intel.feature.node.kubernetes.io/{feature}=true")
    });
    // What a test left behind that failed.
    cluster.kubectl(&["delete", "validatingwebhookconfigurations", "--all"]);
    let mut label = vec!["label", "node", "node-1", "--overwrite"];
    label.extend(labels.iter().map(String::as_str));
    cluster.kubectl(&label);
    World { cluster, kubernetes }
}

impl World {
    pub(crate) fn apply(&self, folder: &str) {
        self.cluster.kubectl(&["apply", "-k", &file(&format!("deployments/{folder}"))]);
    }

    pub(crate) fn remove(&self, folder: &str) {
        self.cluster.kubectl(&["delete", "-k", &file(&format!("deployments/{folder}")), "--timeout=60s"]);
    }

    pub(crate) fn apply_file(&self, path_there: &str) {
        self.cluster.kubectl(&["apply", "-f", &file(path_there)]);
    }

    pub(crate) fn roll_out(&self, namespace: &str, object: &str) {
        let args = ["rollout", "status", "-n", namespace, object, "--timeout=110s"];
        let done = self.cluster.try_kubectl(&args);
        assert!(done.is_ok(), "{object}: {done:?}\n{}", self.state());
    }

    /// A DaemonSet's folder gives this resource, and a pod gets one.
    pub(crate) fn offers(&self, folder: &str, daemonset: &str, resource: &str) {
        self.apply(folder);
        self.roll_out("default", &format!("daemonset/{daemonset}"));
        self.gives(resource);
        self.remove(folder);
        // What no plugin offers any more has nothing to allocate, once the kubelet has noticed.
        self.wait(&format!("no {resource}"), || {
            let resources = self.kubernetes.resources(resource);
            resources.get(resource).is_none_or(|(_, allocatable)| *allocatable == 0).then_some(())
        });
        println!("{folder}: {resource}");
    }

    fn gives(&self, resource: &str) {
        self.wait(resource, || {
            let resources = self.kubernetes.resources(resource);
            resources.get(resource).is_some_and(|(_, allocatable)| *allocatable > 0).then_some(())
        });
        self.kubernetes.run(&pod("user", &[(resource, 1)], "true"), || self.state());
        self.kubernetes.delete("user");
    }

    pub(crate) fn wait<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.kubernetes.wait_for(what, || self.state(), look)
    }

    /// What a webhook makes of a pod, once it adds this resource.
    pub(crate) fn changed(&self, pod: &Value, resource: &str) -> Value {
        self.wait(&format!("{resource} from the webhook"), || {
            let made = self.kubernetes.try_out("/api/v1/namespaces/default/pods", pod).ok()?;
            made.to_string().contains(resource).then_some(made)
        })
    }

    /// Makes each family's object once the webhooks answer, and has pods use what comes of it.
    pub(crate) fn samples(&self, make: impl Fn(&str) -> Result<String, String>) {
        for family in FAMILIES {
            let mut said = String::new();
            self.wait(&format!("an object of {family}"), || {
                let answer = make(family);
                let failure = answer.as_ref().err().cloned().unwrap_or_default();
                if said != failure {
                    println!("{family}: {failure}");
                    said = failure;
                }
                answer.ok()
            });
        }
        self.all_work();
        let families = FAMILIES.map(|family| format!("{family}deviceplugins"));
        println!("{}", self.cluster.kubectl(&["get", &families.join(",")]));
    }

    pub(crate) fn all_work(&self) {
        for family in FAMILIES {
            let objects = format!("{family}deviceplugins");
            // Its definitions of the objects have no conditions.
            let args =
                ["wait", &objects, "--all", "--for=jsonpath={.status.numberReady}=1", "--timeout=110s"];
            let done = self.cluster.try_kubectl(&args);
            assert!(done.is_ok(), "{family}: {done:?}\n{}", self.state());
        }
        for resource in SAMPLES {
            self.wait(resource, || {
                let resources = self.kubernetes.resources(resource);
                resources.get(resource).is_some_and(|(_, allocatable)| *allocatable > 0).then_some(())
            });
        }
        // Of FPGA, the webhook has to know it.
        for resource in SAMPLES.into_iter().filter(|resource| *resource != REGION) {
            self.gives(resource);
        }
    }

    /// cert-manager, without its webhook and without pods: its two programs beside the API server.
    pub(crate) fn cert_manager(&self) -> [Running; 2] {
        let folder = path("E2E_CERT_MANAGER");
        let temporary = TempDir::new().unwrap().keep();
        for entry in fs::read_dir(folder.join("crds")).unwrap() {
            let entry = entry.unwrap();
            // They are templates, of which only labels are.
            let text = fs::read_to_string(entry.path()).unwrap();
            let lines: Vec<&str> = text.lines().filter(|line| !line.contains("{{")).collect();
            if text.contains("kind: CustomResourceDefinition") {
                fs::write(temporary.join(entry.file_name()), lines.join("\n")).unwrap();
            }
        }
        self.cluster.kubectl(&["apply", "--server-side", "-f", temporary.to_str().unwrap()]);
        let names = ["certificates", "issuers", "certificaterequests"]
            .map(|name| format!("crd/{name}.cert-manager.io"));
        self.cluster.kubectl(&["wait", "--for=condition=Established", &names[0], &names[1], &names[2]]);
        let kubeconfig = temporary.join("kubeconfig");
        fs::write(&kubeconfig, self.cluster.kubectl(&["config", "view", "--raw"])).unwrap();
        ["controller", "cainjector"].map(|program| {
            // This thread is in the cluster's network.
            let log = fs::File::create(temporary.join(program)).unwrap();
            let process = Command::new(folder.join(program))
                .arg("--leader-elect=false")
                .arg("--kubeconfig")
                .arg(&kubeconfig)
                .stdout(Stdio::null())
                .stderr(log)
                .spawn();
            Running(process.unwrap())
        })
    }

    /// The Go implementation's operator, beside the API server.
    pub(crate) fn its_operator(&self) -> Running {
        let temporary = TempDir::new().unwrap().keep();
        let certificates = temporary.join("k8s-webhook-server/serving-certs");
        fs::create_dir_all(&certificates).unwrap();
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(certificates.join("tls.crt"), certificate.cert.pem()).unwrap();
        fs::write(certificates.join("tls.key"), certificate.signing_key.serialize_pem()).unwrap();
        let kubeconfig = temporary.join("kubeconfig");
        fs::write(&kubeconfig, self.cluster.kubectl(&["config", "view", "--raw"])).unwrap();
        // This thread is in the cluster's network.
        let process = Command::new(path("E2E_REFERENCE_OPERATOR"))
            .arg("-kubeconfig")
            .arg(kubeconfig)
            .envs([("DEVICEPLUGIN_NAMESPACE", OPERATOR.as_ref()), ("TMPDIR", temporary.as_os_str())])
            .stdout(Stdio::null())
            .stderr(fs::File::create(temporary.join("log")).unwrap())
            .spawn();
        Running(process.unwrap())
    }

    /// A list of what the families' DaemonSets and pods are.
    pub(crate) fn made(&self, kind: &str) -> Vec<String> {
        let args = ["get", kind, "-n", OPERATOR, "-l", "app", "-o"];
        let format = r#"jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{"\n"}{end}"#;
        let list = self.cluster.kubectl(&[args.as_slice(), &[format]].concat());
        list.lines().filter(|line| line.contains("-sample")).map(str::to_owned).collect()
    }

    /// For failures.
    pub(crate) fn state(&self) -> String {
        let ask = |args: &[&str]| self.cluster.try_kubectl(args).unwrap_or_else(|error| error);
        let pods = ask(&["get", "pods,daemonsets", "-A", "-o", "wide"]);
        let events = ask(&["get", "events", "-A"]);
        let logs =
            ask(&["logs", "-l", "app", "--tail=30", "--prefix", "--all-containers", "--ignore-errors"]);
        let operator =
            ask(&["logs", "-n", OPERATOR, "-l", "manager=intel-deviceplugin-operator", "--tail=40"]);
        format!(
            "{pods}\n{events}\n--- the plugins' logs\n{logs}\n--- the operator's\n{operator}\n{}",
            self.cluster.logs()
        )
    }
}
