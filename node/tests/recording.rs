//! What the tools that prepare and label nodes make of a recorded node.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "profiles/opened.rs"]
mod opened;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use opened::Opened;
use simulator::{Profile, SimulatedNode};

/// Runs a command line on a node; `FOLDER` in it is the folder with configuration.
fn run(line: &str, node: &SimulatedNode, folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intel-device-plugins"));
    let words = line.split(' ').map(|word| word.replace("FOLDER", folder.to_str().unwrap()));
    command.args(words.map(|word| word.replace("ROOT", node.root().to_str().unwrap())));
    command.env_remove("NODE_NAME").stdin(Stdio::null()).output().unwrap()
}

/// All that it said, without what differs from run to run.
fn said(line: &str, node: &SimulatedNode, folder: &Path) -> String {
    let output = run(line, node, folder);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    // After the time and the place in the source.
    let err = err.lines().map(|line| line.split_once("] ").map_or(line, |(_, text)| text));
    let text = format!("{:?}\n{out}\n{}", output.status.code(), err.collect::<Vec<_>>().join("\n"));
    text.replace(node.root().to_str().unwrap(), "")
}

const COMMANDS: &[&str] = &[
    "setup qat -dry-run -prefix ROOT -config-dir FOLDER",
    "setup qat -dry-run -prefix ROOT",
    "setup dsa -dry-run -prefix ROOT",
    "setup dsa -dry-run -prefix ROOT -driver vfio-pci",
    "setup iaa -dry-run -prefix ROOT",
    "setup dlb -dry-run -prefix ROOT",
    "gpu-labels -prefix ROOT",
    "fpga-tool -prefix ROOT list",
    "fpga-tool -prefix ROOT -d dfl-fme.0 -q fpgainfo",
    "fpga-tool -prefix ROOT -d dfl-port.0 -q fpgainfo",
    "fpga-tool -prefix ROOT -d intel-fpga-fme.1 -q fpgainfo",
    "fpga-tool -prefix ROOT -d intel-fpga-port.1 -q fpgainfo",
];

#[test]
fn setups_and_labels_are_the_same_on_a_recorded_node() {
    let config = tempfile::tempdir().unwrap();
    fs::write(config.path().join("qat.conf"), "ServicesEnabled=dc\nAutoresetEnabled=on\n").unwrap();
    for (name, _) in Profile::builtin_names() {
        let folder = tempfile::tempdir().unwrap();
        let make = |of: &str, profile: &Profile| {
            SimulatedNode::create_with_stand_ins(folder.path().join(of), profile).unwrap()
        };
        let node = make("node", &Profile::builtin(name).unwrap());
        let text = run("record -root ROOT", &node, config.path()).stdout;
        let again = make("again", &Profile::parse("recording", str::from_utf8(&text).unwrap()).unwrap());
        let opened = Opened::watch(node.root());
        for command in COMMANDS {
            assert_eq!(
                said(command, &again, config.path()),
                said(command, &node, config.path()),
                "{name}: {command}"
            );
        }
        let missing = opened.files().into_iter().filter(|path| !again.host().exists(path));
        assert_eq!(missing.collect::<Vec<_>>(), [""; 0], "{name}: read, but in no READS of a plugin");
    }
}

/// What says who a machine is, and what it would be wrong to read, in the folders that a recording looks into.
const PLANTED: &[&str] = &[
    "serial_number",
    "unique_id",
    "uuid",
    "address",
    "rom",
    "resource",
    "resource0",
    "config",
    "remove",
    "rescan",
    "reset",
    "vpd",
    "label",
    "hostname",
    "product_serial",
    "version_string",
];

#[test]
fn nothing_is_recorded_that_no_pattern_names() {
    for name in ["flex-170-sriov", "fpga-stratix10", "npu-laptop", "xeon-unconfigured"] {
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile::builtin(name).unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
        let recorded = || String::from_utf8(run("record -root ROOT", &node, folder.path()).stdout).unwrap();
        let before = recorded();
        plant(&node.root().join("sys/bus"));
        plant(&node.root().join("sys/devices"));
        let cmdline = "root=UUID=planted ip=planted::planted-host intel_iommu=on\n";
        fs::write(node.root().join("proc/cmdline"), cmdline).unwrap();
        let after = recorded().replace("file /proc/cmdline intel_iommu=on\n", "");
        let lines: Vec<&str> = before.lines().collect();
        assert_eq!(after.lines().filter(|line| !lines.contains(line)).collect::<Vec<_>>(), [""; 0], "{name}");
    }
}

/// Two sockets with 288 processors have more than 256 KiB of it.
#[test]
fn whether_a_machine_with_many_processors_has_enclaves_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::builtin("empty").unwrap();
    let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
    fs::create_dir_all(node.root().join("proc")).unwrap();
    let one = format!("processor\t: 7\nflags\t\t: fpu {}sgx sgx_lc\n\n", "avx512_vp2intersect ".repeat(60));
    fs::write(node.root().join("proc/cpuinfo"), one.repeat((400 << 10) / one.len() + 1)).unwrap();
    let text = String::from_utf8(run("record -root ROOT", &node, folder.path()).stdout).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("/proc/cpuinfo")).collect();
    let [line] = lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with("file /proc/cpuinfo flags") && line.ends_with(": sgx sgx_lc"), "{line}");
}

fn plant(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            plant(&entry.path());
        }
    }
    for name in PLANTED {
        let path = folder.join(name);
        if !path.exists() {
            fs::write(path, "planted\n").unwrap();
        }
    }
}
