//! `bundle`: what is in the archive, and what must not be.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use simulator::{Profile, SimulatedNode};

const BINARY: &str = env!("CARGO_BIN_EXE_intel-device-plugins");
/// As they would be on a node, in all kinds of places.
const PLANTED: [&str; 10] = [
    "worker-17",
    "worker-17.lab.example.com",
    "k8s-node-name",
    "SN4711-0815",
    "10.11.12.13",
    "2001:db8::4711",
    "52:54:00:ab:cd:ef",
    "6f1c0a9e-0b1d-4c7e-9a52-0123456789ab",
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJr.c2lnbmF0dXJl",
    "open-sesame",
];

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.arg("bundle").args(args).env("NODE_NAME", "k8s-node-name").stdin(Stdio::null());
    command.output().unwrap()
}

/// The files of an archive.
fn unpack(packed: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    let files = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let path = entry.path().unwrap();
        (path.strip_prefix("intel-device-plugins-bundle").unwrap().display().to_string(), text)
    });
    files.collect()
}

fn write(node: &SimulatedNode, path: &str, content: &str) {
    let path = node.root().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// What is taken out by its form alone, and so out of recordings too.
const UNKNOWN: usize = 4;

/// Answers one request for metrics.
fn serve(text: String) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 256];
        assert!(stream.read(&mut asked).unwrap() > 0);
        stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{text}").as_bytes()).unwrap();
    });
    (address, served)
}

