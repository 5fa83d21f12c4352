//! `plan`, as users run it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod manifests;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use simulator::{Profile, SimulatedNode, golden};

const KUBELET: &str = "var/lib/kubelet/device-plugins";
const CHECKPOINT: &str = "var/lib/kubelet/device-plugins/kubelet_internal_checkpoint";

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intel-device-plugins"));
    // They are defaults of flags.
    command.env_remove("NODE_NAME").env_remove("PODS_PER_CORE");
    command.arg("plan").args(args);
    command
}

fn run(args: &[&str]) -> Output {
    command(args).stdin(Stdio::null()).output().unwrap()
}

/// With this configuration on standard input.
fn run_with(config: &str, args: &[&str]) -> Output {
    let mut command = command(&["-config", "-"]);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(config.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What it shows, and its exit code.
fn shown(output: &Output) -> (String, i32) {
    (text(&output.stdout), output.status.code().unwrap())
}

/// What it complains of. Nothing else may be shown.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    text(&output.stderr)
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| json!(format!("{error}: {output:?}")))
}

/// A node that is not this one, with a kubelet.
struct Node(tempfile::TempDir);

impl Node {
    fn new(profile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        SimulatedNode::create(folder.path(), &Profile::builtin(profile).unwrap()).unwrap();
        fs::create_dir_all(folder.path().join(KUBELET)).unwrap();
        Self(folder)
    }

    fn with_checkpoint(self, registered: &Value, held: &Value) -> Self {
        let data = json!({"PodDeviceEntries": held, "RegisteredDevices": registered});
        self.with_file(&json!({"Data": data, "Checksum": 1}).to_string())
    }

    fn with_file(self, checkpoint: &str) -> Self {
        fs::write(self.0.path().join(CHECKPOINT), checkpoint).unwrap();
        self
    }

    fn plan(&self, args: &[&str]) -> Output {
        run(&[&["-root", self.0.path().to_str().unwrap()], args].concat())
    }

    /// Each path with its time of change and what it holds.
    fn listing(&self) -> BTreeMap<PathBuf, String> {
        let mut listing = BTreeMap::new();
        list(self.0.path(), &mut listing);
        assert!(listing.len() > 100, "{listing:?}");
        listing
    }
}

fn list(folder: &Path, listing: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let content = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        listing.insert(
            path.clone(),
            format!("{:?} {:?} {content:?}", meta.modified().unwrap(), meta.file_type()),
        );
        if meta.is_dir() {
            list(&path, listing);
        }
    }
}

#[test]
fn what_the_defaults_offer_is_shown_with_what_is_left_out() {
    let (shown, code) = shown(&run(&["-profile", "xeon-accelerators"]));
    golden("tests/golden/plan/defaults.txt", &shown);
    assert_eq!(code, 0);
}

#[test]
fn two_configurations_are_compared_by_resources_and_ids() {
    let flags = [
        "-plugin-flags",
        "gpu: -shared-dev-num=2 -enable-monitoring",
        "-against-flags",
        "gpu: -deny-ids=0x56c1",
    ];
    let profile = ["-profile", "flex-170-x2"];
    let (table, code) = shown(&run(&[&profile[..], &flags].concat()));
    golden("tests/golden/plan/differences.txt", &table);
    assert_eq!(code, 2);
    let (json, code) = shown(&run(&[&profile[..], &flags, &["-json"]].concat()));
    golden("tests/golden/plan/differences.json", &json);
    assert_eq!(code, 2);
}

#[test]
fn the_example_of_the_page_is_what_is_printed() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plan.md")).unwrap();
    let (_, example) = page.split_once("```console\n$ intel-device-plugins plan ").unwrap();
    let (line, example) = example.split_once('\n').unwrap();
    let (example, _) = example.split_once("```").unwrap();
    // Of a shell's quotes, only these are in it.
    let words = line
        .split('\'')
        .enumerate()
        .flat_map(|(n, part)| if n % 2 == 1 { vec![part] } else { part.split_whitespace().collect() });
    let (shown, code) = shown(&run(&words.collect::<Vec<_>>()));
    assert_eq!(shown, example);
    assert_eq!(code, 2);
}

