use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{OPERATOR, Options, PACKAGE, annotations, files, parse, prefixed, read, texts};
use crate::root;
use crate::version::VERSION;

const CREATED: &str = "2026-01-02T03:04:05Z";

fn options(args: &[&str]) -> Options {
    Options::parse(args).unwrap()
}

/// The parsed files of `manifests`, of this kind.
fn objects(options: &Options, kind: &str) -> Vec<Value> {
    let files = files(options, CREATED).unwrap();
    let manifests = files.iter().filter(|(path, _)| path.starts_with("manifests/"));
    let objects = manifests.map(|(path, text)| parse(path, text).unwrap());
    objects.filter(|object| object["kind"] == kind).collect()
}

fn csv(args: &[&str]) -> Value {
    let mut found = objects(&options(args), "ClusterServiceVersion");
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The texts at this pointer in each of a list.
fn all<'a>(values: &'a [Value], pointer: &str) -> BTreeSet<&'a str> {
    values.iter().map(|value| value.pointer(pointer).and_then(Value::as_str).unwrap()).collect()
}

#[test]
fn the_same_sources_give_the_same_files() {
    assert_eq!(files(&options(&[]), CREATED), files(&options(&[]), CREATED));
}

#[test]
fn each_custom_resource_is_defined_owned_described_and_shown() {
    let definitions = objects(&options(&[]), "CustomResourceDefinition");
    let csv = csv(&[]);
    let owned = list(&csv["spec"]["customresourcedefinitions"]["owned"]);
    assert_eq!(owned.len(), 10);
    assert_eq!(all(owned, "/name"), all(&definitions, "/metadata/name"));
    let examples: Value =
        serde_json::from_str(csv["metadata"]["annotations"]["alm-examples"].as_str().unwrap()).unwrap();
    assert_eq!(all(list(&examples), "/kind"), all(owned, "/kind"));
    assert_eq!(list(&examples).len(), owned.len());
    for one in owned {
        assert!(!one["description"].as_str().unwrap().is_empty(), "{one}");
        let fields = list(&one["specDescriptors"]);
        assert!(!fields.is_empty() && fields.iter().all(|field| field["description"] != ""), "{one}");
    }
    let gpu = owned.iter().find(|one| one["kind"] == "GpuDevicePlugin").unwrap();
    assert_eq!(gpu["displayName"], "Gpu Device Plugin");
    assert!(all(list(&gpu["specDescriptors"]), "/displayName").contains("Shared Dev Num"));
}

#[test]
fn the_operator_runs_as_its_manifests_say_and_finds_the_certificate_that_is_mounted() {
    let csv = csv(&["--registry=registry.example.com/intel/"]);
    let [deployment] = list(&csv["spec"]["install"]["spec"]["deployments"]) else { panic!("one Deployment") };
    let manifest = read(&format!("{OPERATOR}/manager/manager.yaml")).unwrap();
    assert_eq!(deployment["name"], "intel-deviceplugins-controller-manager");
    assert_eq!(deployment["label"], manifest["metadata"]["labels"]);
    let mut wanted = manifest["spec"].clone();
    let pod = &mut wanted["template"]["spec"];
    pod["serviceAccountName"] = json!("intel-deviceplugins-controller-manager");
    let image = format!("registry.example.com/intel/intel-deviceplugin-operator:{VERSION}");
    pod["containers"][0]["image"] = json!(image);
    let args = pod["containers"][0]["args"].as_array_mut().unwrap();
    assert_eq!(args.pop().unwrap(), "plugin");
    args.push(json!("intel-deviceplugins-plugin"));
    assert_eq!(deployment["spec"], wanted);
    assert_eq!(csv["metadata"]["annotations"]["containerImage"], image);

    // With this flag it would make its own; without, it takes what is there: Operator Lifecycle Manager mounts it there.
    assert!(!list(&wanted["template"]["spec"]["containers"][0]["args"]).contains(&json!("-webhook-service")));
    let usage = std::fs::read_to_string(root().join("operator/tests/golden/operator.txt")).unwrap();
    assert!(usage.contains("(default \"/tmp/k8s-webhook-server/serving-certs\")"), "{usage}");
}

#[test]
fn accounts_have_the_rights_that_the_manifests_bind_them_to() {
    let csv = csv(&[]);
    let install = &csv["spec"]["install"]["spec"];
    let files = texts(&format!("{OPERATOR}/rbac")).unwrap();
    let mut bound = 0;
    for (name, text) in &files {
        let binding = parse(name, text).unwrap();
        let key = match binding["kind"].as_str() {
            Some("ClusterRoleBinding") => "clusterPermissions",
            Some("RoleBinding") => "permissions",
            _ => continue,
        };
        let role = files.iter().map(|(name, text)| parse(name, text).unwrap()).find(|role| {
            role["kind"] == binding["roleRef"]["kind"]
                && role["metadata"]["name"] == binding["roleRef"]["name"]
        });
        let account = prefixed(&binding["subjects"][0]["name"]);
        let given = list(&install[key]).iter().find(|given| given["serviceAccountName"] == account).unwrap();
        for rule in list(&role.unwrap()["rules"]) {
            assert!(list(&given["rules"]).contains(rule), "{name}: {rule}");
            bound += 1;
        }
    }
    let given = ["clusterPermissions", "permissions"].map(|key| list(&install[key])).concat();
    let rules: Vec<&Value> = given.iter().flat_map(|given| list(&given["rules"])).collect();
    let of_openshift =
        rules.iter().filter(|rule| rule["apiGroups"] == json!(["security.openshift.io"])).count();
    assert_eq!((rules.len() - of_openshift, of_openshift), (bound, 2), "and no more");
}

