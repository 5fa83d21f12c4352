//! `top` beside the kubelet of a simulated node.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_intel-device-plugins");
/// A guard against hanging.
const PATIENCE: Duration = Duration::from_secs(30);
const UID: &str = "0f3c5e0e-6c2f-4a36-9f0c-0d9a6b1c2d3e";

/// Ends when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn top(root: &Path, flags: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(["top", "-once", "-interval=100ms", "-root"]).arg(root).args(flags);
    command.stdin(Stdio::null()).output().unwrap()
}

/// Simulates a node whose first pod has a GPU, and waits until the kubelet says so.
fn simulate(root: &Path, flags: &[&str]) -> Process {
    let mut command = Command::new(BINARY);
    command.args(["simulate", "-watch", "-dir"]).arg(root).args(flags);
    let process = Process(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
    let since = Instant::now();
    while !String::from_utf8_lossy(&top(root, &[]).stdout).contains("pod-0") {
        assert!(since.elapsed() < PATIENCE, "{}", String::from_utf8_lossy(&top(root, &[]).stderr));
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}

/// A process of the first pod that has a GPU open, as the kernel shows it; the file is open twice.
fn add_process(root: &Path) {
    let folder = root.join("proc/42");
    for name in ["fd", "fdinfo"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    for file in ["5", "6"] {
        symlink("/dev/dri/renderD129", folder.join("fd").join(file)).unwrap();
        let told = "drm-driver:\txe\ndrm-client-id:\t7\ndrm-pdev:\t0000:03:00.0\ndrm-resident-vram0:\t3 MiB\n\
                    drm-cycles-ccs:\t10\ndrm-total-cycles-ccs:\t1000\n";
        fs::write(folder.join("fdinfo").join(file), told).unwrap();
    }
    let group = format!("0::/kubepods.slice/kubepods-pod{}.slice/cri-1.scope\n", UID.replace('-', "_"));
    fs::write(folder.join("cgroup"), group).unwrap();
    fs::create_dir_all(root.join(format!("var/log/pods/default_pod-0_{UID}"))).unwrap();
}

#[test]
fn top_says_which_pod_has_which_gpu_and_what_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("n");
    let _simulate = simulate(&root, &["-profile=arc-b580-igpu", "-allocate=gpu.intel.com/xe=1"]);
    add_process(&root);
    let found: Value = serde_json::from_slice(&top(&root, &["-json"]).stdout).unwrap();
    let device = json!({
        "resource": "gpu.intel.com/xe", "device": "card1-0", "at": "0000:03:00.0",
        "namespace": "default", "pod": "pod-0", "container": "main",
        "busyPercent": 0.0, "busiestEngine": "ccs", "memoryBytes": 3 * 1024 * 1024, "driverTells": {},
    });
    assert_eq!(found["devices"], json!([device]));
    assert_eq!(found["free"]["gpu.intel.com/i915"], json!(["card0-0"]));
    assert_eq!(found["free"]["gpu.intel.com/xe"], json!([]));

    let shown = String::from_utf8(top(&root, &[]).stdout).unwrap();
    let lines: Vec<String> =
        shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "RESOURCE DEVICE AT NAMESPACE POD CONTAINER BUSY MEMORY",
        "gpu.intel.com/xe card1-0 0000:03:00.0 default pod-0 main 0% ccs 3 MiB",
        "gpu.intel.com/i915 card0-0 - - (free) - - -",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected:?} is not in\n{shown}");
    }
}

#[test]
fn top_says_what_drivers_tell_of_queues() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("n");
    let _simulate =
        simulate(&root, &["-profile=xeon-accelerators", "-allocate=dsa.intel.com/wq-user-dedicated=1"]);
    let found: Value = serde_json::from_slice(&top(&root, &["-json"]).stdout).unwrap();
    let device = &found["devices"][0];
    let queue = device["at"].as_str().unwrap();
    fs::write(root.join(format!("sys/bus/dsa/devices/{queue}/clients")), "2\n").unwrap();
    let found: Value = serde_json::from_slice(&top(&root, &["-json"]).stdout).unwrap();
    assert_eq!(found["devices"][0]["driverTells"]["clients"], json!(2));
    // More free ones than one wants to read are counted.
    let shown = String::from_utf8(top(&root, &[]).stdout).unwrap();
    assert!(shown.contains("110 devices"), "{shown}");
    assert!(shown.contains("not seen: which processes are of 1 of the pods: /var/log/pods has"), "{shown}");
}

#[test]
fn without_a_kubelet_top_says_what_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let output = top(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = format!(
        "top: cannot ask the kubelet at {}/var/lib/kubelet/pod-resources/kubelet.sock which pod has which device: ",
        folder.path().display()
    );
    assert!(said.starts_with(&expected) && said.contains("is the kubelet running"), "{said}");
    assert!(output.stdout.is_empty());
}
