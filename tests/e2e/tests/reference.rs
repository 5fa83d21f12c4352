//! The Go implementation's own manifests, objects and charts of v0.36.0, unchanged, with this project's images under the names
//! that they have there, and cert-manager, which they need.
//!
//! Nothing of these is in this repository, so this runs only when asked to, after `./test` has built the rest:
//! `cargo test -p e2e --test reference -- --ignored --test-threads=1`, with these variables:
//!
//! | | |
//! |---|---|
//! | `E2E_REFERENCE` | the repository `intel/intel-device-plugins-for-kubernetes` at its tag `v0.36.0` |
//! | `E2E_REFERENCE_CHARTS` | the folder `charts` of the repository `intel/helm-charts` |
//! | `E2E_REFERENCE_OPERATOR` | its operator, as a program |
//! | `E2E_CERT_MANAGER` | a folder with cert-manager's programs `controller` and `cainjector`, and its `deploy/crds` as `crds` |
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::MutexGuard;

use e2e::{Cluster, Kubernetes, LEVELZERO_IMAGE, NODE_FEATURE_RULES, SharedCluster, pod};
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
const DEPLOYMENT: &str = "deployment/intel-deviceplugins-controller-manager";
const FAMILIES: [&str; 8] = ["dlb", "dsa", "fpga", "gpu", "iaa", "npu", "qat", "sgx"];
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
const REGION: &str = "fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6";
const FUNCTION: &str = "fpga.intel.com/af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs";
const VERSION: &str = "0.36.0";
const OPERATOR: &str = "inteldeviceplugins-system";

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A cluster, and its client, for one test at a time.
struct World {
    cluster: MutexGuard<'static, Cluster>,
    kubernetes: Kubernetes,
}

fn path(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable);
    assert!(value.is_some(), "{variable} has to be set: see the head of this file");
    PathBuf::from(value.unwrap())
}

/// A path of the Go implementation's repository.
fn file(path_there: &str) -> String {
    path("E2E_REFERENCE").join(path_there).display().to_string()
}

