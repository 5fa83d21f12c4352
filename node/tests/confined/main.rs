//! All that stays on a node through its life, confined: a refused system call ends it. What Landlock refuses is an error, which is
//! seen where it is logged, or where something does not come about that is waited for; not where the code goes on without it.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod world;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use cluster::testing::ApiServer;
use serde_json::json;
use simulator::kubelet::{PodRequest, State};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use world::{PATIENCE, World};

const BINARY: &str = env!("CARGO_BIN_EXE_intel-device-plugins");

/// From the start to SIGTERM; `devices`, one of each resource, are pulled out on the way. The answer is the log.
async fn life(world: &mut World, command: &str, resources: &[(&str, usize)], devices: &[&str]) -> String {
    world.start(command, &["-confine=strict"]);
    let all_there = |state: &State| resources.iter().all(|(name, count)| state.allocatable(name) == *count);
    world.wait("start", all_there).await;
    world.page("/readyz").await;
    let page = world.page("/metrics").await;
    for by in ["landlock", "seccomp"] {
        let line = format!("device_plugin_confined{{by={by:?}}} 1");
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    for (resource, _) in resources {
        let pod = world.kubelet.admit(&PodRequest::of(*resource, *resource, 1)).await;
        assert!(pod.is_ok(), "{resource}: {pod:?}\n{}", world.log());
        world.kubelet.remove_pod(resource);
    }

    // A kubelet that has just started knows of no registration.
    let registered = |state: &State| {
        let is_registered = |name| state.resources.get(name).is_some_and(|found| found.registrations > 0);
        all_there(state) && resources.iter().all(|(name, _)| is_registered(*name))
    };
    world.kubelet.restart().await.unwrap();
    world.wait("restart of the kubelet", registered).await;
    world.kubelet.stop().await;
    // In one step: the plugin may just be making a socket in it.
    let away = world.folder.path().join("away");
    fs::rename(world.kubelet.folder(), &away).unwrap();
    fs::remove_dir_all(away).unwrap();
    world.kubelet.restart().await.unwrap();
    world.wait("another folder", registered).await;

    for ((resource, count), device) in resources.iter().zip(devices) {
        world.node.remove(device).unwrap();
        world.wait(device, |state| state.allocatable(resource) < *count).await;
    }
    world.end()
}

/// What is refused by Landlock is an error of the system that a plugin cannot have had before; an error that is swallowed is not
/// seen here.
fn assert_nothing_was_refused(log: &str) {
    for refused in ["ermission denied", "not permitted"] {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(refused)).collect();
        assert!(lines.is_empty(), "{lines:#?}");
    }
}

const AF: &str = "fpga.intel.com/af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs";

/// The command, what it offers, and a device of that which goes.
const FAMILIES: &[(&str, &str, usize, &str)] = &[
    ("gpu", "gpu.intel.com/i915", 8, "card7"),
    ("npu", "npu.intel.com/accel", 1, "npu0"),
    ("qat", "qat.intel.com/cy", 32, "qat0-vf15"),
    ("dsa", "dsa.intel.com/wq-user-dedicated", 16, "wq0.0"),
    ("iaa", "iaa.intel.com/wq-user-dedicated", 16, "wq1.0"),
    ("dlb", "dlb.intel.com/pf", 1, "dlb0"),
    ("sgx", "sgx.intel.com/enclave", 110, "sgx"),
    ("fpga", AF, 1, "fpga0"),
];

#[tokio::test]
async fn each_plugin_does_all_its_work_confined() {
    let mut world = World::new();
    for (command, resource, count, device) in FAMILIES {
        assert_nothing_was_refused(&life(&mut world, command, &[(resource, *count)], &[device]).await);
    }
}

#[tokio::test]
async fn all_plugins_do_all_their_work_confined_in_one_process() {
    let resources: Vec<_> = FAMILIES.iter().map(|(_, resource, count, _)| (*resource, *count)).collect();
    let devices: Vec<_> = FAMILIES.iter().map(|(.., device)| *device).collect();
    assert_nothing_was_refused(&life(&mut World::new(), "node", &resources, &devices).await);
}

/// Runs a program by the words that it is given, where the server's name has addresses of both kinds, which are sorted.
fn where_a_server_has_two_addresses(folder: &Path) -> Command {
    let hosts = folder.join("hosts");
    fs::write(&hosts, "127.0.0.1 server\n::1 server\n").unwrap();
    let mut program = Command::new("unshare");
    program.args(["--user", "--map-root-user", "--mount", "sh", "-ec"]);
    program.args(["mount --bind $0 /etc/hosts; exec \"$@\""]).arg(hosts).arg(BINARY);
    program
}

