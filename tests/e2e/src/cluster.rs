//! Starts the cluster, and does to it what the API cannot do.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use simulated_sysfs::mounted;
use simulator::{Kernel, Profile, SimulatedNode};

use crate::{DemoImage, Kubernetes, LEVELZERO_IMAGE, Prerequisites, levelzero};

/// Generous: a guard against hanging.
const PATIENCE: Duration = Duration::from_mins(2);

/// A cluster that runs. It ends with this process, which holds the other end of its standard input.
#[derive(Debug)]
pub struct Cluster {
    state: PathBuf,
    /// The kernel below the cluster's one node: it answers what programs write to `/sys` there.
    pub kernel: Arc<Kernel>,
    binary: PathBuf,
    /// The program of nodes, beside the sidecar that `cargo xtask build` makes.
    program: PathBuf,
    pid: String,
    _process: Child,
    _input: Option<ChildStdin>,
}

/// A program that runs on the node.
#[derive(Debug)]
pub struct OnNode(Child);

impl Drop for OnNode {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Cluster {
    /// Starts a cluster on a node of this profile, with these images in its store, such as `intel-gpu-plugin`.
    pub fn start(prerequisites: &Prerequisites, profile: &str, images: &[&str]) -> Self {
        let cluster = Self::up(prerequisites, profile, |_| {});
        for name in images {
            if *name == LEVELZERO_IMAGE {
                let archive = cluster.state.join("levelzero.tar");
                levelzero::pack(prerequisites, &archive);
                cluster.import(&archive);
            } else {
                cluster.import(&prerequisites.images.join(format!("{name}.tar")));
            }
        }
        cluster
    }

    /// Starts an API server and its etcd, alone: objects are checked and kept, and nothing comes of them.
    pub fn start_api(prerequisites: &Prerequisites) -> Self {
        Self::up(prerequisites, "empty", |up| {
            up.env("API_ONLY", "1");
        })
    }

    fn up(prerequisites: &Prerequisites, profile: &str, more: impl FnOnce(&mut Command)) -> Self {
        // `up` removes it, for this outlives what would: statics are not dropped.
        let state = tempfile::tempdir().expect("a temporary folder").keep();
        let profile = Profile::builtin(profile).expect("a built-in profile");
        let node = SimulatedNode::create(state.join("node"), &profile).expect("a simulated node");
        let sys = state.join("sys");
        fs::create_dir(&sys).expect("a folder for the node's /sys");
        let mut up = Command::new(folder().join("up"));
        up.args([&state, node.root(), &prerequisites.kubernetes])
            .env("SYS", &sys)
            .env("FPGA_EMULATOR", &prerequisites.fpga_emulator)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        more(&mut up);
        let kernel = Kernel::run(node);
        let process = mounted(&kernel, &sys, move || up.spawn()).expect("mount the node's /sys");
        let mut process = process.expect("tests/cluster/up");
        let input = process.stdin.take();
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let ready = lines.any(|line| line.is_ok_and(|line| line == "ready"));
        let pid = fs::read_to_string(state.join("pid")).unwrap_or_default().trim().to_owned();
        let binary = prerequisites.kubernetes.clone();
        let program = prerequisites.levelzero.with_file_name("intel-device-plugins");
        let cluster = Self { state, kernel, binary, program, pid, _process: process, _input: input };
        assert!(ready, "the cluster did not start\n{}", cluster.logs());
        cluster
    }

    /// The hardware of the cluster's one node.
    pub fn node(&self) -> MutexGuard<'_, SimulatedNode> {
        self.kernel.node()
    }

    /// A client of the API server. The calling thread moves to the cluster's network, and a runtime on it follows.
    pub fn kubernetes(&self) -> Kubernetes {
        let network = fs::File::open(format!("/proc/{}/ns/net", self.pid)).expect("the cluster's network");
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("move to the cluster's network");
        Kubernetes::new(&self.state.join("admin.kubeconfig"))
    }

    /// Runs kubectl with the repository as the working folder, and returns what it prints.
    pub fn kubectl(&self, args: &[&str]) -> String {
        let answer = self.try_kubectl(args);
        assert!(answer.is_ok(), "kubectl {args:?}: {answer:?}\n{}", self.logs());
        answer.unwrap_or_default()
    }

    /// As [`kubectl`](Self::kubectl), or what it complains of.
    pub fn try_kubectl(&self, args: &[&str]) -> Result<String, String> {
        let binary = [self.binary.as_os_str(), "kubectl".as_ref(), "--request-timeout=1m".as_ref()];
        self.ask(&binary, args)
    }