fn world() -> World {
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
    fn apply(&self, folder: &str) {
        self.cluster.kubectl(&["apply", "-k", &file(&format!("deployments/{folder}"))]);
    }

    fn remove(&self, folder: &str) {
        self.cluster.kubectl(&["delete", "-k", &file(&format!("deployments/{folder}")), "--timeout=60s"]);
    }

    fn apply_file(&self, path_there: &str) {
        self.cluster.kubectl(&["apply", "-f", &file(path_there)]);
    }

    fn roll_out(&self, namespace: &str, object: &str) {
        let args = ["rollout", "status", "-n", namespace, object, "--timeout=110s"];
        let done = self.cluster.try_kubectl(&args);
        assert!(done.is_ok(), "{object}: {done:?}\n{}", self.state());
    }

    /// A DaemonSet's folder gives this resource, and a pod gets one.
    fn offers(&self, folder: &str, daemonset: &str, resource: &str) {
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

    fn wait<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.kubernetes.wait_for(what, || self.state(), look)
    }

    /// What a webhook makes of a pod, once it adds this resource.
    fn changed(&self, pod: &Value, resource: &str) -> Value {
        self.wait(&format!("{resource} from the webhook"), || {
            let made = self.kubernetes.try_out("/api/v1/namespaces/default/pods", pod).ok()?;
            made.to_string().contains(resource).then_some(made)
        })
    }

    /// Makes each family's object once the webhooks answer, and has pods use what comes of it.
    fn samples(&self, make: impl Fn(&str) -> Result<String, String>) {
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

    fn all_work(&self) {
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
    fn cert_manager(&self) -> [Running; 2] {
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
    fn its_operator(&self) -> Running {
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
    fn made(&self, kind: &str) -> Vec<String> {
        let args = ["get", kind, "-n", OPERATOR, "-l", "app", "-o"];
        let format = r#"jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{"\n"}{end}"#;
        let list = self.cluster.kubectl(&[args.as_slice(), &[format]].concat());
        list.lines().filter(|line| line.contains("-sample")).map(str::to_owned).collect()
    }

    /// For failures.
    fn state(&self) -> String {
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

#[test]
#[ignore = "needs files of the Go implementation"]
fn its_daemonsets_offer_what_they_did() {
    let world = world();
    for (family, key) in [("dsa", "dsa.conf"), ("iaa", "iaa.conf")] {
        let content = format!("--from-file={}", file(&format!("demo/{key}")));
        world.cluster.kubectl(&["create", "configmap", &format!("intel-{family}-config"), &content]);
    }
    for (folder, daemonset, resource) in [
        ("dlb_plugin", "intel-dlb-plugin", "dlb.intel.com/pf"),
        ("dlb_plugin/overlays/dlb_initcontainer", "intel-dlb-plugin", "dlb.intel.com/vf"),
        ("dsa_plugin", "intel-dsa-plugin", "dsa.intel.com/wq-user-shared"),
        ("dsa_plugin/overlays/dsa_initcontainer", "intel-dsa-plugin", "dsa.intel.com/wq-user-dedicated"),
        ("gpu_plugin", "intel-gpu-plugin", "gpu.intel.com/i915"),
        ("gpu_plugin/overlays/nfd_labeled_nodes", "intel-gpu-plugin", "gpu.intel.com/monitoring"),
        ("gpu_plugin/overlays/monitoring_shared-dev_nfd", "intel-gpu-plugin", "gpu.intel.com/i915"),
        ("gpu_plugin/overlays/xpumd", "intel-gpu-plugin", "gpu.intel.com/monitoring"),
        ("gpu_plugin/overlays/levelzero", "intel-gpu-plugin", "gpu.intel.com/i915"),
        ("gpu_plugin/overlays/health", "intel-gpu-plugin", "gpu.intel.com/i915"),
        ("iaa_plugin", "intel-iaa-plugin", "iaa.intel.com/wq-user-shared"),
        ("iaa_plugin/overlays/iaa_initcontainer", "intel-iaa-plugin", "iaa.intel.com/wq-user-dedicated"),
        ("npu_plugin", "intel-npu-plugin", "npu.intel.com/accel"),
        ("npu_plugin/overlays/nfd_labeled_nodes", "intel-npu-plugin", "npu.intel.com/accel"),
        ("qat_plugin", "intel-qat-plugin", "qat.intel.com/cy"),
        ("qat_plugin/overlays/debug", "intel-qat-plugin-debug", "qat.intel.com/dc"),
        ("qat_plugin/overlays/qat_initcontainer", "intel-qat-plugin", "qat.intel.com/cy"),
        ("sgx_plugin/base", "intel-sgx-plugin", "sgx.intel.com/enclave"),
        ("dsa_plugin/overlays/dsa_vfio_initcontainer", "intel-dsa-plugin", "dsa.intel.com/vfio"),
    ] {
        world.offers(folder, daemonset, resource);
    }
}

#[test]
#[ignore = "needs files of the Go implementation"]
fn its_webhooks_with_cert_manager_change_pods_as_they_did() {
    let world = world();
    let _running = world.cert_manager();
    for (overlay, resource) in [("af", FUNCTION), ("region", REGION)] {
        let folder = format!("fpga_plugin/overlays/{overlay}");
        world.apply(&folder);
        let namespace = "intelfpgaplugin-system";
        world.roll_out(namespace, "daemonset/intelfpgaplugin-intel-fpga-plugin");
        world.roll_out(namespace, "deployment/intelfpgaplugin-webhook");
        world.apply_file("deployments/fpga_admissionwebhook/mappings-collection.yaml");
        world.wait("the node's FPGA", || {
            let resources = world.kubernetes.resources(resource);
            resources.get(resource).is_some_and(|(_, allocatable)| *allocatable > 0).then_some(())
        });
        let readable = format!(
            "fpga.intel.com/arria10.dcp1.2{}",
            if overlay == "af" { "-nlb0-preprogrammed" } else { "" }
        );
        let made =
            world.changed(&serde_json::to_value(pod("readable", &[(&readable, 1)], "")).unwrap(), resource);
        println!("{folder}: {readable} became {}", made["spec"]["containers"][0]["resources"]["limits"]);
        world.remove(&folder);
    }

    world.apply("sgx_plugin/overlays/epc-nfd");
    world.roll_out("default", "daemonset/intel-sgx-plugin");
    world.roll_out("intelsgxwebhook-system", "deployment/intelsgxwebhook-webhook");
    let made = world.changed(
        &serde_json::to_value(pod("enclave", &[("sgx.intel.com/epc", 42)], "")).unwrap(),
        "sgx.intel.com/enclave",
    );
    println!("sgx_plugin/overlays/epc-nfd: {}", made["spec"]["containers"][0]["resources"]["limits"]);
    world.remove("sgx_plugin/overlays/epc-nfd");
}

#[test]
#[ignore = "needs files of the Go implementation"]
fn its_operator_s_manifests_and_samples_give_a_working_node() {
    let world = world();
    let _running = world.cert_manager();
    world.apply("operator/default");
    world.roll_out(OPERATOR, DEPLOYMENT);
    world.samples(|family| {
        let sample = file(&format!("deployments/operator/samples/deviceplugin_v1_{family}deviceplugin.yaml"));
        world.cluster.try_kubectl(&["apply", "-f", &sample])
    });
    world.remove("operator/default");
}

#[test]
#[ignore = "needs files of the Go implementation"]
fn its_charts_give_a_working_node() {
    let world = world();
    let _running = world.cert_manager();
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("rules.json");
    fs::write(&rules, NODE_FEATURE_RULES).unwrap();
    world.cluster.kubectl(&["apply", "-f", rules.to_str().unwrap()]);
    let chart =
        |name: &str| path("E2E_REFERENCE_CHARTS").join(format!("{name}-device-plugin")).display().to_string();
    let operator = path("E2E_REFERENCE_CHARTS").join("device-plugin-operator").display().to_string();
    world.cluster.helm(&["install", "operator", &operator, "-n", OPERATOR, "--create-namespace"]);
    world.roll_out(OPERATOR, "deployment/inteldeviceplugins-controller-manager");
    world.samples(|family| {
        if family == "fpga" {
            // There is no chart of it.
            let sample = file("deployments/operator/samples/deviceplugin_v1_fpgadeviceplugin.yaml");
            return world.cluster.try_kubectl(&["apply", "-f", &sample]);
        }
        // Some charts there are of older versions, whose images no operator of this one takes.
        let tags = format!("image.tag={VERSION},initImage.tag={VERSION}");
        world.cluster.try_helm(&[
            "upgrade",
            "--install",
            family,
            &chart(family),
            "-n",
            OPERATOR,
            "--set",
            &tags,
        ])
    });
    // The charts of this project with the values of those.
    let values = format!("{operator}/values.yaml");
    let ours = "charts/device-plugin-operator";
    world.cluster.helm(&["upgrade", "operator", ours, "-n", OPERATOR, "--take-ownership", "-f", &values]);
    world.roll_out(OPERATOR, "deployment/inteldeviceplugins-controller-manager");
    for family in FAMILIES.into_iter().filter(|family| *family != "fpga") {
        let values = format!("{}/values.yaml", chart(family));
        let ours = format!("charts/{family}-device-plugin");
        world.wait(&ours, || {
            world.cluster.try_helm(&["upgrade", family, &ours, "-n", OPERATOR, "-f", &values]).ok()
        });
        println!("{ours} with the values of {}", chart(family));
    }
    world.all_work();
    for family in FAMILIES {
        world.cluster.kubectl(&["delete", &format!("{family}deviceplugins"), "--all", "--timeout=60s"]);
    }
    world.cluster.helm(&["uninstall", "operator", "-n", OPERATOR]);
}

#[test]
#[ignore = "needs files of the Go implementation"]
fn what_its_operator_made_is_taken_over() {
    let world = world();
    world.apply("operator/crd");
    // Some clusters have it from other tests.
    let _ = world.cluster.try_kubectl(&["create", "namespace", OPERATOR]);
    let its = world.its_operator();
    world.samples(|family| {
        let sample = file(&format!("deployments/operator/samples/deviceplugin_v1_{family}deviceplugin.yaml"));
        world.cluster.try_kubectl(&["apply", "-f", &sample])
    });
    drop(its);
    let (daemonsets, pods) = (world.made("daemonsets"), world.made("pods"));
    assert_eq!(daemonsets.len(), FAMILIES.len(), "{daemonsets:?}");

    world.cluster.kubectl(&["apply", "-k", "deployments/operator/default"]);
    world.roll_out(OPERATOR, DEPLOYMENT);
    for family in FAMILIES {
        let objects = format!("{family}deviceplugins");
        let args = ["wait", &objects, "--all", "--for=condition=Available", "--timeout=110s"];
        let done = world.cluster.try_kubectl(&args);
        assert!(done.is_ok(), "{family}: {done:?}\n{}", world.state());
    }
    world.all_work();
    assert_eq!(world.made("daemonsets"), daemonsets);
    let now = world.made("pods");
    println!(
        "{} of {} pods were left as they are",
        now.iter().filter(|pod| pods.contains(pod)).count(),
        now.len()
    );
    world.cluster.kubectl(&["delete", "-k", "deployments/operator/default", "--timeout=60s"]);
}