/// It reads what the kubeconfig names, looks up the server's name, and connects; nobody answers there.
#[tokio::test]
async fn the_api_is_asked_confined() {
    let mut world = World::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let authority = elsewhere.path().join("ca.pem");
    fs::write(&authority, rcgen::generate_simple_self_signed(["server".to_owned()]).unwrap().cert.pem())
        .unwrap();
    let kubeconfig = elsewhere.path().join("kubeconfig");
    for (command, server) in [("fpga", "127.0.0.1"), ("fpga", "server"), ("node", "server")] {
        let api = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, authority) = (api.local_addr().unwrap().port(), authority.display());
        let text = format!(
            "current-context: x\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{server: 'https://{server}:{port}', certificate-authority: {authority}}}}}]\n\
             users: [{{name: u, user: {{token: none}}}}]\n"
        );
        fs::write(&kubeconfig, text).unwrap();
        let kubeconfig = kubeconfig.display();
        let config = format!("families: {{fpga: {{node-name: one, kubeconfig: {kubeconfig}}}}}");
        fs::write(world.folder.path().join("config.yaml"), config).unwrap();
        let flag = format!("-kubeconfig={kubeconfig}");
        let flags = match command {
            "node" => ["-confine=strict", "-config=config.yaml", "-node-name=one"],
            _ => ["-confine=strict", "-node-name=one", &flag],
        };
        world.start_by(where_a_server_has_two_addresses(elsewhere.path()), command, &flags);
        let accepted = tokio::time::timeout(PATIENCE, api.accept()).await;
        assert!(accepted.is_ok(), "{command} {server}:\n{}", world.log());
        drop(accepted);
        world.wait(server, |state| state.allocatable(AF) == 1).await;
        assert_nothing_was_refused(&world.end());
    }
}

/// What it names may be anywhere, and that has been given up by then.
#[tokio::test]
async fn a_kubeconfig_that_comes_later_is_said_to_need_a_new_start() {
    let said = "has a kubeconfig now: this process has given up to read such files, start it anew for that";
    for (confine, is_said) in [("-confine=strict", true), ("-confine=off", false)] {
        let mut world = World::new();
        let config = world.folder.path().join("config.yaml");
        fs::write(&config, "families: {fpga: {node-name: one}}").unwrap();
        world.start("node", &[confine, "-config=config.yaml"]);
        world.wait("start", |state| state.allocatable(AF) == 1).await;
        assert!(!world.log().contains(said), "{}", world.log());
        let new = world.folder.path().join("new");
        fs::write(&new, "families: {fpga: {node-name: one, kubeconfig: /nowhere/kubeconfig}}").unwrap();
        fs::rename(&new, &config).unwrap();
        // It comes after that.
        world.until("another start", |world| world.log().contains("fpga has other flags now")).await;
        assert_eq!(world.log().contains(said), is_said, "{confine}:\n{}", world.log());
        world.end();
    }
}

/// The plugin writes to the drivers of a folder, which does nothing more than that.
#[tokio::test]
async fn virtual_functions_are_bound_confined() {
    let mut world = World::new();
    let drivers = world.node.root().join("sys/bus/pci/drivers");
    let bound = drivers.join("igb_uio/bind");
    fs::create_dir(bound.parent().unwrap()).unwrap();
    for file in [&bound, &drivers.join("igb_uio/unbind"), &drivers.join("vfio-pci/unbind")] {
        fs::write(file, "").unwrap();
    }
    world.start("qat", &["-confine=strict", "-dpdk-driver=igb_uio"]);
    let is_bound = "it is bound to vfio-pci now, though the kernel refused nothing";
    world.until("binding", |world| world.log().contains(is_bound)).await;
    let function = world.node.root().join("sys/bus/pci/devices").join(fs::read_to_string(&bound).unwrap());
    assert_eq!(fs::read_to_string(function.join("driver_override")).unwrap().trim(), "igb_uio");
    assert_nothing_was_refused(&world.end());
}

/// Those of other severities are made with their first lines.
#[tokio::test]
async fn log_files_are_written_confined() {
    let mut world = World::new();
    world.start("node", &["-confine=strict", "-config=config.yaml", "-logtostderr=false", "-log_dir=."]);
    world.wait("start", |state| state.allocatable("npu.intel.com/accel") == 1).await;
    let new = world.folder.path().join("new");
    fs::write(&new, "families: {npu: {shared-dev-nun: 2}}").unwrap();
    fs::rename(&new, world.folder.path().join("config.yaml")).unwrap();
    let link = "intel-device-plugins.ERROR";
    world.until(link, |world| world.text(link).contains("did you mean -shared-dev-num?")).await;
    world.end();
}

/// A tool that stays, in a pod of the node `one` whose account is that of the API server.
fn in_a_pod(api: &ApiServer, words: &[&str]) -> Command {
    let script = "mount -t tmpfs none /run; mkdir -p $1; mount --bind $0 $1; shift; exec \"$@\"";
    let (port, account) = api.account();
    let mut program = Command::new("unshare");
    program.args(["--user", "--map-root-user", "--mount", "sh", "-ec", script]).arg(account);
    program
        .args(["/var/run/secrets/kubernetes.io/serviceaccount", BINARY])
        .args(words)
        .arg("-confine=strict");
    program.envs([("NODE_NAME", "one"), ("KUBERNETES_SERVICE_HOST", "127.0.0.1")]);
    program.env("KUBERNETES_SERVICE_PORT", port.to_string());
    program
}

