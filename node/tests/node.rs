//! `node`: all families in one process, and a file that changes under it.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use host::uevent::Uevent;
use rustix::process::{Pid, Signal, kill_process};
use simulator::kubelet::{Kubelet, Options, State};
use simulator::{Profile, SimulatedNode};

const BINARY: &str = env!("CARGO_BIN_EXE_intel-device-plugins");
const I915: &str = "gpu.intel.com/i915";

/// A simulated node with a kubelet, and the process on it.
struct World {
    folder: tempfile::TempDir,
    node: SimulatedNode,
    kubelet: Kubelet,
    process: Option<Child>,
}

impl World {
    fn new(profile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile::builtin(profile).unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
        let kubelet = Kubelet::start(folder.path().join("kubelet"), Options::default()).unwrap();
        Self { folder, node, kubelet, process: None }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn start(&mut self, config: &Path) {
        self.start_with(config, &[]);
    }

    fn start_with(&mut self, config: &Path, flags: &[&str]) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(BINARY);
        command.args(["node", "-v=2", "-confine=strict", "-node-name=one", "-config"]).arg(config);
        command.arg("-prefix").arg(self.node.root()).arg("-kubelet-dir").arg(self.kubelet.folder());
        command.arg("-cdi-dir").arg(self.folder.path()).args(flags);
        self.process = Some(command.stdin(Stdio::null()).stderr(log).spawn().unwrap());
    }

    async fn wait(&self, reached: impl FnMut(&State) -> bool) {
        if let Err(error) = self.kubelet.wait_until(reached).await {
            panic!("{error}\n{}", self.log());
        }
    }

