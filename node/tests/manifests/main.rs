//! The manifests of `deployments`: what every DaemonSet and every webhook must hold, and golden files of what each runs.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod demos;
mod folder;
mod labelers;
mod levelzero;
mod monitoring;
mod nfd;
mod operator;
mod pods;
mod webhooks;
mod xelink;

use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use kustomize::{list, text};
use serde_json::{Value, json};
use simulator::golden;

use folder::Folder;

/// What a plugin may write to on the node.
const WRITABLE: [(&str, &[&str]); 4] = [
    ("/var/lib/kubelet/device-plugins", &[]),
    ("/var/run/cdi", &[]),
    // Virtual functions are bound to VFIO there.
    ("/sys/bus/pci", &["intel-qat-plugin", "intel-device-plugins"]),
    // Its socket is there.
    ("/var/lib/levelzero", &["intel-gpu-levelzero"]),
];

/// Every folder that can be applied, by its path below `deployments`, sorted; without demos, and without those that need Node
/// Feature Discovery itself or XPU Manager, which are not here.
fn folders() -> Vec<String> {
    let is_here = |folder: &String| {
        ![&nfd::FROM_ELSEWHERE[..], &xelink::FROM_ELSEWHERE].concat().contains(&folder.as_str())
    };
    kustomize::folders().into_iter().filter(|folder| is_here(folder) && !kustomize::is_demo(folder)).collect()
}

/// Each with its folder. There is one of a plugin in every folder of a plugin, and maybe one that helps it, or a labeler.
fn daemon_sets() -> Vec<(String, Value)> {
    let has_plugin = |folder: &Folder| {
        let part = folder.folder.split('/').next().unwrap();
        part.ends_with("_plugin") || ["node", "gpu_labels"].contains(&part)
    };
    let find = |folder: Folder| {
        let sets: Vec<(String, Value)> =
            folder.of_kind("DaemonSet").map(|set| (folder.folder.clone(), set.clone())).collect();
        let plugins = sets.iter().filter(|(_, set)| runs_plugin(set)).count();
        assert_eq!(plugins, usize::from(!folder.folder.starts_with("gpu_labels")), "{}", folder.folder);
        sets
    };
    Folder::all(has_plugin).into_iter().flat_map(find).collect()
}

/// Whether this DaemonSet is a plugin's, and not of what helps one from a pod of its own.
fn runs_plugin(set: &Value) -> bool {
    set["metadata"]["name"] != levelzero::NAME && !labelers::is_one(set)
}

/// Those that deal with devices.
fn of_devices() -> Vec<(String, Value)> {
    daemon_sets().into_iter().filter(|(_, set)| !labelers::is_one(set)).collect()
}

/// All containers of a pod, with whether they only run before the others.
fn containers(pod: &Value) -> impl Iterator<Item = (&Value, bool)> {
    let first = list(&pod["initContainers"]).iter().map(|container| (container, true));
    first.chain(list(&pod["containers"]).iter().map(|container| (container, false)))
}

#[test]
fn daemon_sets_are_scheduled_and_updated_like_each_other() {
    for (folder, set) in daemon_sets() {
        let spec = &set["spec"];
        let template = &spec["template"];
        assert_eq!(spec["selector"]["matchLabels"], template["metadata"]["labels"], "{folder}");
        assert_eq!(spec["updateStrategy"]["rollingUpdate"]["maxUnavailable"], json!(1), "{folder}");
        let pod = &template["spec"];
        assert_eq!(pod["nodeSelector"]["kubernetes.io/arch"], "amd64", "{folder}");
        assert_eq!(pod["terminationGracePeriodSeconds"], json!(5), "{folder}");
        for (container, _) in containers(pod) {
            let image = text(&container["image"]);
            assert!(image.starts_with("intel/intel-") && image.ends_with(":devel"), "{folder}: {image}");
        }
    }
}

#[test]
fn what_is_mounted_is_there_and_what_is_there_is_mounted() {
    for (folder, set) in of_devices() {
        let pod = &set["spec"]["template"]["spec"];
        let mounts: Vec<&Value> =
            containers(pod).flat_map(|(container, _)| list(&container["volumeMounts"])).collect();
        for volume in list(&pod["volumes"]) {
            assert!(mounts.iter().any(|mount| mount["name"] == volume["name"]), "{folder}: {volume}");
        }
        for (container, first) in containers(pod) {
            let name = text(&container["name"]);
            for mount in list(&container["volumeMounts"]) {
                let volume = list(&pod["volumes"]).iter().find(|volume| volume["name"] == mount["name"]);
                let volume = volume.unwrap_or_else(|| panic!("{folder} {name}: {mount} is of no volume"));
                let path = text(&mount["mountPath"]);
                let Some(host_path) = volume["hostPath"]["path"].as_str() else { continue };
                assert_eq!(host_path, path, "{folder} {name}");
                let may_write = WRITABLE
                    .iter()
                    .any(|(known, names)| *known == path && (names.is_empty() || names.contains(&name)));
                let is_read_only = mount["readOnly"] == json!(true);
                let may_write =
                    may_write || first || container["securityContext"]["privileged"] == json!(true);
                assert!(is_read_only || may_write, "{folder} {name} may write to {path}");
            }
        }
        if !runs_plugin(&set) {
            continue;
        }
        let plugin = &pod["containers"][0];
        let kubelet = json!({"name": "kubeletsockets", "mountPath": "/var/lib/kubelet/device-plugins"});
        assert!(list(&plugin["volumeMounts"]).contains(&kubelet), "{folder}");
    }
}