    /// What the real kustomize makes of these folders: the objects of each, or why one cannot be rendered.
    pub fn kustomize(&self, folders: &[PathBuf]) -> Result<Vec<Vec<Value>>, String> {
        let output = Command::new(&self.binary)
            .arg("kustomize")
            .args(folders)
            .output()
            .expect("the cluster's program");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let folders = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
        folders.collect::<Result<_, _>>().map_err(|error| error.to_string())
    }

    /// A folder of a project whose custom resources or manifests are at hand, as `tests/cluster/build` names it.
    pub fn module(&self, name: &str) -> PathBuf {
        self.binary.with_file_name("modules").join(name)
    }

    /// Makes known what Node Feature Discovery adds to the API: its own definitions.
    pub fn define_node_features(&self) {
        let definitions =
            self.module("node-feature-discovery").join("deployment/base/nfd-crds/nfd-api-crds.yaml");
        let definitions = definitions.to_str().expect("a path in UTF-8");
        self.kubectl(&["apply", "--server-side", "-f", definitions]);
        self.kubectl(&["wait", "--for=condition=Established", "-f", definitions, "--timeout=60s"]);
    }

    /// Runs Helm with the repository as the working folder, and returns what it prints.
    pub fn helm(&self, args: &[&str]) -> String {
        let answer = self.try_helm(args);
        assert!(answer.is_ok(), "helm {args:?}: {answer:?}\n{}", self.logs());
        answer.unwrap_or_default()
    }

    /// As [`helm`](Self::helm), or what it complains of.
    pub fn try_helm(&self, args: &[&str]) -> Result<String, String> {
        self.ask(&[self.binary.with_file_name("helm").as_os_str()], args)
    }

    /// Runs a client of the API server.
    fn ask(&self, program: &[&OsStr], args: &[&str]) -> Result<String, String> {
        let output = Command::new("timeout")
            .args(["120", "nsenter", "--target", &self.pid, "--net"])
            .args(program)
            .arg("--kubeconfig")
            .arg(self.state.join("admin.kubeconfig"))
            .args(args)
            .current_dir(repository())
            // Where Helm keeps files.
            .envs(["CACHE", "CONFIG", "DATA"].map(|kind| (format!("HELM_{kind}_HOME"), self.state.join("helm"))))
            .output()
            .expect("coreutils' timeout");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        // What `helm lint` finds is its output.
        Err(text(&output.stdout) + &text(&output.stderr))
    }

    /// Runs a program on the node until the answer is dropped, with the node's processes and mounts around it.
    pub fn run_on_node(&self, command: &[&str]) -> OnNode {
        let process = Command::new("nsenter")
            .args(["--target", &self.pid, "--mount", "--pid", "--"])
            // The program is a child of nsenter's, which is what can be ended.
            .args(["setpriv", "--pdeathsig", "KILL", "--"])
            .args(command)
            .spawn()
            .expect("nsenter");
        OnNode(process)
    }

