//! The demos: the pods of `demo` and of some folders of `deployments`, and the folders of their images.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kustomize::{DEMOS, deployments, list, text, yaml};
use serde_json::{Value, json};

use crate::containers;

/// Images that are not made from a folder of `demo`: the plugins' own, and a vendor's.
const IMAGES: [&str; 2] = ["intel/intel-device-plugins:devel", "intel/intel-extension-for-pytorch:xpu"];

/// Capabilities that containers with a resource need.
const CAPABILITIES: [(&str, &str); 5] = [
    // The kernel lets nobody else map a queue.
    ("dsa.intel.com/wq-", "SYS_RAWIO"),
    ("iaa.intel.com/wq-", "SYS_RAWIO"),
    // Memory for the device is locked.
    ("dsa.intel.com/vfio", "IPC_LOCK"),
    ("qat.intel.com/", "IPC_LOCK"),
    ("fpga.intel.com/", "IPC_LOCK"),
];

/// What simulated nodes do not offer as they are.
const ELSEWHERE: [&str; 2] = [
    // Where nobody knows what a function can do.
    "qat.intel.com/generic",
    // From a label's rule or from the registration, not from a plugin.
    "sgx.intel.com/epc",
];

fn demo() -> PathBuf {
    deployments().join("../demo").canonicalize().unwrap()
}

/// Every file of a demo with the pod that it makes.
fn demos() -> Vec<(PathBuf, Value)> {
    let mut files = files(&demo());
    files.extend(DEMOS.iter().flat_map(|folder| files_below(&deployments().join(folder))));
    let pod = |file: PathBuf| {
        let object = yaml(&file);
        let pod = object.pointer("/spec/template/spec").unwrap_or(&object["spec"]).clone();
        // Others are patches, kustomizations, …
        pod["containers"][0]["image"].is_string().then_some((file, pod))
    };
    let is_yaml = |file: &PathBuf| file.extension().is_some_and(|end| end == "yaml");
    let found: Vec<_> = files.into_iter().filter(is_yaml).filter_map(pod).collect();
    assert!(found.len() > 20, "{found:?}");
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut found): (Vec<_>, Vec<_>) = files(folder).into_iter().partition(|path| path.is_dir());
    found.extend(folders.iter().flat_map(|folder| files_below(folder)));
    found
}

/// The folders of `demo` that images are made from, by their names.
fn images() -> BTreeSet<String> {
    let folders = files(&demo()).into_iter().filter(|path| path.is_dir());
    folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn extended(container: &Value) -> Vec<String> {
    let limits = container["resources"]["limits"].as_object().unwrap();
    limits.keys().filter(|name| name.contains('/')).cloned().collect()
}

#[test]
fn each_image_of_a_demo_has_a_folder_and_each_folder_a_demo() {
    let mut used = BTreeSet::new();
    for (file, pod) in demos() {
        for (container, _) in containers(&pod) {
            let image = text(&container["image"]);
            let name = image.strip_prefix("intel/").and_then(|name| name.strip_suffix(":devel"));
            let name = name.filter(|name| images().contains(*name));
            assert!(name.is_some() || IMAGES.contains(&image), "{}: {image}", file.display());
            used.extend(name.map(str::to_owned));
        }
    }
    assert_eq!(used, images());
}

#[test]
fn what_is_copied_into_an_image_is_there() {
    for name in images() {
        let dockerfile = fs::read_to_string(demo().join(&name).join("Dockerfile")).unwrap();
        let own = dockerfile.lines().filter_map(|line| line.strip_prefix("COPY "));
        let mut copied = Vec::new();
        for line in own.filter(|line| !line.starts_with("--from")) {
            let (sources, to) = line.rsplit_once(' ').unwrap();
            assert_eq!(to, "/usr/local/bin/", "{name}");
            copied.extend(sources.split(' '));
        }
        assert!(copied.contains(&"given"), "{name}: it does not show what it was given");
        for file in &copied {
            let mode =
                fs::metadata(demo().join(file)).unwrap_or_else(|error| panic!("{name}: {file}: {error}"));
            assert_eq!(mode.permissions().mode() & 0o111, 0o111, "{file} cannot be run");
            let script = fs::read_to_string(demo().join(file)).unwrap();
            assert!(script.contains("\nset -eu\n"), "{file} goes on after an error");
        }
        let all = files(&demo().join(&name));
        let forgotten = all.iter().map(|file| file.strip_prefix(demo()).unwrap().to_str().unwrap());
        let forgotten: Vec<_> =
            forgotten.filter(|file| !file.ends_with("Dockerfile") && !copied.contains(file)).collect();
        assert!(forgotten.is_empty(), "{name}: {forgotten:?}");
    }
}

#[test]
fn what_is_not_debians_is_said_at_the_head_and_given_with_its_sum() {
    for name in images() {
        let text = fs::read_to_string(demo().join(&name).join("Dockerfile")).unwrap();
        let arguments: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("ARG "))
            .flat_map(|line| line.split(' '))
            .collect();
        let head: String = text.lines().take_while(|line| line.starts_with('#')).collect();
        let instructions: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let is_vendors = head.contains("VENDOR ");
        assert_eq!(!arguments.is_empty(), is_vendors, "{name}: {head}");
        let fetched = instructions.iter().any(|line| line.contains("curl") || line.contains("://"));
        assert!(is_vendors || !fetched, "{name}: the head says nothing of a download");
        for argument in &arguments {
            if let Some(of) = argument.strip_suffix("_URL") {
                assert!(arguments.contains(format!("{of}_SHA256").as_str()), "{name}: {argument}");
                assert!(
                    instructions.iter().any(|line| line.contains(&format!("${of}_SHA256  "))),
                    "{name}: {argument}"
                );
            }
            let has_default = argument.starts_with("BASE=") || argument.starts_with("SUITE=");
            assert!(has_default || !argument.contains('='), "{name}: {argument} is for the user to say");
        }
    }
}