#[test]
fn programs_know_the_flags_that_they_are_given() {
    let is_of_binary = |set: &Value| set["metadata"]["name"] != levelzero::NAME;
    for (folder, set) in
        daemon_sets().into_iter().chain(operator::daemon_sets()).filter(|(_, set)| is_of_binary(set))
    {
        let container = &set["spec"]["template"]["spec"]["containers"][0];
        let mut args: Vec<&str> = list(&container["args"]).iter().map(text).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_intel-device-plugins"));
        let name = text(&container["name"]);
        if let [program, first @ ..] = list(&container["command"]) {
            command.arg0(text(program)).args(first.iter().map(text));
        } else if args.first() != Some(&"node") {
            args.insert(0, name.strip_prefix("intel-").unwrap().strip_suffix("-plugin").unwrap());
        }
        let output = command.args(&args).arg("-h").stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("COMMAND"), "{folder}: {args:?}: {said}");
    }
}

#[test]
fn each_daemon_set_runs_what_the_golden_file_says() {
    // A folder and its `base` are the same; some overlays leave the plugin as it is.
    let mut sets: Vec<(String, String)> = Vec::new();
    for (folder, set) in daemon_sets() {
        let told = told_of(&set);
        match sets.iter_mut().find(|(_, other)| *other == told) {
            Some((folders, _)) => *folders += &format!(", {folder}"),
            None => sets.push((folder, told)),
        }
    }
    let told: Vec<String> = sets.iter().map(|(folders, told)| format!("# {folders}\n{told}\n")).collect();
    golden("tests/golden/manifests.txt", &told.concat());
}

fn told_of(set: &Value) -> String {
    let pod = &set["spec"]["template"]["spec"];
    let selector = pod["nodeSelector"].as_object().unwrap();
    let selector: Vec<String> =
        selector.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
    let name = text(&set["metadata"]["name"]);
    let place = set["metadata"]["namespace"].as_str().map(|space| format!(" in {space}")).unwrap_or_default();
    let mut told = format!("{name}{place} on {}\n", selector.join(" "));
    for (container, first) in containers(pod) {
        tell(&mut told, pod, container, first);
    }
    told
}

fn tell(told: &mut String, pod: &Value, container: &Value, first: bool) {
    let when = if first { "first " } else { "" };
    let words = list(&container["command"]).iter().chain(list(&container["args"]));
    let args: Vec<String> = words.map(|word| format!(" {}", text(word))).collect();
    let (name, image) = (text(&container["name"]), text(&container["image"]));
    writeln!(told, "  {when}{name}: {image}{}", args.concat()).unwrap();
    let privileged =
        if container["securityContext"]["privileged"] == json!(true) { "privileged, " } else { "" };
    let user = &container["securityContext"]["seLinuxOptions"]["type"];
    let amount = |kind: &str| {
        let amount = &container["resources"][kind];
        format!("{} {}", amount["cpu"].as_str().unwrap_or("-"), amount["memory"].as_str().unwrap_or("-"))
    };
    let (requests, mut limits) = (amount("requests"), amount("limits"));
    for (resource, amount) in container["resources"]["limits"].as_object().into_iter().flatten() {
        if resource.contains('/') {
            limits += &format!(" {resource}={amount}");
        }
    }
    writeln!(told, "    {privileged}SELinux {user}, requests {requests}, limits {limits}").unwrap();
    for variable in list(&container["env"]) {
        let value =
            variable["value"].as_str().or(variable["valueFrom"]["fieldRef"]["fieldPath"].as_str()).unwrap();
        writeln!(told, "    env {}={value}", text(&variable["name"])).unwrap();
    }
    for mount in list(&container["volumeMounts"]) {
        let mut volume =
            list(&pod["volumes"]).iter().find(|volume| volume["name"] == mount["name"]).unwrap().clone();
        volume.as_object_mut().unwrap().remove("name");
        let mode = if mount["readOnly"] == json!(true) { "ro" } else { "rw" };
        let path = text(&mount["mountPath"]);
        match &volume["hostPath"] {
            // The same path in the container: there is a test for it.
            Value::Object(host) if host.len() == 1 => writeln!(told, "    {mode} {path}"),
            Value::Object(host) => writeln!(told, "    {mode} {path} {}", text(&host["type"])),
            _ => {
                volume.as_object_mut().unwrap().remove("hostPath");
                writeln!(told, "    {mode} {path} of {volume}")
            }
        }
        .unwrap();
    }
}