/// The other families' resources are of other DaemonSets, and other vendors' of other plugins.
#[test]
fn what_the_kubelet_has_is_compared_with_for_the_families_that_are_planned() {
    let registered = json!({
        "gpu.intel.com/i915": ["card0-0", "card1-0"],
        "gpu.intel.com/monitoring": ["all"],
        "gpu.intel.com/gone": [],
        "qat.intel.com/cy": ["0000:6b:00.1"],
        "example.com/gpu": ["0"],
    });
    let held = json!([
        {"PodUID": "uid-1", "ContainerName": "main", "ResourceName": "gpu.intel.com/monitoring", "DeviceIDs": {"-1": ["all"]}, "AllocResp": null},
        {"PodUID": "uid-2", "ContainerName": "main", "ResourceName": "gpu.intel.com/i915", "DeviceIDs": {"0": ["card0-0"]}, "AllocResp": null},
    ]);
    let node = Node::new("flex-170-x2").with_checkpoint(&registered, &held);
    let (table, code) = shown(&node.plan(&["-plugin-flags", "gpu: "]));
    let table = table.replace(node.0.path().to_str().unwrap(), "NODE");
    golden("tests/golden/plan/kubelet.txt", &table);
    assert_eq!(code, 2);

    let found = json_of(&node.plan(&["-plugin-flags", "gpu: ", "-json"]));
    let containers = json!([{"pod": "uid-1", "container": "main", "devices": ["all"]}]);
    assert_eq!(found.pointer("/differences/0/containers"), Some(&containers));
    assert_eq!(found.pointer("/differences/1"), None);

    // With all families, what QAT had goes, too.
    let found = json_of(&node.plan(&["-json"]));
    assert_eq!(found.pointer("/differences/1/go"), Some(&json!(["0000:6b:00.1"])));

    let (shown, code) = shown(&node.plan(&["-plugin-flags", "gpu: -enable-monitoring"]));
    assert!(shown.ends_with("\nNo difference from what the kubelet has.\n"), "{shown}");
    assert_eq!(code, 0);
}

