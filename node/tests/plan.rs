//! `plan`, as users run it.
#![expect(clippy::unwrap_used, reason = "tests")]

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
fn each_plugins_manifest_is_a_configuration() {
    let deployments = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deployments");
    for family in ["gpu", "npu", "qat", "dsa", "iaa", "dlb", "sgx", "fpga"] {
        let base = deployments.join(format!("{family}_plugin/base"));
        let mut manifest = base.join(format!("intel-{family}-plugin.yaml"));
        if family == "fpga" {
            manifest = base.join("intel-fpga-plugin-daemonset.yaml");
        }
        let output = run(&["-json", "-profile=empty", "-config", manifest.to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
        let found = json_of(&output);
        let families: Vec<&String> =
            found.get("families").and_then(Value::as_object).unwrap().keys().collect();
        assert_eq!(families, [family]);
        let flags = found.pointer(&format!("/families/{family}/flags/0"));
        assert_eq!(flags, Some(&json!("-metrics-address=:9090")), "{found}");
    }
}

/// As `kubectl get -o yaml` and `-o json` show them, and as the Go implementation's images are used: by their entry points.
#[test]
fn lists_pods_config_maps_and_images_without_a_command_are_understood() {
    let daemonset = |image: &str, args: Value| {
        let container = json!({"name": "c", "image": image, "args": args});
        let sidecar = json!({"name": "s", "image": "example.com/sidecar", "args": ["-x"]});
        json!({"kind": "DaemonSet", "spec": {"template": {"spec": {"containers": [sidecar, container]}}}})
    };
    let gpu =
        daemonset("registry:5000/intel/intel-gpu-plugin:0.34.0@sha256:00", json!(["-shared-dev-num", "3"]));
    let pod = json!({"kind": "Pod", "spec": {"containers": [
        {"name": "c", "command": ["/usr/local/bin/intel_npu_device_plugin", "-shared-dev-num=2"]},
    ]}});
    let list = json!({"kind": "List", "items": [gpu, pod, {"kind": "Service"}]}).to_string();
    let count = |config: &str, args: &[&str], resource: &str| {
        let output = run_with(config, &[&["-json", "-profile", "arc-b580-igpu"], args].concat());
        let found = json_of(&output);
        found.pointer(&format!("/resources/{resource}")).map(|devices| devices.as_array().unwrap().len())
    };
    assert_eq!(count(&list, &[], "gpu.intel.com~1xe"), Some(3));
    let npu = run_with(&list, &["-json", "-profile", "npu-laptop"]);
    assert_eq!(json_of(&npu).pointer("/resources/npu.intel.com~1accel/1/id"), Some(&json!("accel0-1")));

    let one = daemonset("intel/intel-device-plugins:0.36.0", json!(["gpu", "-shared-dev-num=4"])).to_string();
    assert_eq!(count(&one, &[], "gpu.intel.com~1xe"), Some(4));
    assert_eq!(count(&one, &["-plugin-flags", "gpu: -shared-dev-num=5"], "gpu.intel.com~1xe"), Some(5));

    let file = "families: {gpu: {shared-dev-num: 6}}\nnodes: {n: {gpu: {shared-dev-num: 7}}}";
    let config_map = json!({"kind": "ConfigMap", "data": {"config.yaml": file}});
    let node = daemonset("intel/intel-device-plugins", json!(["node", "-config=/etc/config.yaml"]));
    assert_eq!(count(&config_map.to_string(), &[], "gpu.intel.com~1xe"), Some(6));
    let both = format!("# ours\n---\n{node}\n--- # and its file\n{config_map}\n---\n");
    assert_eq!(count(&both, &["-node-name", "n"], "gpu.intel.com~1xe"), Some(7));
    let bare = daemonset("intel/intel-device-plugins", json!(["node"]));
    assert_eq!(count(&bare.to_string(), &[], "gpu.intel.com~1xe"), Some(1));
    let missing = complaint(&run_with(&node.to_string(), &["-profile=empty"]));
    assert!(missing.contains("container c: its flags are in a ConfigMap"), "{missing}");
    assert_eq!(count("families: {gpu: false}", &[], "gpu.intel.com~1xe"), None);

    // Others' have such a file, too, and those that were there before.
    let mut mounts = node.clone();
    mounts["metadata"] = json!({"name": "plugins"});
    mounts["spec"]["template"]["spec"]["volumes"] =
        json!([{"hostPath": {"path": "/dev"}}, {"configMap": {"name": "new"}}]);
    let map = |name: &str, file: &str| json!({"kind": "ConfigMap", "metadata": {"name": name}, "data": {"config.yaml": file}});
    let list = |maps: Value| json!({"kind": "List", "items": [mounts, maps[0], maps[1]]}).to_string();
    let maps = json!([map("old", "x: y"), map("new", file)]);
    assert_eq!(count(&list(maps), &[], "gpu.intel.com~1xe"), Some(6));
    let missing = complaint(&run_with(&list(json!([map("old", "x: y"), gpu])), &["-profile=empty"]));
    assert!(missing.contains("DaemonSet plugins, container c: its flags are in a ConfigMap"), "{missing}");
    let two = format!("{node}\n---\n{}\n---\n{}", map("a", ""), map("b", ""));
    let twice = complaint(&run_with(&two, &["-profile=empty"]));
    assert!(twice.contains("more than one ConfigMap"), "{twice}");

    // Of a DaemonSet on two nodes.
    let pods = json!({"kind": "List", "items": [pod, pod]}).to_string();
    let npu = run_with(&pods, &["-json", "-profile", "npu-laptop"]);
    assert_eq!(json_of(&npu).pointer("/resources/npu.intel.com~1accel/1/id"), Some(&json!("accel0-1")));
}

#[test]
fn sections_of_the_file_that_are_of_other_nodes_are_said() {
    let file = "nodes: {worker-1: {gpu: {shared-dev-num: 7}}, worker-2: {gpu: false}}";
    let notes = |args: &[&str]| {
        let output = run_with(file, &[&["-profile=empty"], args].concat());
        let found = json_of(&run_with(file, &[&["-profile=empty", "-json"], args].concat()));
        let notes = found.get("notes").and_then(Value::as_array).unwrap().clone();
        let (shown, _) = shown(&output);
        assert!(notes.iter().all(|note| shown.contains(note.as_str().unwrap())), "{shown}");
        notes
    };
    let unnamed = "standard input: -node-name is not given: the sections of worker-1 worker-2 are left out";
    assert_eq!(notes(&[]), [unnamed]);
    let unknown = "standard input: no section is of the node worker-3; there are worker-1 worker-2";
    assert_eq!(notes(&["-node-name=worker-3"]), [unknown]);
    assert_eq!(notes(&["-node-name=worker-2"]), [""; 0]);
    // The other side's file, too.
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("old.yaml");
    fs::write(&other, file).unwrap();
    let args = ["-json", "-profile=empty", "-against", other.to_str().unwrap()];
    let found = json_of(&run_with("families: {}", &args));
    let note = unnamed.replace("standard input", other.to_str().unwrap());
    assert_eq!(found.get("notes"), Some(&json!([note])));
}

#[test]
fn a_family_that_the_file_turns_off_goes() {
    let node =
        Node::new("flex-170-x2").with_checkpoint(&json!({"gpu.intel.com/i915": ["card0-0"]}), &json!(null));
    let file = node.0.path().join("config.yaml");
    fs::write(&file, "families:\n  gpu: false\n").unwrap();
    let (shown, code) = shown(&node.plan(&["-config", file.to_str().unwrap()]));
    let row = "-  gpu.intel.com/i915  1       0      -card0-0";
    assert!(shown.lines().any(|line| line == row), "{shown}");
    assert_eq!(code, 2);
}

#[test]
fn a_hostile_manifest_is_refused_with_what_is_wrong() {
    let containers = |containers: Value| {
        json!({"kind": "Pod", "metadata": {"name": "p\u{1b}[31m\n"}, "spec": {"containers": containers}})
            .to_string()
    };
    let gpu = || json!({"name": "c", "command": ["intel_gpu_device_plugin"], "args": ["-shared-dev-num=1"]});
    let alias = |n: usize| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}]", n - 1);
    let aliases = (1..40).map(alias).collect::<Vec<_>>().join("\n");
    for (manifest, expected) in [
        (
            containers(json!([{"command": ["intel_gpu_device_plugin"], "args": [2]}])),
            "args is no list of texts",
        ),
        (containers(json!([{"command": "intel_gpu_device_plugin"}])), "command is no list of texts"),
        (
            containers(json!([gpu(), {"name": "d", "command": ["intel_gpu_device_plugin"]}])),
            "the gpu plugin has other flags than before",
        ),
        (
            containers(json!([{"command": ["intel_gpu_device_plugin", "-shared-dev-nun=1"]}])),
            "did you mean -shared-dev-num?",
        ),
        (
            containers(json!([{"command": ["intel_gpu_device_plugin", "-shared-dev-num=0"]}])),
            "-shared-dev-num is 0",
        ),
        (
            containers(json!([gpu(), {"image": "intel-device-plugins", "args": ["node"]}])),
            "give one or the other",
        ),
        (containers(json!({"a": 1})), "no container in it runs a device plugin"),
        (
            containers(json!([7, [], {"image": 7, "command": null}])),
            "no container in it runs a device plugin",
        ),
        (format!("kind: {}", "[".repeat(100_000)), "no YAML: "),
        (format!("kind: List\na0: &a0 [x]\n{aliases}"), "no YAML: "),
        ("kind: Pod\n\u{1}".to_owned(), "no YAML: "),
        ("kind: Pod\n---\n- : :\n: -".to_owned(), "no YAML: "),
        ("x: 1\n".repeat(1 << 20), "longer than"),
        ("families: {gpu: {shared-dev-nun: 2}}".to_owned(), "did you mean -shared-dev-num?"),
        ("kinds: []".to_owned(), "unknown key"),
    ] {
        let error = complaint(&run_with(&manifest, &["-profile", "empty"]));
        assert!(
            error.starts_with("plan: standard input: ") && error.contains(expected),
            "{error:?}, not {expected:?}"
        );
        assert!(!error.trim_end().contains(char::is_control) && error.len() < 1000, "{error:?}");
    }
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
