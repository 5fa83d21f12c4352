//! What each simulated node offers and what a container gets with each device, in several configurations: one golden
//! file a profile. `UPDATE_GOLDEN=1` writes the files anew.
#![expect(clippy::unwrap_used, reason = "tests")]

mod cases;
mod opened;
mod sidecar;
mod text;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use simulator::kubelet::{ContainerOptions, Kubelet, Options, PluginClient, ResourceState, State};
use simulator::{Profile, SimulatedNode, golden};

use cases::Case;
use opened::Opened;
use sidecar::Sidecar;

/// The process; ends when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn start(node: &SimulatedNode, folder: &Path, config: &str, address: &str) -> Process {
    fs::write(folder.join("config.yaml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_intel-device-plugins"));
    command
        .args(["node", "-confine=strict", "-metrics-address", address, "-config"])
        .arg(folder.join("config.yaml"));
    command.arg("-prefix").arg(node.root()).arg("-kubelet-dir").arg(folder.join("kubelet"));
    command.arg("-cdi-dir").arg(folder.join("cdi")).env_remove("PODS_PER_CORE").env_remove("NODE_NAME");
    let log = fs::File::create(folder.join("log")).unwrap();
    Process(command.stdin(Stdio::null()).stderr(log).spawn().unwrap())
}

/// A status page, empty as long as it is not good.
fn page(address: &str, path: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let _ = stream.read_to_string(&mut answer);
    }
    if answer.contains(" 200 ") { answer } else { String::new() }
}

fn made(profile: &Profile) -> (tempfile::TempDir, SimulatedNode) {
    let folder = tempfile::tempdir().unwrap();
    let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), profile).unwrap();
    (folder, node)
}

async fn told_by(node: &SimulatedNode, case: &Case) -> String {
    let folder = tempfile::tempdir().unwrap();
    let _sidecar = Sidecar::serve(node);
    let kubelet = Kubelet::start(folder.path().join("kubelet"), Options::default()).unwrap();
    // Free a moment ago, which is good enough here.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut process = start(node, folder.path(), case.config, &address);
    while page(&address, "/readyz").is_empty() {
        let log = || fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(process.0.try_wait().unwrap().is_none(), "{}: {}", case.title(), log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let sick = |state: &State| {
        let devices = state.resources.values().flat_map(|resource| resource.devices.values());
        devices.filter(|device| !device.healthy).count()
    };
    kubelet
        .wait_until(|state| {
            state.resources.values().all(|resource| resource.lists > 0) && sick(state) == case.sick
        })
        .await
        .unwrap();
    let reasons = text::reasons(&page(&address, "/metrics"));
    let mut told = String::new();
    for (resource, state) in kubelet.resources() {
        writeln!(told, "{resource}").unwrap();
        let socket = kubelet.folder().join(format!("{}.sock", resource.replace('/', "-")));
        told += &told_of(&PluginClient::connect(socket).await.unwrap(), &resource, &state, &reasons).await;
    }
    for file in text::cdi_files(&folder.path().join("cdi")) {
        writeln!(told, "{file}").unwrap();
    }
    let root = node.root().canonicalize().unwrap();
    told.replace(&root.display().to_string(), "")
}

/// The lines of one resource: its devices, and what all together give where that is more than the sum.
async fn told_of(
    client: &PluginClient,
    resource: &str,
    state: &ResourceState,
    reasons: &text::Reasons,
) -> String {
    let mut lines = text::Lines::default();
    let mut sum = Vec::new();
    let mut healthy = Vec::new();
    for (id, device) in &state.devices {
        let mut words = Vec::new();
        if !device.numa.is_empty() {
            words.push(format!("numa={:?}", device.numa));
        }
        if device.healthy {
            let answer = client.allocate([id.as_str()]).await.unwrap();
            let given = text::given(ContainerOptions::from(answer));
            words.extend(given.iter().cloned());
            sum.extend(given);
            healthy.push(id.as_str());
        } else {
            words.push(format!("unhealthy: {}", reasons[&(resource.to_owned(), id.clone())]));
        }
        lines.add(id, if words.is_empty() { "nothing".to_owned() } else { words.join(" ") });
    }
    let mut told = lines.text();
    if healthy.len() > 1 {
        let all = text::given(client.allocate(healthy).await.unwrap().into());
        let (mut sum, mut sorted) = (sum, all.clone());
        sum.sort();
        sum.dedup();
        sorted.sort();
        if sum != sorted {
            writeln!(told, "  all together: {}", all.join(" ")).unwrap();
        }
    }
    told
}

#[tokio::test]
async fn every_profile_offers_what_its_file_says() {
    for (name, title) in Profile::builtin_names() {
        let profile = Profile::builtin(name).unwrap();
        let mut told = format!("{title}\n");
        for case in cases::of(name) {
            writeln!(told, "\n# {}{}", case.title(), case.about).unwrap();
            let (_folder, mut node) = made(&profile);
            (case.change)(&mut node);
            for line in told_by(&node, case).await.lines() {
                // A CDI file is long, and most are the same in all cases.
                let (name, content) = line.split_once(' ').unwrap_or((line, ""));
                if content.starts_with('{') && told.contains(&format!("\n{line}\n")) {
                    writeln!(told, "{name} as above").unwrap();
                } else {
                    writeln!(told, "{line}").unwrap();
                }
            }
        }
        golden(format!("tests/golden/profiles/{name}.txt"), &told);
    }
}

fn recording(node: &SimulatedNode) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intel-device-plugins"));
    let output = command.args(["record", "-root"]).arg(node.root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_recorded_node_offers_the_same_and_has_every_file_that_was_read() {
    for (name, _) in Profile::builtin_names() {
        for case in cases::of(name) {
            let (_folder, mut node) = made(&Profile::builtin(name).unwrap());
            (case.change)(&mut node);
            let text = recording(&node);
            let (_again, again) = made(&Profile::parse("recording", &text).unwrap());
            assert_eq!(recording(&again), text, "{name}: a recording of the recording");

            let opened = Opened::watch(node.root());
            let told = told_by(&node, case).await;
            let missing = opened.files().into_iter().filter(|path| !again.host().exists(path));
            assert_eq!(missing.collect::<Vec<_>>(), [""; 0], "{name}: read, but in no READS of a plugin");
            assert_eq!(told_by(&again, case).await, told, "{name}: {}", case.title());
        }
    }
}
