//! As much of kustomize as the manifests need, so that they can be tested without it. What it does not know is an error; the
//! tests on a cluster apply the same folders with the real one.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

fn yaml(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// All objects of a folder with a `kustomization.yaml`.
pub(crate) fn render(folder: &Path) -> Vec<Value> {
    let kustomization = yaml(&folder.join("kustomization.yaml"));
    let Value::Object(keys) = &kustomization else { panic!("{} is no mapping", folder.display()) };
    for key in keys.keys() {
        let known = ["resources", "patches", "namespace", "namePrefix", "nameSuffix"];
        assert!(known.contains(&key.as_str()), "{}: this test does not know {key}", folder.display());
    }
    let mut objects = Vec::new();
    for resource in list(&kustomization["resources"]) {
        let path = folder.join(resource.as_str().unwrap());
        if path.is_dir() { objects.extend(render(&path)) } else { objects.push(yaml(&path)) }
    }
    for patch in list(&kustomization["patches"]) {
        let content = yaml(&folder.join(patch["path"].as_str().unwrap()));
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
    for object in &mut objects {
        let affix = |key: &str| kustomization[key].as_str().unwrap_or_default().to_owned();
        // A Namespace is called what all others are put in.
        if object["kind"] != "Namespace" {
            let name = object["metadata"]["name"].as_str().unwrap();
            object["metadata"]["name"] = (affix("namePrefix") + name + &affix("nameSuffix")).into();
        }
        if object["kind"] == "DaemonSet" && kustomization["namespace"].is_string() {
            object["metadata"]["namespace"] = kustomization["namespace"].clone();
        }
    }
    objects
}

/// One operation of a JSON patch (RFC 6902).
fn apply(object: &mut Value, operation: &Value) {
    let (parent, key) = operation["path"].as_str().unwrap().rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("{operation}: {parent} is not there"));
    let value = operation["value"].clone();
    match (operation["op"].as_str().unwrap(), parent) {
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
    for item in list(value) {
        match items.iter_mut().find(|old| old[id] == item[id]) {
            Some(old) => merge(old, item),
            None => items.push(item.clone()),
        }
    }
}
