//! As much of kustomize as the manifests need, so that they can be tested without it. What it does not know is an error; that the
//! real one makes the same of all folders is a test in `tests/e2e/tests/manifests`.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "for tests only")]

mod names;
mod replacements;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use names::Names;

/// Folders of `deployments` with demos, which this is not enough for.
pub const DEMOS: [&str; 4] = ["gpu_pytorch_demo", "qat_dpdk_app", "sgx_aesmd", "sgx_enclave_apps"];

/// Whether this folder of `deployments` is one of them, or below one.
pub fn is_demo(folder: &str) -> bool {
    DEMOS.iter().any(|demo| Path::new(folder).starts_with(demo))
}

/// The elements of a list; none of what is no list.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The text that a value is. Panics if it is none.
#[track_caller]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The folder `deployments`.
pub fn deployments() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deployments").canonicalize().unwrap()
}

/// Every folder below `deployments` with a `kustomization.yaml`, by its path from there, sorted.
pub fn folders() -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.ends_with("kustomization.yaml") {
                found.push(folder.to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(&deployments(), &mut found);
    let relative = |path: &PathBuf| path.strip_prefix(deployments()).unwrap().to_str().unwrap().to_owned();
    let mut found: Vec<String> = found.iter().map(relative).collect();
    found.sort();
    found
}

/// All documents of a file but empty ones.
pub fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let documents = serde_saphyr::from_multiple(&text);
    let mut documents: Vec<Value> = documents.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    documents.retain(|document| !document.is_null());
    documents
}

/// The only document of a file.
pub fn yaml(path: &Path) -> Value {
    let mut documents = documents(path);
    assert_eq!(documents.len(), 1, "documents in {}", path.display());
    documents.remove(0)
}

/// All objects of a folder with a `kustomization.yaml`.
pub fn render(folder: &Path) -> Vec<Value> {
    render_with_names(folder).0
}

/// Beside the objects, what kustomize was told about names: it counts for who takes this folder as a resource, too.
fn render_with_names(folder: &Path) -> (Vec<Value>, Names) {
    let kustomization = yaml(&folder.join("kustomization.yaml"));
    let Value::Object(keys) = &kustomization else { panic!("{} is no mapping", folder.display()) };
    for key in keys.keys() {
        let known = [
            "resources",
            "patches",
            "namespace",
            "namePrefix",
            "nameSuffix",
            "configurations",
            "replacements",
            "configMapGenerator",
        ];
        assert!(known.contains(&key.as_str()), "{}: this test does not know {key}", folder.display());
    }
    let (mut objects, mut names) = (Vec::new(), Names::new());
    for resource in list(&kustomization["resources"]) {
        let path = folder.join(text(resource));
        if path.is_dir() {
            let (more, learned) = render_with_names(&path);
            objects.extend(more);
            names.extend(learned);
        } else {
            objects.extend(documents(&path));
        }
    }
    objects.extend(
        list(&kustomization["configMapGenerator"]).iter().map(|generator| config_map(folder, generator)),
    );
    for configuration in list(&kustomization["configurations"]) {
        names.learn(&yaml(&folder.join(text(configuration))));
    }
    for patch in list(&kustomization["patches"]) {
        apply_patch(&mut objects, folder, patch);
    }
    if let Some(namespace) = kustomization["namespace"].as_str() {
        names.set_namespace(&mut objects, namespace);
    }
    let [prefix, suffix] =
        ["namePrefix", "nameSuffix"].map(|key| kustomization[key].as_str().unwrap_or_default());
    names.affix(&mut objects, prefix, suffix);
    for replacement in list(&kustomization["replacements"]) {
        replacements::replace(&mut objects, &yaml(&folder.join(text(&replacement["path"]))));
    }
    (objects, names)
}

