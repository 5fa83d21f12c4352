//! A simulated node with its kubelet, and what runs there.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use simulator::kubelet::{Kubelet, Options, State};
use simulator::{Profile, SimulatedNode};

use crate::BINARY;

/// A guard against hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A simulated node with all families, and a plugin on it.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) node: SimulatedNode,
    pub(crate) kubelet: Kubelet,
    pub(crate) metrics: String,
    pub(crate) process: Option<Child>,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile::builtin("xeon-full").unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
        let kubelet = Kubelet::start(folder.path().join("kubelet"), Options::default()).unwrap();
        Self { folder, node, kubelet, metrics: String::new(), process: None }
    }

    pub(crate) fn start(&mut self, command: &str, flags: &[&str]) {
        self.start_by(Command::new(BINARY), command, flags);
    }

    /// As above, by a program that is given all the words.
    pub(crate) fn start_by(&mut self, mut program: Command, command: &str, flags: &[&str]) {
        // Free a moment ago, which is good enough here.
        self.metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let folder = self.folder.path();
        program.args([command, "-v=2", "-metrics-address", &self.metrics, "-prefix"]).arg(self.node.root());
        program.arg("-kubelet-dir").arg(self.kubelet.folder()).arg("-cdi-dir").arg(folder.join("cdi"));
        program.args(flags).env_remove("PODS_PER_CORE").env_remove("NODE_NAME");
        self.spawn(program);
    }

    pub(crate) fn spawn(&mut self, mut program: Command) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        program.current_dir(&self.folder).stdin(Stdio::null()).stderr(log);
        self.process = Some(program.spawn().unwrap());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// A file of the folder, or nothing.
    pub(crate) fn text(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }

    pub(crate) async fn until(&mut self, what: &str, mut reached: impl FnMut(&Self) -> bool) {
        let since = Instant::now();
        while !reached(self) {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && since.elapsed() < PATIENCE, "{what}: {ended:?}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn wait(&mut self, what: &str, reached: impl FnMut(&State) -> bool) {
        let outcome = self.kubelet.wait_until(reached).await;
        let ended = self.process.as_mut().unwrap().try_wait().unwrap();
        if let (Err(_), _) | (_, Some(_)) = (&outcome, ended) {
            panic!("{what}: {outcome:?} {ended:?}\n{}", self.log());
        }
    }

    /// The page, as soon as there is one that is good.
    pub(crate) async fn page(&self, path: &str) -> String {
        let since = Instant::now();
        loop {
            let mut answer = String::new();
            if let Ok(mut stream) = TcpStream::connect(&self.metrics) {
                write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
                let _ = stream.read_to_string(&mut answer);
            }
            if answer.contains(" 200 ") {
                return answer;
            }
            assert!(since.elapsed() < PATIENCE, "{path}: {answer}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The log.
    pub(crate) fn end(&mut self) -> String {
        let mut process = self.process.take().unwrap();
        kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
        let status = process.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{status:?}\n{}", self.log());
        let sockets = fs::read_dir(self.kubelet.folder()).unwrap();
        let left: Vec<_> = sockets.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().contains("intel.com")), "{left:?}");
        self.log()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