/// Where a kubelet would be asked anyhow, an unhealthy device is one that it does not remember.
#[test]
fn an_unhealthy_device_is_no_difference_from_a_kubelet_that_does_not_have_it() {
    let node = Node::new("xeon-accelerators");
    let state = node.0.path().join("sys/bus/pci/devices/0000:6b:00.0/qat/state");
    fs::write(state, "down\n").unwrap();
    let registered = json!({
        "qat.intel.com/cy": ["0000:e8:00.1", "0000:e8:00.2"],
        "qat.intel.com/dc": ["0000:70:00.1", "0000:70:00.2", "0000:ed:00.1", "0000:ed:00.2"],
    });
    let node = node.with_checkpoint(&registered, &json!(null));
    let output = node.plan(&["-plugin-flags", "qat: ", "-json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(json_of(&output).get("differences"), Some(&json!([])));
    let device = json!({
        "id": "0000:6b:00.1", "healthy": false, "reason": "its physical function 0000:6b:00.0 is down",
    });
    assert_eq!(json_of(&output).pointer("/resources/qat.intel.com~1cy/0"), Some(&device));
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_said_and_is_an_error_only_when_it_was_asked_for() {
    let missing = Node::new("flex-170-x2");
    let damaged = Node::new("flex-170-x2").with_file("{\"Data\":{\"RegisteredDevices\":7}}");
    for (node, why) in [(&missing, "cannot read /"), (&damaged, "cannot understand /")] {
        let why = format!("{why}{CHECKPOINT}: ");
        let (shown, code) = shown(&node.plan(&[]));
        assert!(shown.contains(&format!("\nNot compared with what the kubelet has: {why}")), "{shown}");
        assert_eq!(code, 0);
        let error = json_of(&node.plan(&["-json"]));
        let error = error.pointer("/against/error").and_then(Value::as_str).unwrap();
        assert!(error.starts_with(&why), "{error}");
        let error = complaint(&node.plan(&["-against", "kubelet"]));
        assert!(error.starts_with(&format!("plan: {why}")), "{error}");
    }
    let moved = damaged.plan(&["-kubelet-dir", "/etc/no-kubelet", "-against=kubelet"]);
    assert!(complaint(&moved).starts_with("plan: cannot read /etc/no-kubelet/"), "{moved:?}");
}

/// QAT's plugin would bind functions to their driver.
#[test]
fn nothing_on_the_node_is_changed() {
    for profile in ["xeon-accelerators", "xeon-unconfigured", "fpga-arria10", "flex-170-x2"] {
        let node = Node::new(profile).with_checkpoint(&json!({}), &json!(null));
        let before = node.listing();
        let flags =
            ["-plugin-flags", "gpu: -health-management", "-plugin-flags", "fpga: -node-name=worker-1"];
        let others = ["-plugin-flags", "qat: -kernel-vf-drivers=4xxxvf,6xxxvf"];
        for args in [&[][..], &[&flags[..], &others].concat(), &["-against", "defaults"]] {
            let output = node.plan(args);
            assert!(matches!(output.status.code(), Some(0 | 2)), "{output:?}");
        }
        assert_eq!(node.listing(), before, "{profile}");
    }
}

#[test]
fn what_only_a_running_plugin_knows_is_said() {
    let notes = |profile: &str, flags: &str| {
        let family = flags.split(':').next().unwrap().to_owned();
        let found = json_of(&run(&["-json", "-profile", profile, "-plugin-flags", flags]));
        let notes = found.pointer(&format!("/families/{family}/notes")).and_then(Value::as_array).unwrap();
        notes.iter().map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("; ")
    };
    let qat = "binds 0000:6b:00.3 and 3 more to vfio-pci when it runs, and offers what is bound";
    assert_eq!(notes("xeon-accelerators", "qat: "), qat);
    let unloaded = notes("xeon-accelerators", "qat: -dpdk-driver=igb_uio");
    let driver = "12 virtual functions are left out: the driver igb_uio is not loaded; run `modprobe igb_uio` on the node";
    assert_eq!(unloaded, format!("{driver}; offers nothing here"));
    let gpu = "asks the Level-Zero sidecar which GPUs are healthy when it runs; here all are";
    assert_eq!(notes("flex-170-x2", "gpu: -health-management"), gpu);
    let fpga = "an annotation of the node may say otherwise than the flags";
    assert_eq!(notes("fpga-arria10", "fpga: -node-name=worker-1"), fpga);
    assert_eq!(notes("flex-170-x2", "npu: "), "offers nothing here");
}

/// What it offers is as little known as what goes.
#[test]
fn a_family_of_which_nothing_can_be_known_is_an_error_beside_what_is_known_of_the_others() {
    let node = Node::new("wsl").with_checkpoint(&json!({"gpu.intel.com/dxg": ["0"]}), &json!(null));
    let output = node.plan(&["-plugin-flags", "gpu: -wsl", "-plugin-flags", "npu: "]);
    let (shown, code) = shown(&output);
    assert_eq!(code, 1);
    let expected = "  gpu: it is not known what it offers: the Level-Zero sidecar has not said yet which GPUs there are\n";
    assert!(shown.contains(expected) && shown.contains("No difference from"), "{shown}");
}

#[test]
fn text_from_the_node_cannot_forge_lines_or_colours() {
    let id = "x\u{1b}[31m\nNo difference";
    let node = Node::new("flex-170-x2").with_checkpoint(&json!({"gpu.intel.com/i915": [id]}), &json!(null));
    let (shown, _) = shown(&node.plan(&["-plugin-flags=gpu: "]));
    assert!(shown.contains("-x\\u001b[31m\\nNo difference"), "{shown:?}");
    assert!(!shown.contains('\u{1b}') && !shown.contains("\nNo difference"), "{shown:?}");
}

#[test]
fn words_that_a_plugin_would_ignore_are_said() {
    let (shown, _) =
        shown(&run(&["-profile=npu-laptop", "-plugin-flags=npu: -logtostderr true -shared-dev-num=2"]));
    assert!(shown.contains("npu: ignores true -shared-dev-num=2: flags end at"), "{shown}");
    let row = shown.lines().find(|line| line.contains("npu.intel.com/accel")).unwrap();
    assert!(!row.contains("accel0-1"), "{shown}");
}

#[test]
fn errors_of_the_command_line_end_with_1_and_help_with_0() {
    let live = Node::new("empty");
    for (args, expected) in [
        (&["-no-such-flag"][..], "flag provided but not defined: -no-such-flag"),
        (&["config.yaml"], "\"config.yaml\" is no flag"),
        (&["-plugin-flags", "gpu: -bad"], "plan: 'gpu: -bad': gpu: flag provided but not defined: -bad"),
        (&["-config", "/no/such/file"], "plan: /no/such/file: No such file"),
        (&["-profile", "nowhere"], "plan: "),
        (&["-profile", "empty", "-root", "/"], "plan: -root and -profile name different nodes"),
        (
            &["-profile", "empty", "-against", "kubelet"],
            "plan: empty is a simulated node, which has no kubelet",
        ),
        (&["-against", "kubelet", "-against-flags", "gpu: "], "plan: -against kubelet and -against-flags: "),
        (&["-against", "/no/such/file"], "plan: /no/such/file: No such file"),
        (&["-config", "-", "-against", "-"], "plan: -config and -against are both standard input"),
        (&["-against", "/no\n\u{1b}[31m"], "plan: /no\\n\\u001b[31m: No such file"),
    ] {
        let is_simulated = args.contains(&"-profile");
        let error = complaint(&if is_simulated { run(args) } else { live.plan(args) });
        assert!(error.starts_with(expected), "{error}, not {expected}");
    }
    assert_eq!(run(&["-h"]).status.code(), Some(0));
}