#[test]
fn each_resource_of_a_demo_is_one_that_a_plugin_offers() {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/profiles");
    let told: String = files(&profiles).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let mappings =
        fs::read_to_string(deployments().join("fpga_admissionwebhook/mappings-collection.yaml")).unwrap();
    for (file, pod) in demos() {
        for (container, _) in containers(&pod) {
            let resources = extended(container);
            assert_eq!(resources.len(), 1, "{}", file.display());
            let name = file.file_stem().unwrap().to_str().unwrap();
            if let Some((_, services)) = name.split_once("-requesting-qat-") {
                assert_eq!(resources, [format!("qat.intel.com/{services}")], "{name}");
            }
            for resource in resources {
                let readable = resource.strip_prefix("fpga.intel.com/").unwrap_or("none");
                let is_offered = told.lines().any(|line| line == resource)
                    || mappings.lines().any(|line| line == format!("  name: {readable}"))
                    || ELSEWHERE.contains(&resource.as_str());
                assert!(is_offered, "{}: nobody offers {resource}", file.display());
            }
        }
    }
}

#[test]
fn demos_have_no_more_rights_than_they_need() {
    for (file, pod) in demos() {
        let at = file.display();
        assert_eq!(pod["automountServiceAccountToken"], json!(false), "{at}");
        for shared in ["hostNetwork", "hostPID", "hostIPC", "securityContext"] {
            assert!(pod[shared].is_null(), "{at}: {shared}");
        }
        for volume in list(&pod["volumes"]) {
            assert!(volume["hostPath"].is_null(), "{at}: {volume}");
        }
        for (container, _) in containers(&pod) {
            let mut security = container["securityContext"].clone();
            let added = security["capabilities"]["add"].take();
            security["capabilities"].as_object_mut().unwrap().remove("add");
            let restricted = json!({
                "readOnlyRootFilesystem": true,
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            });
            assert_eq!(security, restricted, "{at}");
            for capability in list(&added) {
                let resource = &extended(container)[0];
                let is_known = CAPABILITIES
                    .iter()
                    .any(|(start, known)| resource.starts_with(start) && capability == known);
                assert!(is_known, "{at}: {capability} for {resource}");
            }
        }
    }
}

#[test]
fn what_runs_dpdk_as_root_can_write_to_its_folder_alone() {
    let mut count = 0;
    for (file, pod) in demos() {
        let mut volumes = BTreeSet::new();
        for (container, _) in containers(&pod) {
            let image = text(&container["image"]);
            if ["crypto-perf", "dpdk"].iter().any(|name| image.contains(name)) {
                let at = format!("{}: {}", file.display(), text(&container["name"]));
                let mounts = list(&container["volumeMounts"]);
                let mount = mounts.iter().find(|mount| mount["mountPath"] == "/var/run/dpdk");
                let mount = mount.unwrap_or_else(|| panic!("{at}: DPDK ends without its folder"));
                let volume = list(&pod["volumes"]).iter().find(|volume| volume["name"] == mount["name"]);
                assert!(volume.unwrap()["emptyDir"].is_object() && mount["readOnly"].is_null(), "{at}");
                assert!(volumes.insert(text(&mount["name"])), "{at}: another process has the same folder");
                count += 1;
            }
        }
    }
    assert_eq!(count, 8);
}

