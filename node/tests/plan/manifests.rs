//! What is a configuration: manifests and files of `node`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::{Node, complaint, json_of, run, run_with, shown};

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
    let unnamed = "standard input: -node-name is not given: the sections of worker-1, worker-2 are left out";
    assert_eq!(notes(&[]), [unnamed]);
    let unknown = "standard input: no section is of the node worker-3; there are worker-1, worker-2";
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