/// Of files given as `KEY=FILE`.
fn config_map(folder: &Path, generator: &Value) -> Value {
    let options = &generator["options"];
    assert_eq!(options["disableNameSuffixHash"], true, "this test makes no hashes");
    let file = |file: &Value| {
        let (key, file) = text(file).split_once('=').unwrap();
        (key.to_owned(), Value::from(fs::read_to_string(folder.join(file)).unwrap()))
    };
    let data: Map<String, Value> = list(&generator["files"]).iter().map(file).collect();
    let metadata = json!({"name": generator["name"], "labels": options["labels"]});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
}

fn apply_patch(objects: &mut [Value], folder: &Path, patch: &Value) {
    let content = yaml(&folder.join(text(&patch["path"])));
    let (kind, name) = match &content {
        Value::Array(_) => (&patch["target"]["kind"], None),
        content => (&content["kind"], Some(&content["metadata"]["name"])),
    };
    let is_target = |object: &Value| {
        object["kind"] == *kind && name.is_none_or(|name| object["metadata"]["name"] == *name)
    };
    let mut targets = objects.iter_mut().filter(|object| is_target(object)).peekable();
    assert!(targets.peek().is_some(), "{}: {} is for nothing", folder.display(), patch["path"]);
    for object in targets {
        match &content {
            Value::Array(operations) => operations.iter().for_each(|operation| apply(object, operation)),
            content => merge(object, content),
        }
    }
}

/// Does something with each value of a field, in all elements of lists on the way, unless the path says which.
fn at<'a>(
    value: &mut Value,
    mut path: impl Iterator<Item = &'a str> + Clone,
    act: &mut dyn FnMut(&mut Value),
) {
    let rest = path.clone();
    match (value, path.next()) {
        (Value::Array(items), Some(field)) if field.parse::<usize>().is_ok() => {
            let index: usize = field.parse().unwrap();
            at(&mut items[index], path, act);
        }
        (Value::Array(items), _) => items.iter_mut().for_each(|item| at(item, rest.clone(), act)),
        (value, None) => act(value),
        (value, Some(field)) => {
            if let Some(value) = value.get_mut(field) {
                at(value, path, act);
            }
        }
    }
}

/// One operation of a JSON patch (RFC 6902).
fn apply(object: &mut Value, operation: &Value) {
    let (parent, key) = operation["path"].as_str().unwrap().rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("{operation}: {parent} is not there"));
    let value = operation["value"].clone();
    match (operation["op"].as_str().unwrap(), parent) {
        ("test", Value::Object(map)) => assert_eq!(map.get(key), Some(&value), "{operation}"),
        ("remove", Value::Array(items)) => drop(items.remove(key.parse().unwrap())),
        ("add", Value::Array(items)) if key == "-" => items.push(value),
        ("add", Value::Object(map)) => drop(map.insert(key.to_owned(), value)),
        ("replace", Value::Object(map)) if map.contains_key(key) => drop(map.insert(key.to_owned(), value)),
        _ => panic!("this test cannot apply {operation}"),
    }
}

/// A strategic merge: mappings are merged, and lists of what has a key of its own; other lists are replaced.
fn merge(old: &mut Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                merge_entry(old, key, value);
            }
        }
        (old, new) => *old = new.clone(),
    }
}

fn merge_entry(old: &mut Map<String, Value>, key: &str, value: &Value) {
    let id = match key {
        "containers" | "initContainers" | "volumes" | "env" => "name",
        "volumeMounts" => "mountPath",
        _ => return merge(old.entry(key).or_insert(Value::Null), value),
    };
    let items = old.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    let items = items.as_array_mut().unwrap();
    // What the patch has comes first, in its order.
    let mut merged = Vec::new();
    for item in list(value) {
        match items.iter().position(|old| old[id] == item[id]) {
            Some(at) => {
                let mut old = items.remove(at);
                merge(&mut old, item);
                merged.push(old);
            }
            None => merged.push(item.clone()),
        }
    }
    merged.append(items);
    *items = merged;
}