#[tokio::test]
async fn gpus_are_labelled_confined() {
    let mut world = World::new();
    let told = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&told);
    let api = ApiServer::start(move |request| {
        *heard.lock().unwrap() = request.body.to_string();
        (200, json!({"metadata": {"uid": "1"}}))
    });
    let api = api.await;
    let (folder, prefix) = (world.folder.path().join("features"), world.node.root().display().to_string());
    fs::create_dir(&folder).unwrap();
    let flags = ["-interval=1s", "-file=features/gpu.txt", "-node-label", "-prefix", &prefix];
    world.spawn(in_a_pod(&api, &[&["gpu-labels"], &flags[..]].concat()));
    for (millicores, card) in [("8000", "card7"), ("7000", "card6")] {
        let is_told = |text: &str| text.contains("gpu.intel.com/millicores") && text.contains(millicores);
        let everywhere =
            |world: &World| is_told(&world.text("features/gpu.txt")) && is_told(&told.lock().unwrap());
        world.until(millicores, everywhere).await;
        world.node.remove(card).unwrap();
    }
    assert_nothing_was_refused(&world.end());
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}

#[tokio::test]
async fn enclave_memory_is_told_confined() {
    let mut world = World::new();
    let mut statuses = [503].into_iter().chain(std::iter::repeat(200));
    let api = ApiServer::start(move |_| (statuses.next().unwrap(), json!({}))).await;
    world.spawn(in_a_pod(&api, &["sgx-epc", "-register", "-node-label", "-daemon"]));
    world.until("a second try", |world| world.log().contains("node one: sgx.intel.com/epc is ")).await;
    let log = world.end();
    assert!(log.contains("answers 503"), "{log}");
    assert_nothing_was_refused(&log);
}

/// Its certificate is that of a Secret, which the kubelet replaces by a link.
#[tokio::test]
async fn links_of_gpus_are_labelled_confined() {
    let mut world = World::new();
    let xpum = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = xpum.local_addr().unwrap().port().to_string();
    let folder = world.folder.path().to_owned();
    fs::create_dir(folder.join("features")).unwrap();
    let flags =
        ["xelink-sidecar", "-v=2", "-confine=strict", "-startup-delay=0", "-interval=1", "-xpum-port", &port];
    let mut program = Command::new(BINARY);
    program.args(flags).arg("-dst-file-path=features/links.txt");
    world.spawn(program);
    for remote in ["1", "2"] {
        let (mut asked, _) = tokio::time::timeout(PATIENCE, xpum.accept()).await.unwrap().unwrap();
        let body = format!(
            "xpum_topology_link{{local_device_id=\"0\",local_on_subdevice=\"true\",local_subdevice_id=\"0\",\
             remote_device_id=\"{remote}\",remote_subdevice_id=\"0\",lane_count=\"4\"}} 1.0\n"
        );
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        // To hang up with a part of the question unread is an error for who asks.
        let mut question = Vec::new();
        while !question.ends_with(b"\r\n\r\n") {
            assert!(asked.read_buf(&mut question).await.unwrap() > 0);
        }
        asked.write_all(answer.as_bytes()).await.unwrap();
        let label = format!("gpu.intel.com/xe-links=0.0-{remote}.0\n");
        world.until(&label, |world| world.text("features/links.txt") == label).await;
    }
    let log = world.end();
    for by in ["Landlock", "seccomp"] {
        assert!(
            log.lines().any(|line| line.contains(" confined in its ") && line.contains(by)),
            "{by}:\n{log}"
        );
    }
    assert_nothing_was_refused(&log);
    assert_eq!(fs::read_dir(folder.join("features")).unwrap().count(), 0);

    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert.pem();
    let secret = folder.join("secret");
    for version in ["..1", "..2"] {
        fs::create_dir_all(secret.join(version)).unwrap();
        fs::write(secret.join(version).join("tls.crt"), &certificate).unwrap();
    }
    symlink("..1", secret.join("..data")).unwrap();
    symlink("..data/tls.crt", secret.join("tls.crt")).unwrap();
    let mut program = Command::new(BINARY);
    program.args(flags).args(["-dst-file-path=features/links.txt", "-cert=secret/tls.crt"]);
    world.spawn(program);
    for _ in 0..2 {
        let (mut asked, _) = tokio::time::timeout(PATIENCE, xpum.accept()).await.unwrap().unwrap();
        // A handshake of TLS, and nobody answers.
        assert_eq!(asked.read_u8().await.unwrap(), 22);
        symlink("..2", secret.join("..new")).unwrap();
        fs::rename(secret.join("..new"), secret.join("..data")).unwrap();
        fs::remove_dir_all(secret.join("..1")).ok();
    }
    assert_nothing_was_refused(&world.end());
}

#[tokio::test]
async fn it_can_be_switched_off_and_says_so() {
    let mut world = World::new();
    world.start("npu", &["-confine=off"]);
    world.wait("start", |state| state.allocatable("npu.intel.com/accel") == 1).await;
    let page = world.page("/metrics").await;
    for by in ["landlock", "seccomp"] {
        let line = format!("device_plugin_confined{{by={by:?}}} 0");
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    let log = world.end();
    assert!(log.contains("not confined: -confine=off"), "{log}");
}
