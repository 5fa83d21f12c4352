//! What the tests of all kinds of custom resources share. They run in the folder of their own package, which is
//! `devices/FAMILY/operator`; the objects are the samples of `deployments` and those of `tests/objects`.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "assertions of tests")]

mod schema;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use controller::{DevicePlugin, Family, GROUP, Settings, admission, definition};
use serde_json::{Map, Value, json};
use simulator::golden;

pub use schema::check_schema;

const DEPLOYMENTS: &str = "../../../deployments";

/// Checks that the definition in `deployments` is that of the types.
#[track_caller]
pub fn check_definition<P: DevicePlugin>() {
    let text = crd::manifest(&definition::<P>()).unwrap();
    golden(format!("{DEPLOYMENTS}/operator/crd/bases/{GROUP}_{}.yaml", Family::of::<P>().plural()), &text);
}

/// Checks that each object of the kind is accepted, and has the DaemonSet of its golden file. The sample's is made with nothing but
/// a namespace, those of `tests/objects` with all settings there are.
#[track_caller]
pub fn check_daemonsets(family: &Family) {
    let plain = Settings { namespace: "devices".to_owned(), ..Settings::default() };
    let all = Settings {
        pull_secret: Some("pull-secret".to_owned()),
        service_account: Some("node-getter".to_owned()),
        ..plain.clone()
    };
    check_daemonset(family, &sample(family), &plain);
    let mut count = 0;
    for entry in std::fs::read_dir("tests/objects").unwrap() {
        let object = read(&entry.unwrap().path());
        if object["kind"] == family.kind() {
            check_daemonset(family, &object, &all);
            count += 1;
        }
    }
    assert!(count > 0, "no object of {}", family.kind());
}

#[track_caller]
fn check_daemonset(family: &Family, object: &Value, settings: &Settings) {
    let name = object["metadata"]["name"].as_str().unwrap();
    assert_eq!(admission::refusal(family, &object["spec"]), None, "{name}");
    let daemonset = json!(family.daemonset(name, &object["spec"], settings).unwrap());
    check_volumes(&daemonset["spec"]["template"]["spec"]);
    golden(format!("tests/golden/{name}.yaml"), &serde_saphyr::to_string(&daemonset).unwrap());
}

/// Each volume is mounted, and each mount is of a volume.
#[track_caller]
fn check_volumes(pod: &Value) {
    let names = |list: &Value| -> Vec<String> {
        let names = list.as_array().into_iter().flatten().map(|entry| entry["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    };
    let containers = ["initContainers", "containers"].into_iter().filter_map(|kind| pod[kind].as_array());
    let mut mounted: Vec<String> =
        containers.flatten().flat_map(|container| names(&container["volumeMounts"])).collect();
    mounted.sort();
    mounted.dedup();
    let mut volumes = names(&pod["volumes"]);
    volumes.sort();
    assert_eq!(volumes, mounted);
}

/// Checks that the sample with each of these changes (JSON merge patches, RFC 7396, of its spec) is accepted.
#[track_caller]
pub fn check_accepted(family: &Family, changes: &[Value]) {
    for change in changes {
        assert_eq!(admission::refusal(family, &changed(family, change)), None, "{change}");
    }
}

/// Checks that the sample with each of these changes is refused, for the reason beside it.
#[track_caller]
pub fn check_refused(family: &Family, changes: &[(Value, &str)]) {
    for (change, reason) in changes {
        let refusal = admission::refusal(family, &changed(family, change));
        assert!(refusal.as_ref().is_some_and(|text| text.contains(reason)), "{change}: {refusal:?}");
    }
}

/// What the sample's spec becomes.
fn changed(family: &Family, change: &Value) -> Value {
    let mut spec = sample(family)["spec"].take();
    json_patch::merge(&mut spec, change);
    spec
}

/// The arguments of the plugin of the sample with this change.
pub fn args(family: &Family, change: &Value) -> Vec<String> {
    let daemonset = family.daemonset("test", &changed(family, change), &Settings::default()).unwrap();
    let pod = daemonset.spec.unwrap().template.spec.unwrap();
    pod.containers.into_iter().next().unwrap().args.unwrap()
}

/// Checks that the init container of the sample with this change is that of an overlay of `deployments`, but for the names of
/// container, image and volumes, for the types of host paths, and for what is `added` to it.
#[track_caller]
pub fn check_init_container(family: &Family, change: &Value, overlay: &str, added: &Value) {
    let daemonset = family.daemonset("test", &changed(family, change), &Settings::default()).unwrap();
    let mut expected = init_container(&read(&Path::new(DEPLOYMENTS).join(overlay)));
    json_patch::merge(&mut expected, added);
    assert_eq!(init_container(&json!(daemonset)), expected, "{overlay}");
}

/// What the only init container may do and sees.
fn init_container(daemonset: &Value) -> Value {
    let pod = &daemonset["spec"]["template"]["spec"];
    let [container] = pod["initContainers"].as_array().unwrap().as_slice() else {
        panic!("not one init container: {}", pod["initContainers"]);
    };
    let list = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let named = |variable: Value| {
        let value = variable.get("value").or(variable.get("valueFrom")).unwrap();
        (variable["name"].as_str().unwrap().to_owned(), value.clone())
    };
    let env: Map<String, Value> = list(&container["env"]).into_iter().map(named).collect();
    let volumes = list(&pod["volumes"]);
    let mut mounts = BTreeMap::new();
    for mount in list(&container["volumeMounts"]) {
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
        let source = match (&volume["hostPath"]["path"], &volume["configMap"]["name"]) {
            (Value::Null, Value::Null) => json!("empty"),
            (path, Value::Null) => json!({ "of the node": path }),
            (_, name) => json!({ "ConfigMap": name, "mode": volume["configMap"]["defaultMode"] }),
        };
        mounts.insert(mount["mountPath"].as_str().unwrap().to_owned(), source);
    }
    json!({
        "env": env,
        "mounts": mounts,
        "security": container["securityContext"],
        "resources": container["resources"],
    })
}

/// The family's object of `deployments/operator/samples`.
pub fn sample(family: &Family) -> Value {
    let name = format!("operator/samples/deviceplugin_v1_{}deviceplugin.yaml", family.name);
    read(&Path::new(DEPLOYMENTS).join(name))
}

fn read(path: &PathBuf) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