#[test]
fn dpdk_takes_the_dedicated_queues_of_the_example_for_dsa() {
    let example = deployments().join("dsa_plugin/overlays/dsa_initcontainer/dsa-config.yaml");
    let queues: Value = serde_json::from_str(text(&yaml(&example)["data"]["dsa.conf"])).unwrap();
    let groups = list(&queues[0]["groups"]);
    let queues: Vec<&Value> = groups.iter().flat_map(|group| list(&group["grouped_workqueues"])).collect();
    assert_eq!(queues.len(), 4);
    for queue in queues {
        assert_eq!(queue["mode"], "dedicated", "{queue}");
        assert!(text(&queue["name"]).starts_with("dpdk_"), "{queue}");
    }
}

#[test]
fn the_address_of_the_service_for_certificates_is_said_where_the_readme_says() {
    let readme = fs::read_to_string(demo().join("README.md")).unwrap();
    let address = "https://localhost:8081";
    assert!(readme.contains(&format!("sed -i 's|{address}|https://")));
    for folder in ["sgx_aesmd/base", "sgx_enclave_apps/overlays/sgx_ecdsa_inproc_quote"] {
        let file = format!("{folder}/sgx_default_qcnl.conf");
        assert!(readme.contains(&format!(" deployments/{file}")), "{file}");
        let text = fs::read_to_string(deployments().join(&file)).unwrap();
        assert_eq!(text.matches(address).count(), 1, "{file}");
    }
}

#[test]
fn the_table_of_demos_has_them_all() {
    let readme = fs::read_to_string(demo().join("README.md")).unwrap();
    let (table, expected_output) = readme.split_once("## Run one").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let told: BTreeSet<String> = rows.map(|row| row.split('`').next().unwrap().to_owned()).collect();
    let files = files(&demo()).into_iter().filter(|file| file.extension().is_some_and(|end| end == "yaml"));
    let mut expected: BTreeSet<String> =
        files.map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    for folder in DEMOS {
        for file in files_below(&deployments().join(folder)) {
            let folder = file.parent().unwrap();
            let is_one = file.ends_with("kustomization.yaml")
                && !folder.ends_with("base")
                && !folder.ends_with("qat_dpdk_app");
            if is_one {
                let folder = folder.strip_prefix(deployments()).unwrap();
                expected.insert(format!("deployments/{}", folder.display()));
            }
        }
    }
    assert_eq!(told, expected);
    for image in images() {
        for (what, text) in [("table", table), ("what to expect", expected_output)] {
            assert!(text.contains(&format!("`{image}`")), "{what}: no image {image}");
        }
    }
}

/// What `build-image.sh` says with builders that only print their arguments; and whether it succeeded.
fn build(args: &[&str]) -> (String, bool) {
    let folder = tempfile::tempdir().unwrap();
    for builder in ["docker", "podman", "buildah"] {
        let file = folder.path().join(builder);
        fs::write(&file, "#!/bin/sh\necho \"${0##*/} $*\"\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output =
        Command::new("./build-image.sh").args(args).current_dir(demo()).env("PATH", path).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.success())
}

#[test]
fn images_are_built_by_each_builder_with_the_arguments_of_the_user() {
    let tail = "-t intel/crypto-perf:devel -f ./crypto-perf/Dockerfile .\n";
    for (args, command) in [
        (&["intel/crypto-perf"][..], "docker build --pull "),
        (&["intel/crypto-perf", "podman"], "podman build --pull "),
        (
            &["intel/crypto-perf", "buildah", "--build-arg", "A=b"],
            "buildah bud --pull-always --build-arg A=b ",
        ),
    ] {
        assert_eq!(build(args), (format!("{command}{tail}"), true), "{args:?}");
    }
    for (args, why) in [
        (&[][..], "usage: "),
        (&["intel/nothing"], "there is no ./nothing/Dockerfile"),
        (&["intel/crypto-perf", "kaniko"], "kaniko is none of docker, podman, buildah"),
    ] {
        let (said, succeeded) = build(args);
        assert!(said.contains(why) && !succeeded, "{args:?}: {said}");
    }
}