    /// Ends the process as the kubelet does; its exit code.
    fn end(&mut self) -> Option<i32> {
        let mut process = self.process.take().unwrap();
        kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
        process.wait().unwrap().code()
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

fn gpu(shares: u32) -> String {
    format!("families:\n  gpu: {{shared-dev-num: {shares}}}\n")
}

#[tokio::test]
async fn a_changed_file_is_followed_and_no_resource_is_lost() {
    let mut world = World::new("arc-b580-igpu");
    fs::write(world.config(), gpu(2)).unwrap();
    world.start(&world.config());
    world.wait(|state| state.allocatable(I915) == 2).await;

    // As an editor does it.
    let new = world.folder.path().join("config.new");
    fs::write(&new, gpu(3)).unwrap();
    fs::rename(&new, world.config()).unwrap();
    world.wait(|state| state.allocatable(I915) == 3).await;

    // A file that is wrong changes nothing.
    fs::write(&new, "families:\n  gpu: {shared-dev-nun: 4}\n").unwrap();
    fs::rename(&new, world.config()).unwrap();
    while !world.log().contains("did you mean -shared-dev-num?") {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(world.kubelet.state().allocatable(I915), 3);

    // The node's own section wins.
    fs::write(&new, format!("{}nodes:\n  one:\n    gpu: {{shared-dev-num: 5}}\n", gpu(4))).unwrap();
    fs::rename(&new, world.config()).unwrap();
    world.wait(|state| state.allocatable(I915) == 5).await;
    let state = world.kubelet.state();
    assert_eq!(state.resources[I915].registrations, 1, "{}", world.log());
    assert!(state.resources[I915].connected);

    fs::write(&new, "families: {gpu: false}").unwrap();
    fs::rename(&new, world.config()).unwrap();
    world.wait(|state| !state.resources[I915].connected).await;
    fs::write(&new, gpu(1)).unwrap();
    fs::rename(&new, world.config()).unwrap();
    world.wait(|state| state.allocatable(I915) == 1).await;
    assert_eq!(world.end(), Some(0));
    let sockets: Vec<_> =
        fs::read_dir(world.kubelet.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(sockets.iter().all(|name| !name.to_string_lossy().contains("intel.com")), "{sockets:?}");
}

/// The kubelet puts the files of a `ConfigMap` in a folder with a date, and `..data` is a link to that.
#[tokio::test]
async fn a_changed_config_map_is_followed() {
    let mut world = World::new("arc-b580-igpu");
    let mount = world.folder.path().join("mount");
    let put = |date: &str, text: &str| {
        fs::create_dir_all(mount.join(date)).unwrap();
        fs::write(mount.join(date).join("config.yaml"), text).unwrap();
        symlink(date, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    put("..2026_01_01", &gpu(2));
    symlink("..data/config.yaml", mount.join("config.yaml")).unwrap();
    world.start(&mount.join("config.yaml"));
    world.wait(|state| state.allocatable(I915) == 2).await;
    put("..2026_01_02", &gpu(7));
    world.wait(|state| state.allocatable(I915) == 7).await;
    assert_eq!(world.kubelet.state().resources[I915].registrations, 1);
}

/// A `ConfigMap` may be optional, and made later.
#[tokio::test]
async fn a_file_that_is_not_there_means_the_defaults() {
    let mut world = World::new("arc-b580-igpu");
    let config = world.config();
    world.start(&config);
    world.wait(|state| state.allocatable(I915) == 1).await;
    assert!(world.log().contains("config.yaml is not there: all families run with their defaults"));
    fs::write(world.folder.path().join("config.new"), gpu(2)).unwrap();
    fs::rename(world.folder.path().join("config.new"), &config).unwrap();
    world.wait(|state| state.allocatable(I915) == 2).await;
    let nowhere = Command::new(BINARY).args(["node", "-config=/no/such/folder/file"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(255));
}

fn check(config: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    fs::write(&path, config).unwrap();
    Command::new(BINARY).args(["node", "-check", "-node-name=one", "-config"]).arg(path).output().unwrap()
}

#[test]
fn a_file_can_be_checked_before_it_is_rolled_out() {
    let good = check("families: {gpu: {shared-dev-num: 2}}\nnodes: {one: {gpu: {bypath: none}}}\n");
    assert_eq!(good.status.code(), Some(0));
    let shown = String::from_utf8(good.stdout).unwrap();
    assert!(shown.lines().any(|line| line == "gpu: -bypath=none -shared-dev-num=2"), "{shown}");
    let bad = check("nodes: {two: {gpu: {bypas: none}}}\n");
    assert_eq!(bad.status.code(), Some(255));
    let said = String::from_utf8(bad.stderr).unwrap();
    assert!(
        said.contains("nodes.two.gpu: flag provided but not defined: -bypas; did you mean -bypath?"),
        "{said}"
    );
}

/// How often each family looked at the node.
fn looks(metrics: SocketAddr) -> Option<BTreeMap<String, u32>> {
    let mut stream = TcpStream::connect(metrics).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let lines =
        text.lines().filter_map(|line| line.strip_prefix("device_plugin_discoveries_total{plugin=\""));
    let looks = lines.map(|line| line.split_once("\"} ").unwrap());
    Some(looks.map(|(plugin, count)| (plugin.to_owned(), count.parse().unwrap())).collect())
}

#[tokio::test]
async fn what_happens_to_one_family_wakes_no_other() {
    let mut world = World::new("xeon-full");
    fs::write(world.config(), "").unwrap();
    let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.start_with(&world.config(), &[&format!("-metrics-address={metrics}")]);
    world.wait(|state| state.allocatable(I915) == 8 && state.allocatable("qat.intel.com/cy") == 32).await;
    // The others may still be at their first look.
    let before = loop {
        let before = looks(metrics).unwrap();
        assert_eq!(before.len(), 8, "{before:?}");
        if before.values().all(|count| *count > 0) {
            break before;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };

    // As the kernel says it of any display controller; what it is told of twice, a family has looked at once by then.
    for times in 1..=2 {
        let event = Uevent {
            action: "change".to_owned(),
            devpath: "/devices/pci0000:15/0000:18:00.0".to_owned(),
            subsystem: "pci".to_owned(),
            properties: [("PCI_CLASS".to_owned(), "38000".to_owned())].into(),
        };
        world.node.uevent(&event).unwrap();
        while looks(metrics).unwrap()["gpu.intel.com"] < before["gpu.intel.com"] + times {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    let after = looks(metrics).unwrap();
    let woken = after.iter().filter(|(plugin, count)| before[*plugin] != **count).map(|(plugin, _)| plugin);
    assert_eq!(woken.collect::<Vec<_>>(), ["gpu.intel.com"], "{before:?} {after:?}");
}

/// Graphics and NPUs of this node cannot be listed; nobody else may suffer.
#[tokio::test]
async fn families_whose_hardware_cannot_be_read_leave_the_others_alone() {
    let mut world = World::new("xeon-full");
    for folder in ["sys/class/drm", "sys/class/accel"] {
        let folder = world.node.root().join(folder);
        fs::rename(&folder, folder.with_extension("away")).unwrap();
        // A link to itself.
        symlink(folder.file_name().unwrap(), &folder).unwrap();
    }
    fs::write(world.config(), "").unwrap();
    world.start(&world.config());
    let expected = [
        ("dlb.intel.com/pf", 1),
        ("dsa.intel.com/wq-user-dedicated", 16),
        ("iaa.intel.com/wq-user-shared", 16),
        ("qat.intel.com/cy", 32),
        ("sgx.intel.com/enclave", 110),
    ];
    world.wait(|state| expected.iter().all(|(name, count)| state.allocatable(name) == *count)).await;
    let state = world.kubelet.state();
    for absent in ["gpu.intel.com/", "npu.intel.com/"] {
        assert!(!state.resources.keys().any(|name| name.starts_with(absent)), "{absent}");
        assert!(
            world.log().contains(&format!("{}: discovery failed", absent.trim_end_matches('/'))),
            "{absent}"
        );
    }
    // It works again when the hardware can be read.
    for folder in ["sys/class/drm", "sys/class/accel"] {
        let folder = world.node.root().join(folder);
        fs::remove_file(&folder).unwrap();
        fs::rename(folder.with_extension("away"), &folder).unwrap();
    }
    fs::write(world.node.root().join("dev/dri/any"), "").unwrap();
    fs::write(world.node.root().join("dev/accel/any"), "").unwrap();
    world.wait(|state| state.allocatable(I915) == 8 && state.allocatable("npu.intel.com/accel") == 1).await;
    assert_eq!(world.kubelet.state().resources["qat.intel.com/cy"].registrations, 1);
}
