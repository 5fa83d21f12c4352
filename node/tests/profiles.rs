//! What each simulated node offers, and what a container gets with each device: one line a device, for all families with
//! their default flags. `UPDATE_GOLDEN=1` writes the files anew.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use device_plugin::api::ContainerAllocateResponse;
use simulator::kubelet::{ContainerOptions, DeviceState, Kubelet, Options, PluginClient};
use simulator::{Profile, SimulatedNode};

/// The process; ends when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Whether all families have looked at the node and all their resources are registered.
fn is_ready(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = String::new();
    write!(stream, "GET /readyz HTTP/1.0\r\n\r\n").unwrap();
    stream.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
}

async fn told_by(profile: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::builtin(profile).unwrap();
    let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
    let kubelet = Kubelet::start(folder.path().join("kubelet"), Options::default()).unwrap();
    // Free a moment ago, which is good enough here.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_intel-device-plugins"));
    command.args(["node", "-metrics-address", &address]).env_remove("PODS_PER_CORE");
    command.arg("-prefix").arg(node.root()).arg("-kubelet-dir").arg(kubelet.folder());
    command.arg("-cdi-dir").arg(folder.path().join("cdi")).stdin(Stdio::null()).stderr(Stdio::null());
    let _process = Process(command.spawn().unwrap());
    while !is_ready(&address) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    kubelet.wait_until(|state| state.resources.values().all(|resource| resource.lists > 0)).await.unwrap();

    let mut told = String::new();
    for (resource, state) in kubelet.resources() {
        writeln!(told, "{resource}").unwrap();
        let socket = kubelet.folder().join(format!("{}.sock", resource.replace('/', "-")));
        let client = PluginClient::connect(socket).await.unwrap();
        for (id, device) in &state.devices {
            let answer =
                if device.healthy { Some(client.allocate([id.as_str()]).await.unwrap()) } else { None };
            writeln!(told, "  {}", line(id, device, answer)).unwrap();
        }
    }
    let root = node.root().canonicalize().unwrap();
    told.replace(&root.display().to_string(), "")
}

/// Paths are those of the host; where the container sees another one, that follows after a colon.
fn line(id: &str, device: &DeviceState, answer: Option<ContainerAllocateResponse>) -> String {
    let mut line = id.to_owned();
    if !device.numa.is_empty() {
        line += &format!(" numa={:?}", device.numa);
    }
    let Some(answer) = answer else { return line + " unhealthy" };
    let ContainerOptions { devices, mounts, env, annotations, cdi_devices } = answer.into();
    let place = |host: &str, container: &str| {
        if host.ends_with(container) { container.to_owned() } else { format!("{host}:{container}") }
    };
    for device in devices {
        line += &format!(" {}", place(&device.host_path, &device.container_path));
    }
    for mount in mounts {
        let mode = if mount.read_only { "ro" } else { "rw" };
        line += &format!(" {mode}={}", place(&mount.host_path, &mount.container_path));
    }
    for (name, value) in env.iter().chain(&annotations) {
        line += &format!(" {name}={value}");
    }
    for name in cdi_devices {
        line += &format!(" cdi={name}");
    }
    line
}

async fn check(profile: &str) {
    let told = told_by(profile).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/profiles/{profile}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &told).unwrap();
    }
    assert_eq!(told, fs::read_to_string(&path).unwrap_or_default(), "{profile}");
}

#[tokio::test]
async fn every_profile_offers_what_its_file_says() {
    for (name, _) in Profile::builtin_names() {
        check(name).await;
    }
}