    /// What the program of nodes, `intel-device-plugins`, prints when it runs on the node, with these words as its command.
    pub fn program_on_node(&self, words: &[&str]) -> String {
        let output = Command::new("timeout")
            .args(["60", "nsenter", "--target", &self.pid, "--mount", "--pid", "--"])
            .arg(&self.program)
            .args(words)
            .output()
            .expect("coreutils' timeout");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Where this process sees a file of the node, in one of the folders that `tests/cluster/inside` names.
    pub fn file(&self, path: &str) -> PathBuf {
        self.state.join("folders").join(path.trim_start_matches('/'))
    }

    /// What the FPGA emulator logged, a JSON document a line.
    pub fn fpga_log(&self) -> String {
        fs::read_to_string(self.state.join("fpga.log")).unwrap_or_default()
    }

    /// Whether a component such as `kubelet` has been started and not stopped.
    pub fn runs(&self, component: &str) -> bool {
        self.state.join("run").join(component).exists()
    }

    /// Stops a component such as `kubelet`; kills what has not ended after five seconds.
    pub fn stop(&self, component: &str) {
        self.control("stop", component, false);
    }

    /// Starts a component that was stopped.
    pub fn start_again(&self, component: &str) {
        self.control("start", component, true);
    }

    fn control(&self, verb: &str, component: &str, runs: bool) {
        // For reading too, so that it opens even when the cluster has ended.
        let mut pipe = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.state.join("control"))
            .expect("the control pipe");
        pipe.write_all(format!("{verb} {component}\n").as_bytes()).expect("the control pipe");
        let since = Instant::now();
        while self.runs(component) != runs {
            assert!(since.elapsed() < PATIENCE, "{verb} {component} takes too long\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the processes of the cluster, containers included, that run the program `name`; returns how many.
    pub fn kill(&self, name: &str) -> usize {
        self.kill_where(name, |_| true)
    }

    /// The same for those of one pod, by its unique id.
    pub fn kill_in_pod(&self, uid: &str, name: &str) -> usize {
        // cgroups are named after pods, with or without a change of the id's hyphens.
        let ids = [uid.to_owned(), uid.replace('-', "_")];
        self.kill_where(name, |process| {
            let groups = fs::read_to_string(process.join("cgroup")).unwrap_or_default();
            ids.iter().any(|id| groups.contains(&format!("pod{id}")))
        })
    }

    fn kill_where(&self, name: &str, is_meant: impl Fn(&Path) -> bool) -> usize {
        let processes = self.processes(|program, _| is_named(program, name), is_meant);
        for pid in &processes {
            kill_process(*pid, Signal::KILL).expect("kill");
        }
        processes.len()
    }

    /// The resident memory of the one process of the cluster, containers included, that runs the program `name`.
    pub fn resident_kib(&self, name: &str) -> u64 {
        let processes = self.processes(|program, _| is_named(program, name), |_| true);
        assert_eq!(processes.len(), 1, "{name} runs once");
        let process = processes.first().expect("a process");
        let status = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero()));
        let status = status.expect("the status of a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Has a component such as `kubelet` stand still in whatever it is doing.
    pub fn stand_still(&self, component: &str) {
        self.signal(component, Signal::STOP);
    }

    /// Has a component go on that stands still.
    pub fn go_on(&self, component: &str) {
        self.signal(component, Signal::CONT);
    }

    /// Components are one program, with their name as its first argument.
    fn signal(&self, component: &str, signal: Signal) {
        let is_it = |program: &Path, first: &[u8]| program == self.binary && first == component.as_bytes();
        let processes = self.processes(is_it, |_| true);
        assert_eq!(processes.len(), 1, "{component} runs once");
        for pid in processes {
            kill_process(pid, signal).expect("a signal");
        }
    }

    /// The processes of the cluster, containers included, by the program and its first argument, and by their folders in `/proc`.
    fn processes(
        &self,
        is_named: impl Fn(&Path, &[u8]) -> bool,
        is_meant: impl Fn(&Path) -> bool,
    ) -> Vec<Pid> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let pid = entry.file_name().to_string_lossy().into_owned();
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let mut words = command.split(|byte| *byte == 0);
            let program = Path::new(OsStr::from_bytes(words.next().unwrap_or_default()));
            if is_named(program, words.next().unwrap_or_default())
                && self.is_below(&pid)
                && is_meant(&entry.path())
            {
                found.extend(pid.parse().ok().and_then(Pid::from_raw));
            }
        }
        found
    }

    /// Whether a process descends from the cluster's first.
    fn is_below(&self, pid: &str) -> bool {
        let mut pid = pid.to_owned();
        while pid != "0" && pid != "1" && !pid.is_empty() {
            if pid == self.pid {
                return true;
            }
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
            parent.unwrap_or_default().trim().clone_into(&mut pid);
        }
        false
    }

    /// Puts the image of a demo in the node's store.
    pub fn load(&self, image: &DemoImage) {
        self.import(image.archive());
    }

    /// Puts the image of an archive in the store of containerd.
    fn import(&self, archive: &Path) {
        let mut command = Command::new(self.binary.with_file_name("ctr"));
        command.arg("-a").arg(self.state.join("containerd.sock"));
        let output = command.args(["-n", "k8s.io", "images", "import"]).arg(archive).output().expect("ctr");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The ends of all components' logs, for failures.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(self.state.join("logs")).into_iter().flatten().flatten() {
            let log = fs::read(entry.path()).unwrap_or_default();
            let log = String::from_utf8_lossy(&log).into_owned();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.len().saturating_sub(15);
            text += &format!(
                "--- {}\n{}\n",
                entry.path().display(),
                lines.get(tail..).unwrap_or_default().join("\n")
            );
        }
        text
    }
}

fn is_named(program: &Path, name: &str) -> bool {
    program.file_name().is_some_and(|found| found == name)
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn folder() -> PathBuf {
    repository().join("tests/cluster")
}