#[test]
fn nothing_that_was_planted_is_in_it_from_no_source() {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::builtin("npu-laptop").unwrap();
    let node = SimulatedNode::create_with_stand_ins(folder.path().join("n"), &profile).unwrap();
    // What is known of the node, and what is only known by its form or by the word before it.
    write(&node, "etc/hostname", "worker-17.lab.example.com\n");
    write(&node, "sys/class/dmi/id/product_serial", "SN4711-0815\n");
    let all = format!("{} token=open-sesame", PLANTED.get(..9).unwrap().join(" "));
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let quoted = json(&all);
    write(&node, "proc/sys/kernel/osrelease", &format!("6.8.0 {all}\n"));
    let network = "ip=10.11.12.13::10.11.12.14:255.255.255.0:another-name:eth0:none";
    write(
        &node,
        "proc/cmdline",
        &format!("intel_iommu=on netroot=iscsi:user:A_VARIABLE@10.11.12.13 {network} {all}\n"),
    );
    write(&node, "proc/modules", &format!("xe 16384 1 {} Live 0xffffffffc0a00000\n", all.replace(' ', ",")));
    // That the last one is a secret only shows where a word says so.
    for name in PLANTED.iter().take(9) {
        write(&node, &format!("dev/dri/by-path/pci-{name}-card"), "c 226:9\n");
        write(&node, &format!("dev/dri/by-path/{name}"), "c 226:9\n");
        write(&node, &format!("var/lib/kubelet/device-plugins/{name}.sock"), "");
        write(
            &node,
            &format!("var/run/cdi/{name}.json"),
            &format!("{{\"kind\": {quoted}, \"devices\": [{quoted}]}}"),
        );
        // A finding of doctor.
        write(&node, &format!("etc/cdi/{name}.yaml"), "bad");
    }
    let edits = format!("{{\"env\": [\"A_VARIABLE={}\"], \"mounts\": [{quoted}]}}", PLANTED[9]);
    write(
        &node,
        "var/run/cdi/env.json",
        &format!("{{\"kind\": \"a\", \"devices\": [{{\"containerEdits\": {edits}}}]}}"),
    );
    let held = format!(
        "{{\"PodUID\": {quoted}, \"ContainerName\": {quoted}, \"ResourceName\": {quoted}, \"DeviceIDs\": {{\"0\": [{quoted}]}}, \
         \"AllocResp\": \"QV9WQVJJQUJMRQ==\"}}"
    );
    write(
        &node,
        "var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
        &format!(
            "{{\"Data\": {{\"PodDeviceEntries\": [{held}], \"RegisteredDevices\": {{{quoted}: [{quoted}]}}}}}}"
        ),
    );
    write(
        &node,
        "etc/containerd/config.toml",
        &format!("version = 2\ncdi_spec_dirs = [{quoted}]\n[registry]\npassword = \"A_VARIABLE\"\n"),
    );
    let (address, served) = serve(format!("device_plugin_devices{{text={quoted}}} 1\n"));

    let root = format!("-root={}", node.root().display());
    let output = run(&[&root, "-o=-", "-metrics-address", &address]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    served.join().unwrap();
    let files = unpack(&output.stdout);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let expected = [
        "cdi.txt",
        "device-nodes.txt",
        "doctor.json",
        "doctor.txt",
        "kernel.txt",
        "kubelet-devices.txt",
        "kubelet-folder.txt",
        "left-out.txt",
        "metrics.txt",
        "modules.txt",
        "plan.txt",
        "record.txt",
        "runtime-cdi.txt",
        "version.txt",
    ];
    assert_eq!(names, expected);
    for (name, text) in &files {
        let is_recording = name == "record.txt";
        let planted = PLANTED.iter().skip(if is_recording { UNKNOWN } else { 0 });
        for planted in planted.chain(&["A_VARIABLE", "another-name", "QV9WQVJJQUJMRQ", "ffffffffc0a00000"]) {
            assert!(
                !text.to_lowercase().contains(&planted.to_lowercase()),
                "{planted} is in {name}:\n{text}"
            );
        }
        // So that this test sees the sources.
        let is_planted = !["version.txt", "plan.txt", "left-out.txt"].contains(&name.as_str());
        let expected = if is_recording { "<ip-1>" } else { "<host-1>" };
        assert!(!is_planted || text.contains(expected), "nothing was taken out of {name}:\n{text}");
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let page = fs::read_to_string("../docs/doctor.md").unwrap();
    for name in expected {
        assert!(said.contains(name), "{name}: {said}");
        assert!(page.contains(name), "{name} is not in docs/doctor.md");
    }
}

#[test]
fn a_simulated_node_has_a_bundle_too_that_only_its_owner_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("b.tar.gz");
    let output = run(&["-profile=npu-laptop", "-o", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("doctor.json"), "{said}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let files = unpack(&fs::read(&file).unwrap());
    assert!(files["doctor.txt"].contains("npu.intel.com/accel: 1"), "{}", files["doctor.txt"]);
    assert!(files["device-nodes.txt"].contains("261:0 /dev/accel/accel0"), "{}", files["device-nodes.txt"]);
    assert!(
        files["left-out.txt"].contains("modules.txt: there is no /proc/modules"),
        "{}",
        files["left-out.txt"]
    );
}

#[test]
fn what_it_cannot_do_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    fs::write(&there, "precious").unwrap();
    for (args, code, expected) in [
        (vec!["-profile=empty", "-o", there.to_str().unwrap()], 1, "File exists"),
        (vec!["-profile=empty", "-o=/no/such/folder/b"], 1, "cannot write /no/such/folder/b"),
        (vec!["-profile=none"], 1, "no profile is named"),
        (vec!["-redact="], 2, "invalid value"),
        (vec!["word"], 2, "is no flag"),
    ] {
        let output = run(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(expected), "{args:?}: {said}");
    }
    assert_eq!(fs::read_to_string(&there).unwrap(), "precious");
    assert!(!Path::new("intel-device-plugins-bundle.tar.gz").exists());
}

#[test]
fn what_is_taken_out_leaves_recording_and_plan_as_they_are() {
    let said = |args: &[&str]| Command::new(BINARY).args(args).output().unwrap().stdout;
    for profile in ["flex-170-x2", "fpga-arria10", "xeon-accelerators"] {
        let files = unpack(&run(&["-profile", profile, "-o", "-"]).stdout);
        for (file, command) in [("record.txt", "record"), ("plan.txt", "plan")] {
            let wanted = String::from_utf8(said(&[command, "-profile", profile])).unwrap();
            assert_eq!(files.get(file), Some(&wanted), "{file} of {profile}");
        }
    }
}

#[test]
fn a_recording_works_whatever_the_host_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::builtin("xeon-accelerators").unwrap();
    let node = SimulatedNode::create_with_stand_ins(folder.path().join("n"), &profile).unwrap();
    write(&node, "etc/hostname", "dsa.example.com\n");
    write(&node, "sys/class/dmi/id/product_serial", "0000\n");
    let root = format!("-root={}", node.root().display());
    let files = unpack(&run(&[&root, "-o=-", "-metrics-address=", "-redact=idxd"]).stdout);
    let recorded = Command::new(BINARY).args(["record", &root]).output().unwrap().stdout;
    assert_eq!(files["record.txt"], String::from_utf8(recorded).unwrap());
    assert!(files["doctor.txt"].contains("<host-1>") && !files["doctor.txt"].contains("<serial-"));
}

#[test]
fn a_node_with_flags_of_its_own_does_not_look_faulty() {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::builtin("npu-laptop").unwrap();
    let node = SimulatedNode::create_with_stand_ins(folder.path().join("n"), &profile).unwrap();
    write(
        &node,
        "var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
        r#"{"Data": {"PodDeviceEntries": null, "RegisteredDevices": {"npu.intel.com/accel": ["accel0-0", "accel0-1"]}}}"#,
    );
    let root = format!("-root={}", node.root().display());
    let plan = unpack(&run(&[&root, "-o=-", "-metrics-address="]).stdout).remove("plan.txt").unwrap();
    assert!(
        plan.contains("with the defaults:") && plan.contains("plugins may run with other flags"),
        "{plan}"
    );
    assert!(!plan.contains("accel0-1"), "{plan}");
}

#[test]
fn a_page_that_comes_bit_by_bit_is_left_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // No single part is late.
        for _ in 0..200 {
            if stream.write_all(b"device_plugin_devices 1\n").is_err() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let root = format!("-root={}", folder.path().display());
    let files = unpack(&run(&[&root, "-o=-", "-metrics-address", &address]).stdout);
    served.join().unwrap();
    assert!(
        files["left-out.txt"].contains("it was not all there within 2 seconds"),
        "{}",
        files["left-out.txt"]
    );
}
