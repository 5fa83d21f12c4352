//! `top` beside the kubelet of a simulated node.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
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

/// What the kubelet has of other vendors may be long, and Go writes an empty list as `null`.
#[test]
fn what_the_kubelet_remembers_is_free_and_a_damaged_file_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("n");
    let _simulate = simulate(&root, &["-profile=arc-b580-igpu", "-allocate=gpu.intel.com/xe=1"]);
    let kubelet = root.join("var/lib/kubelet/device-plugins");
    fs::create_dir_all(&kubelet).unwrap();
    let others: Vec<String> = (0..50_000).map(|number| format!("device-{number}")).collect();
    let registered = json!({"gpu.intel.com/xe": ["card1-0", "card9-0\u{1b}[31m"], "npu.intel.com/accel": null, "example.com/a": others});
    let file = json!({"Data": {"PodDeviceEntries": null, "RegisteredDevices": registered}, "Checksum": 1});
    fs::write(kubelet.join("kubelet_internal_checkpoint"), file.to_string()).unwrap();
    let found: Value = serde_json::from_slice(&top(&root, &["-json"]).stdout).unwrap();
    assert_eq!(found["free"]["gpu.intel.com/xe"], json!(["card9-0\u{1b}[31m"]));
    assert_eq!(found["free"]["example.com/a"], Value::Null);
    assert!(!found["notSeen"].to_string().contains("free devices"), "{found}");
    let shown = String::from_utf8(top(&root, &[]).stdout).unwrap();
    assert!(shown.contains("card9-0\\u001b[31m") && !shown.contains('\u{1b}'), "{shown:?}");

    fs::write(kubelet.join("kubelet_internal_checkpoint"), "[").unwrap();
    let shown = String::from_utf8(top(&root, &[]).stdout).unwrap();
    let why = "not seen: free devices that are near no NUMA node: cannot understand /var/lib/kubelet/";
    assert!(shown.contains(why) && shown.contains("pod-0"), "{shown}");
}

#[test]
fn the_driver_of_an_npu_tells_how_busy_all_of_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("n");
    let _simulate = simulate(&root, &["-profile=npu-laptop", "-allocate=npu.intel.com/accel=1"]);
    fs::write(root.join("sys/class/accel/accel0/device/npu_busy_time_us"), "1000\n").unwrap();
    let found: Value = serde_json::from_slice(&top(&root, &["-json"]).stdout).unwrap();
    assert_eq!(found["devices"][0]["driverTells"], json!({"percent of the whole NPU": 0}));
}

/// Runs a program as a user who has only the rights that files give.
fn with_few_rights(mut command: Command) -> Output {
    let run = move || {
        for capability in [CapabilitySet::DAC_OVERRIDE, CapabilitySet::DAC_READ_SEARCH] {
            // Who may not give them up has none.
            let _ = remove_capability_from_bounding_set(capability);
        }
        command.stdin(Stdio::null()).output().unwrap()
    };
    std::thread::spawn(run).join().unwrap()
}

/// Root in a container lists what others have open, and the kernel does not let it follow the links.
#[test]
fn open_files_that_are_listed_and_cannot_be_followed_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("n");
    let _simulate = simulate(&root, &["-profile=arc-b580-igpu", "-allocate=gpu.intel.com/xe=1"]);
    add_process(&root);
    fs::write(root.join("proc/42/status"), "Uid:\t0\t0\t0\t0\n").unwrap();
    fs::create_dir_all(root.join("proc/sys/fs/inotify")).unwrap();
    for limit in ["max_user_instances", "max_user_watches"] {
        fs::write(root.join("proc/sys/fs/inotify").join(limit), "65536\n").unwrap();
    }
    let files = root.join("proc/42/fd");
    fs::set_permissions(&files, Permissions::from_mode(0o444)).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(BINARY);
        command.args(args).arg("-root").arg(&root);
        String::from_utf8(with_few_rights(command).stdout).unwrap()
    };
    let (top, doctor) = (run(&["top", "-once", "-interval=100ms"]), run(&["doctor"]));
    fs::set_permissions(&files, Permissions::from_mode(0o755)).unwrap();
    assert!(top.contains("not seen: open files of 1 processes: run this as root, in a pod with"), "{top}");
    assert!(doctor.contains("1 of its processes do not show their files"), "{doctor}");
    assert!(!doctor.contains("0 of 65536"), "{doctor}");
}

/// A window of 60 columns and 20 rows in which `top` runs, and all that was written to it.
struct Window {
    process: Process,
    written: Arc<Mutex<String>>,
}

impl Window {
    fn new(root: &Path) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        tcsetwinsize(&terminal, Winsize { ws_row: 20, ws_col: 60, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let open = || File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let mut command = Command::new(BINARY);
        command.args(["top", "-interval=100ms", "-root"]).arg(root).stdin(Stdio::null());
        let process = Process(command.stdout(open()).stderr(open()).spawn().unwrap());
        drop(command);
        let written = Arc::new(Mutex::new(String::new()));
        let (all, mut terminal) = (Arc::clone(&written), File::from(terminal));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It fails when nobody has the other end open any more.
            while let Ok(count) = terminal.read(&mut bytes) {
                all.lock().unwrap().push_str(&String::from_utf8_lossy(bytes.get(..count).unwrap()));
            }
        });
        Self { process, written }
    }

    /// Waits until this has been written, and forgets it.
    fn wait_for(&mut self, text: &str) -> String {
        let since = Instant::now();
        loop {
            let written = self.written.lock().unwrap().clone();
            if written.contains(text) {
                self.written.lock().unwrap().clear();
                return written;
            }
            assert!(since.elapsed() < PATIENCE, "{written:?}");
            assert_eq!(self.process.0.try_wait().unwrap(), None, "{written:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn live_it_goes_on_over_a_restart_of_the_kubelet_and_keeps_to_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("n");
    let flags = ["-profile=arc-b580-igpu", "-allocate=gpu.intel.com/xe=1"];
    let simulated = simulate(&root, &flags);
    let mut window = Window::new(&root);
    let written = window.wait_for("gpu.intel.com/xe");
    drop(simulated);
    window.wait_for("cannot ask the kubelet");
    fs::remove_dir_all(&root).unwrap();
    let _simulated = simulate(&root, &flags);
    window.wait_for("gpu.intel.com/xe");
    for line in written.lines() {
        assert!(line.trim_end().chars().count() <= 60, "{line:?}");
    }
    let pid = Pid::from_child(&window.process.0);
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(window.process.0.wait().unwrap().code(), Some(0));
}
