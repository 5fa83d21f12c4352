//! The binary as users run it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use simulator::{Profile, SimulatedNode, TemporaryNode, golden};

const BINARY: &str = env!("CARGO_BIN_EXE_intel-device-plugins");
/// A guard against hanging.
const PATIENCE: Duration = Duration::from_secs(30);

fn run(args: &[&str]) -> Output {
    Command::new(BINARY).args(args).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn text_of(output: &Output) -> String {
    text(&output.stderr)
}

#[test]
fn simulate_shows_what_a_node_offers_and_what_a_container_is_given() {
    let output = run(&["simulate", "-profile", "arc-b580-igpu", "--allocate", "gpu.intel.com/xe=1"]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: Vec<String> =
        shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "gpu.intel.com/i915 1 1 - card0-0",
        "gpu.intel.com/xe 1 1 - card1-0",
        "a container that asks for gpu.intel.com/xe=1 is given",
        "node /dev/dri/renderD129 rw",
        "mount /dev/dri/by-path/pci-0000:03:00.0-render ro",
        "CDI device intel.cdi.k8s.io/gpu=card1",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected:?} is not in\n{shown}");
    }
    assert!(!shown.contains('\x1b'), "colour is for terminals");
}

#[test]
fn a_word_that_is_no_flag_is_refused_before_anything_is_done() {
    let commands: &[&[&str]] = &[
        &["simulate"],
        &["plan", "-profile=empty"],
        &["top", "-once"],
        &["record", "-list"],
        &["bundle", "-profile=empty", "-o=/no/such/folder/bundle"],
        // Else this would not be dry.
        &["setup", "qat", "-prefix=/no/such/folder"],
        &["setup", "dsa", "-prefix=/no/such/folder"],
        &["setup", "dlb", "-prefix=/no/such/folder"],
    ];
    for command in commands {
        let output = run(&[command, &["word", "-dry-run"][..]].concat());
        let code = if command.first() == Some(&"plan") { 1 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{command:?}: {}", text_of(&output));
        assert!(text_of(&output).starts_with("\"word\" is no flag\n"), "{command:?}: {}", text_of(&output));
        assert!(output.stdout.is_empty(), "{command:?}");
    }
}

#[test]
fn the_picture_of_simulate_shows_what_it_prints() {
    let profile = "npu-laptop";
    let printed = text(&run(&["simulate", "-profile", profile]).stdout);
    let (before, rest) = printed.split_once("(in /").unwrap();
    let (_, after) = rest.split_once(')').unwrap();
    golden(
        "../docs/pictures/simulate.txt",
        &format!("$ intel-device-plugins simulate -profile {profile}\n{before}(in …){after}"),
    );
}

#[test]
fn simulate_prints_json_for_programs() {
    let flags = "gpu: -shared-dev-num=2 -enable-monitoring";
    let output = run(&[
        "simulate",
        "-profile=flex-170-x2",
        "-json",
        "-plugin-flags",
        flags,
        "-allocate=gpu.intel.com/i915=2",
    ]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["resources"]["gpu.intel.com/i915"]["capacity"], json!(4));
    assert_eq!(
        found["resources"]["gpu.intel.com/i915"]["devices"][0],
        json!({"id": "card0-0", "healthy": true, "numa": [0]})
    );
    assert_eq!(found["resources"]["gpu.intel.com/monitoring"]["allocatable"], json!(1));
    let given = &found["containers"][0]["given"];
    // Two units are of two cards as long as there are two.
    assert_eq!(
        given["options"]["cdi_devices"],
        json!(["intel.cdi.k8s.io/gpu=card0", "intel.cdi.k8s.io/gpu=card1"])
    );
}

/// A file of the Go implementation's generator of GPUs, which has no sysfs but what a plugin reads.
const EIGHT_GPUS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../devices/gpu/fakedev/tests/specs/max-x8.json");

#[test]
fn simulate_takes_a_json_file_of_the_go_implementation_for_a_profile() {
    let output = run(&["simulate", "-json", "-profile", EIGHT_GPUS]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["resources"]["gpu.intel.com/i915"]["capacity"], json!(8));
    let device = &found["resources"]["gpu.intel.com/i915"]["devices"][7];
    assert_eq!(*device, json!({"id": "card7-0", "healthy": true, "numa": [3]}));

    // Four of twelve are physical functions with virtual ones, which nobody gets.
    let functions = EIGHT_GPUS.replace("max-x8", "virtual-functions");
    let output = run(&["simulate", "-json", "-profile", &functions]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["resources"]["gpu.intel.com/i915"]["capacity"], json!(8));

    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.json");
    std::fs::write(&bad, "{\"DevCount\": 129}").unwrap();
    let output = run(&["simulate", "-profile", bad.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("simulate: {}: DevCount is 129: it must be 1 to 128\n", bad.display());
    assert_eq!(text_of(&output), expected);
}

/// Where this process may make device nodes; elsewhere that it says what it lacks.
#[test]
fn by_the_entry_points_name_simulated_gpus_are_made_in_the_working_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(BINARY);
    command.arg0("intel_gpu_fakedev").args(["-json", EIGHT_GPUS]).current_dir(folder.path());
    for run in ["first", "second"] {
        let output = command.output().unwrap();
        let labels = std::fs::read_to_string(folder.path().join("xpum-sidecar-labels.txt"));
        if output.status.success() {
            assert_eq!(text(&output.stdout), labels.unwrap(), "{run}");
            assert!(folder.path().join("sys/class/drm/card7/gt/gt1").exists(), "{run}");
        } else {
            assert_eq!(output.status.code(), Some(1), "{run}");
            assert!(
                text_of(&output).contains("it takes root and the capability MKNOD"),
                "{}",
                text_of(&output)
            );
            assert!(labels.is_err(), "{run}");
        }
    }
}

/// Ends when dropped.
struct Process(std::process::Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn the_sidecar_labels_a_simulated_node_with_its_links() {
    // Free a moment ago, which is good enough here.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let flag = format!("-xpum-port={port}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labels.txt");
    let start = |args: &[&str], name: &str| {
        let mut command = Command::new(BINARY);
        command.arg0(name).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Process(command.spawn().unwrap())
    };
    let since = Instant::now();
    let wait = || {
        assert!(since.elapsed() < PATIENCE, "it has not come");
        std::thread::sleep(Duration::from_millis(20));
    };
    let _node = start(&["simulate", "-profile=max-1550-x8", "-watch", &flag], "intel-device-plugins");
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        wait();
    }
    let destination = format!("-dst-file-path={}", file.display());
    let _sidecar = start(&["-startup-delay=0", &flag, &destination], "intel_xpumanager_sidecar");
    while !file.exists() {
        wait();
    }
    let labels = std::fs::read_to_string(&file).unwrap();
    golden("tests/golden/xelink-labels.txt", &labels);
}

#[test]
fn simulate_fails_when_a_container_gets_nothing() {
    let output = run(&["simulate", "-profile=empty", "-allocate=gpu.intel.com/xe=1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("0 of gpu.intel.com/xe are free"), "{}", text(&output.stdout));
}

#[test]
fn simulate_says_what_is_wrong_with_its_command_line() {
    let cases = [
        (["-profile=flex"], "no profile is named \"flex\"; there are: arc-b580-igpu", 1),
        (["-plugin-flags=gpu: -shared-dev-num=0"], "-shared-dev-num is 0", 1),
        (["-plugin-flags=tpu: -x"], "there is no family \"tpu\"", 2),
        (["-allocate=xe=1"], "\"xe\" is no resource", 2),
    ];
    for (args, expected, code) in cases {
        let output = run(&[&["simulate"], args.as_slice()].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(expected), "{args:?}: {}", text(&output.stderr));
    }
}

#[test]
fn every_profile_can_be_simulated() {
    for (profile, title) in Profile::builtin_names() {
        let output = run(&["simulate", "-profile", profile]);
        assert!(output.status.success(), "{profile}: {}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with(title), "{}", text(&output.stdout));
    }
}

/// What every family does with flags, and with values that it does not take.
#[test]
fn exit_codes_are_those_of_the_go_implementation() {
    for (family, bad_value, code) in [
        ("gpu", "-allocation-policy=x", 255),
        ("npu", "-shared-dev-num=0", 1),
        ("npu", "-shared-dev-num=many", 2),
        ("qat", "-dpdk-driver=uio", 1),
        ("qat", "-max-num-devices=-1", 1),
        ("dsa", "-shared-dev-num=0", 1),
        ("iaa", "-shared-dev-num=0", 1),
        ("dlb", "-v=many", 2),
        ("sgx", "-enclave-limit=100001", 1),
        ("sgx", "-enclave-limit=-1", 2),
        ("fpga", "-mode=unparsable", 255),
    ] {
        for (flag, code) in
            [(bad_value, code), ("-no-such-flag", 2), ("-h", 0), ("-prefix=/no/such/folder", 255)]
        {
            assert_eq!(run(&[family, flag]).status.code(), Some(code), "{family} {flag}");
        }
    }
    for (args, code) in [
        (&["no-such-command"][..], 2),
        (&[], 2),
        (&["setup"], 2),
        (&["setup", "gpu"], 2),
        (&["setup", "dlb", "-numvfs=1"], 2),
        (&["setup", "qat", "-numvfs=1"], 2),
        (&["gpu-fakedev"], 1),
        (&["gpu-fakedev", "-json=/no/such/file"], 1),
        (&["gpu-fakedev", "-no-such-flag"], 2),
        (&["xelink-sidecar", "-interval=0"], 255),
        (&["xelink-sidecar", "-no-such-flag"], 2),
        (&["simulate", "-xpum-port=65536", "-watch"], 1),
        (&["simulate", "-xpum-port=1234"], 1),
    ] {
        assert_eq!(run(args).status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn setup_on_a_node_without_the_hardware_has_nothing_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = format!("-prefix={}", folder.path().display());
    let output = run(&["setup", "dlb", &prefix]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Those of the other families are beside their plugins.
#[test]
fn usage_texts_are_the_golden_ones() {
    for (name, args) in [
        ("intel-device-plugins", &[][..]),
        ("node", &["node"]),
        ("plan", &["plan"]),
        ("setup", &["setup"]),
        ("top", &["top"]),
        ("setup-dlb", &["setup", "dlb"]),
        ("setup-qat", &["setup", "qat"]),
        ("record", &["record"]),
        ("bundle", &["bundle"]),
        ("doctor", &["doctor"]),
        ("simulate", &["simulate"]),
        ("fpga-hook", &["fpga-hook"]),
        ("fpga-tool", &["fpga-tool"]),
        ("install-fpga", &["install", "fpga"]),
        ("gpu-fakedev", &["gpu-fakedev"]),
        ("xelink-sidecar", &["xelink-sidecar"]),
        ("gpu-labels", &["gpu-labels"]),
        ("install-gpu-labels", &["install", "gpu-labels"]),
        ("sgx-epc", &["sgx-epc"]),
        ("install-sgx-epc", &["install", "sgx-epc"]),
        ("dlb", &["dlb"]),
        ("qat", &["qat"]),
    ] {
        let mut command = Command::new(BINARY);
        // They are defaults of flags.
        command.env_remove("NODE_NAME").env_remove("PODS_PER_CORE");
        let output = command.args(args).arg("-h").stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success() && output.stdout.is_empty(), "{name}");
        let usage = text(&output.stderr);
        // The flags that all have are in one file.
        let common = ["\nCommon flags:", "\nLogging flags:"];
        let own = match common.iter().find_map(|heading| usage.split_once(heading)) {
            Some((own, _)) if name != "node" => own,
            _ => &usage,
        };
        golden(format!("tests/golden/usage/{name}.txt"), own);
    }
}

#[test]
fn by_the_entry_points_name_it_is_the_plugin() {
    let output =
        Command::new(BINARY).arg0("/usr/local/bin/intel_gpu_device_plugin").arg("-h").output().unwrap();
    assert!(
        text(&output.stderr).starts_with("Usage: intel_gpu_device_plugin [flags]"),
        "{}",
        text(&output.stderr)
    );
}

/// What Node Feature Discovery runs is the program that the init container put there.
#[test]
fn init_containers_put_hooks_there_that_print_labels() {
    let node = TemporaryNode::new(&Profile::builtin("flex-170-x2").unwrap()).unwrap();
    let prefix = format!("-prefix={}", node.root().display());
    for (image, hook, args, line) in [
        (
            "intel-gpu-initcontainer",
            "intel-gpu-nfdhook",
            vec![prefix.as_str()],
            "gpu.intel.com/gpu-numbers=0.1\n",
        ),
        ("intel-sgx-initcontainer", "intel-sgx-epchook", vec![], "sgx.intel.com/epc="),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let hooks = folder.path().join("source.d");
        // A stale one, which may be running just now.
        std::fs::create_dir(&hooks).unwrap();
        std::fs::write(hooks.join(hook), "old").unwrap();
        let dir = format!("-dir={}", hooks.display());
        let output = Command::new(BINARY).arg0(image).arg(dir).output().unwrap();
        assert!(output.status.success(), "{image}: {}", text_of(&output));
        let names: Vec<_> = std::fs::read_dir(&hooks).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(names, [hook], "{image}");
        let output = Command::new(hooks.join(hook)).args(args).output().unwrap();
        assert!(output.status.success() && text(&output.stdout).contains(line), "{hook}: {output:?}");
    }
}

#[test]
fn a_hook_that_cannot_be_installed_is_an_error() {
    for (args, code, said) in [
        (["-dir=/proc/none"], 1, "cannot make /proc/none"),
        (["word"], 255, "[\"word\"] are no flags"),
        (["-force"], 2, "flag provided but not defined: -force"),
    ] {
        let output = run(&[&["install", "gpu-labels"], args.as_slice()].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text_of(&output));
        assert!(text_of(&output).contains(said), "{args:?}: {}", text_of(&output));
    }
}

/// An init container's image runs the setup of its name; one image is for both DSA and IAA, as in the Go implementation.
#[test]
fn by_an_images_name_it_is_the_setup_of_its_family() {
    for (image, device_type, family, text) in [
        ("intel-qat-initcontainer", None, "qat", "Prepares a node's Intel QAT"),
        ("intel-dlb-initcontainer", Some("iaa"), "dlb", "Prepares a node's Intel DLB"),
        ("intel-idxd-config-initcontainer", None, "dsa", "the work queues of a node's Intel DSA"),
        ("intel-idxd-config-initcontainer", Some(""), "dsa", "the work queues of a node's Intel DSA"),
        ("intel-idxd-config-initcontainer", Some("dsa"), "dsa", "the work queues of a node's Intel DSA"),
        ("intel-idxd-config-initcontainer", Some("iaa"), "iaa", "the work queues of a node's Intel IAA"),
    ] {
        let mut command = Command::new(BINARY);
        command.arg0(format!("/usr/local/bin/{image}")).arg("-h").env_remove("DEVICE_TYPE");
        let output = command.envs(device_type.map(|device| ("DEVICE_TYPE", device))).output().unwrap();
        let said = text_of(&output);
        assert_eq!(output.status.code(), Some(0), "{image}: {said}");
        assert!(said.starts_with(&format!("Usage: {image} [flags]")) && said.contains(text), "{said}");
        // The same by the command, but for the name.
        let same = text_of(&run(&["setup", family, "-h"]));
        assert_eq!(same.replace(&format!("intel-device-plugins setup {family}"), image), said);
    }
}

#[test]
fn the_image_of_dsa_and_iaa_knows_no_other_device_type() {
    for device_type in ["qat", "DSA", "dsa ", "dsa,iaa"] {
        let mut command = Command::new(BINARY);
        command.arg0("intel-idxd-config-initcontainer").arg("-h").env("DEVICE_TYPE", device_type);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(255), "{device_type}");
        let said = text_of(&output);
        assert!(said.contains(&format!("DEVICE_TYPE is {device_type:?}, not dsa or iaa")), "{said}");
    }
}

#[test]
fn setup_is_of_a_family() {
    for (args, code, begins) in [
        (vec!["setup"], 2, "Makes devices ready"),
        (vec!["setup", "-h"], 0, "Makes devices ready"),
        (vec!["setup", "gpu"], 2, "there is no setup of \"gpu\""),
        (vec!["setup", "", "-dry-run"], 2, "there is no setup of \"\""),
        (vec!["setup", "qat", "-no-such-flag"], 2, "flag provided but not defined: -no-such-flag"),
    ] {
        let output = run(&args);
        let said = text_of(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.starts_with(begins), "{args:?}: {said}");
    }
}

#[test]
fn sigterm_ends_the_plugin_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let node = SimulatedNode::create(folder.path().join("node"), &Profile::builtin("arc-b580-igpu").unwrap())
        .unwrap();
    let path = |path: &str| node.root().join(path).to_string_lossy().into_owned();
    let kubelet = path("var/lib/kubelet/device-plugins");
    // Somebody must be there to register with, or there is no socket; nobody answers.
    let _listener = std::os::unix::net::UnixListener::bind(Path::new(&kubelet).join("kubelet.sock")).unwrap();
    let mut plugin = Command::new(BINARY)
        .args(["gpu", "-prefix", &path(""), "-kubelet-dir", &kubelet, "-cdi-dir", &path("var/run/cdi")])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let socket = Path::new(&kubelet).join("gpu.intel.com-xe.sock");
    let since = Instant::now();
    while !socket.exists() {
        assert!(since.elapsed() < PATIENCE, "the plugin does not serve");
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&plugin), Signal::TERM).unwrap();
    assert_eq!(plugin.wait().unwrap().code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn the_labelers_file_follows_the_node_and_goes_with_the_labeler() {
    let mut node = TemporaryNode::new(&Profile::builtin("flex-170-x2").unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gpu.txt");
    let mut labeler = Command::new(BINARY)
        .args(["gpu-labels", "-interval=1s"])
        .arg(format!("-prefix={}", node.root().display()))
        .arg(format!("-file={}", file.display()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let since = Instant::now();
    let wait_for = |line: &str| {
        while !std::fs::read_to_string(&file).unwrap_or_default().lines().any(|other| other == line) {
            assert!(since.elapsed() < PATIENCE, "{line} does not come");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for("gpu.intel.com/gpu-numbers=0.1");
    node.set_attribute("/sys/class/drm/card1/device/vendor", "0x1234").unwrap();
    wait_for("gpu.intel.com/gpu-numbers=0");
    kill_process(Pid::from_child(&labeler), Signal::TERM).unwrap();
    assert_eq!(labeler.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
