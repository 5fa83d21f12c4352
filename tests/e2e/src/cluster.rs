//! Starts the cluster, and does to it what the API cannot do.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use simulator::{Profile, SimulatedNode};

use crate::{Kubernetes, Prerequisites};

/// Generous: a guard against hanging.
const PATIENCE: Duration = Duration::from_mins(2);

/// A cluster that runs. It ends with this process, which holds the other end of its standard input.
#[derive(Debug)]
pub struct Cluster {
    state: tempfile::TempDir,
    /// The hardware of the cluster's one node.
    pub node: SimulatedNode,
    binary: PathBuf,
    pid: String,
    _process: Child,
    _input: Option<ChildStdin>,
}

impl Cluster {
    /// Starts a cluster on a node of this profile, with the GPU plugin's image in its store.
    pub fn start(prerequisites: &Prerequisites, profile: &str) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder");
        let profile = Profile::builtin(profile).expect("a built-in profile");
        let node = SimulatedNode::create(state.path().join("node"), &profile).expect("a simulated node");
        let mut process = Command::new(folder().join("up"))
            .args([state.path(), node.root(), &prerequisites.kubernetes])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/cluster/up");
        let input = process.stdin.take();
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let ready = lines.any(|line| line.is_ok_and(|line| line == "ready"));
        let pid = fs::read_to_string(state.path().join("pid")).unwrap_or_default().trim().to_owned();
        let binary = prerequisites.kubernetes.clone();
        let cluster = Self { state, node, binary, pid, _process: process, _input: input };
        assert!(ready, "the cluster did not start\n{}", cluster.logs());
        let program = format!("{}=/usr/local/bin/intel_gpu_device_plugin", prerequisites.plugins.display());
        cluster.import(
            "docker.io/intel/intel-gpu-plugin:devel",
            "/usr/local/bin/intel_gpu_device_plugin",
            &program,
        );
        cluster
    }

    /// A client of the API server. The calling thread moves to the cluster's network, and a runtime on it follows.
    pub fn kubernetes(&self) -> Kubernetes {
        let network = fs::File::open(format!("/proc/{}/ns/net", self.pid)).expect("the cluster's network");
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("move to the cluster's network");
        Kubernetes::new(&self.state.path().join("admin.kubeconfig"))
    }

    /// Runs kubectl with the repository as the working folder, and returns what it prints.
    pub fn kubectl(&self, args: &[&str]) -> String {
        let output = Command::new("nsenter")
            .args(["--target", &self.pid, "--net"])
            .arg(&self.binary)
            .args(["kubectl", "--kubeconfig"])
            .arg(self.state.path().join("admin.kubeconfig"))
            .args(args)
            .current_dir(repository())
            .output()
            .expect("nsenter");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "kubectl {args:?}: {}\n{}", text(&output.stderr), self.logs());
        text(&output.stdout)
    }

    /// Stops a component such as `kubelet`.
    pub fn stop(&self, component: &str) {
        self.control("stop", component, false);
    }

    /// Starts a component that was stopped.
    pub fn start_again(&self, component: &str) {
        self.control("start", component, true);
    }

    fn control(&self, verb: &str, component: &str, runs: bool) {
        fs::write(self.state.path().join("control"), format!("{verb} {component}\n"))
            .expect("the control pipe");
        let marker = self.state.path().join("run").join(component);
        let since = Instant::now();
        while marker.exists() != runs {
            assert!(since.elapsed() < PATIENCE, "{verb} {component} takes too long\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the processes of the cluster, containers included, that run the program `name`; returns how many.
    pub fn kill(&self, name: &str) -> usize {
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let own = namespace(&self.pid);
        let mut killed = 0;
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let pid = entry.file_name().to_string_lossy().into_owned();
            let program = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let program =
                String::from_utf8_lossy(program.split(|byte| *byte == 0).next().unwrap_or_default())
                    .into_owned();
            // Containers have process namespaces of their own, below the cluster's.
            let is_own = own.is_some() && self.is_below(&pid);
            if Path::new(&program).file_name().is_some_and(|found| found == name)
                && is_own
                && let Some(pid) = pid.parse().ok().and_then(Pid::from_raw)
            {
                kill_process(pid, Signal::KILL).expect("kill");
                killed += 1;
            }
        }
        killed
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

    /// Makes an image of one program and puts it in the store of containerd.
    fn import(&self, image: &str, entrypoint: &str, program: &str) {
        let archive = self.state.path().join("image.tar");
        let run = |command: &mut Command| {
            let output = command.output().expect("a program of tests/cluster or containerd");
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        let entrypoint = format!("[\"{entrypoint}\"]");
        run(Command::new(folder().join("image")).arg(&archive).args([image, &entrypoint, program]));
        let socket = self.state.path().join("containerd.sock");
        run(Command::new("ctr")
            .arg("-a")
            .arg(socket)
            .args(["-n", "k8s.io", "images", "import"])
            .arg(&archive));
    }

    /// The ends of all components' logs, for failures.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(self.state.path().join("logs")).into_iter().flatten().flatten() {
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

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn folder() -> PathBuf {
    repository().join("tests/cluster")
}