#[test]
fn all_webhooks_are_registered_for_the_operator() {
    let csv = csv(&[]);
    let definitions = list(&csv["spec"]["webhookdefinitions"]);
    let mut wanted = 0;
    for (file, kind) in
        [("mutating", "MutatingAdmissionWebhook"), ("validating", "ValidatingAdmissionWebhook")]
    {
        let registration = read(&format!("{OPERATOR}/webhook/{file}.yaml")).unwrap();
        for webhook in list(&registration["webhooks"]) {
            let mut found = definitions
                .iter()
                .filter(|one| one["type"] == kind && one["generateName"] == webhook["name"]);
            let found = found.next().unwrap_or_else(|| panic!("{}", webhook["name"]));
            assert_eq!(found["webhookPath"], webhook["clientConfig"]["service"]["path"]);
            assert_eq!(found["deploymentName"], "intel-deviceplugins-controller-manager");
            for field in ["rules", "failurePolicy", "sideEffects", "reinvocationPolicy"] {
                assert_eq!(found[field], webhook[field], "{}: {field}", webhook["name"]);
            }
            wanted += 1;
        }
    }
    assert_eq!(definitions.len(), wanted);
}

#[test]
fn digests_pin_the_images_of_operator_and_plugins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("digests");
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let lines = format!(
        "image digest bytes\nintel-deviceplugin-operator {} 1\nintel-gpu-plugin   {}   2\nin target/images\n",
        digest("a"),
        digest("b")
    );
    std::fs::write(&file, lines).unwrap();
    let csv = csv(&["--digests", file.to_str().unwrap(), "--replaces=v0.35.0"]);
    assert_eq!(csv["spec"]["replaces"], format!("{PACKAGE}.v0.35.0"));
    let pinned = format!("docker.io/intel/intel-gpu-plugin@{}", digest("b"));
    let container =
        &csv["spec"]["install"]["spec"]["deployments"][0]["spec"]["template"]["spec"]["containers"][0];
    let operator = json!(format!("docker.io/intel/intel-deviceplugin-operator@{}", digest("a")));
    assert_eq!(container["image"], operator);
    let env = list(&container["env"]);
    assert!(env.contains(&json!({"name": "INTEL_GPU_PLUGIN_SHA", "value": pinned})), "{env:?}");
    assert_eq!(env.iter().filter(|variable| variable["value"].is_string()).count(), 1, "{env:?}");
    let related = all(list(&csv["spec"]["relatedImages"]), "/image");
    assert!(related.contains(&*pinned) && related.contains(operator.as_str().unwrap()), "{related:?}");
    assert!(related.contains(&*format!("docker.io/intel/intel-npu-plugin:{VERSION}")));
}

#[test]
fn the_images_of_all_samples_are_named() {
    let csv = csv(&[]);
    let related = all(list(&csv["spec"]["relatedImages"]), "/name");
    let samples = texts(&format!("{OPERATOR}/samples")).unwrap();
    for (name, text) in samples.iter().filter(|(name, _)| name.starts_with("deviceplugin_")) {
        let spec = &parse(name, text).unwrap()["spec"];
        for image in ["image", "initImage"].iter().filter_map(|field| spec[field].as_str()) {
            let image = image.rsplit('/').next().unwrap().split(':').next().unwrap();
            assert!(related.contains(image), "{name}: {image}");
        }
    }
}

#[test]
fn the_image_has_the_labels_that_the_folder_has_as_annotations() {
    let files = files(&options(&[]), CREATED).unwrap();
    let written = parse("annotations.yaml", &files["metadata/annotations.yaml"]).unwrap();
    assert_eq!(written, json!({ "annotations": annotations() }));
    for (name, value) in annotations().as_object().unwrap() {
        let label = format!("LABEL {name}={}\n", value.as_str().unwrap());
        assert!(files["bundle.Dockerfile"].contains(&label), "{label}");
    }
}

#[test]
fn flags_that_are_wrong_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "intel-gpu-plugin sha256:short\n").unwrap();
    let empty = empty.to_str().unwrap();
    for (args, says) in [
        (&["--tag=1"][..], "there is no flag --tag".to_owned()),
        (&["--registry"], "--registry needs a value".to_owned()),
        (&["--digests", "/none"], "/none: No such file or directory (os error 2)".to_owned()),
        (&["--digests", empty], format!("{empty} has no digests: give it what `cargo xtask images` prints")),
    ] {
        assert_eq!(Options::parse(args).unwrap_err(), says);
    }
}
