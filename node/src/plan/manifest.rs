//! The plugins that the containers of a manifest run.

use std::collections::BTreeMap;

use serde_json::Value;

use super::configuration::{Configuration, Plugin, of_node};
use crate::families::{self, FAMILIES, Family};

/// The binary of all families, and its image.
const ALL: &str = "intel-device-plugins";
/// The key of the ConfigMap that has the file of `node`.
const FILE: &str = "config.yaml";
const FILE_AT: &str = "/data/config.yaml";

/// What a container runs.
enum Program {
    Plugin(&'static Family),
    /// All families, with a file if it has the flag for one.
    Node,
}

/// The families that the objects run, each with its flags.
pub(super) fn configuration(objects: &[Value], node_name: &str) -> Result<Configuration, String> {
    let mut all = Vec::new();
    for object in objects {
        match object.get("items").and_then(Value::as_array) {
            Some(items) => all.extend(items),
            None => all.push(object),
        }
    }
    let is_file = |object: &&&Value| {
        text(object, "/kind") == "ConfigMap" && object.pointer(FILE_AT).is_some_and(Value::is_string)
    };
    let files: Vec<&Value> = all.iter().filter(is_file).copied().collect();
    // A ConfigMap alone is as good as the file in it.
    let mut file = if all.len() == 1 { files.first().map(|map| text(map, FILE_AT)) } else { None };
    let mut families = BTreeMap::new();
    let mut runs_node = file.is_some();
    for object in all {
        let name = format!("{} {}", text(object, "/kind"), text(object, "/metadata/name"));
        let Some(pod) = object.pointer("/spec/template/spec").or_else(|| object.get("spec")) else {
            continue;
        };
        let containers = pod.get("containers").and_then(Value::as_array);
        for container in containers.into_iter().flatten() {
            let at = |error| format!("{name}, container {}: {error}", text(container, "/name"));
            match program(container).map_err(at)? {
                None => {}
                Some((Program::Node, flags)) => {
                    let is_config =
                        |flag: &String| flag.trim_start_matches('-').split('=').next() == Some("config");
                    if flags.iter().any(is_config) {
                        let own = file_of(pod, &files).map_err(at)?;
                        if *file.get_or_insert(own) != own {
                            return Err(at("it has another file than before: give one of them".to_owned()));
                        }
                    }
                    runs_node = true;
                }
                Some((Program::Plugin(family), flags)) => {
                    // A list has a pod of each node.
                    match families.get(family.name) {
                        Some(Plugin::On { flags: others, .. }) if *others != flags => {
                            return Err(at(format!(
                                "the {} plugin has other flags than before: give one of its configurations",
                                family.name
                            )));
                        }
                        _ => _ = families.insert(family.name, Plugin::On { flags, is_named: true }),
                    }
                }
            }
        }
    }
    if runs_node && !families.is_empty() {
        return Err(
            "it has `node`, which runs all families, and plugins of single families: give one or the other"
                .to_owned(),
        );
    }
    if runs_node {
        return of_node(file.unwrap_or_default(), node_name).map_err(|error| format!("{FILE}: {error}"));
    }
    if families.is_empty() {
        return Err("no container in it runs a device plugin of this project; of an object of the operator, give its \
                    DaemonSet: kubectl get daemonset -o yaml"
            .to_owned());
    }
    Ok(Configuration { families, ..Configuration::default() })
}

/// The file in the ConfigMap that a pod mounts, of those that have one; in the only one, if it mounts none.
fn file_of<'a>(pod: &Value, files: &[&'a Value]) -> Result<&'a str, String> {
    let volumes = pod.get("volumes").and_then(Value::as_array).into_iter().flatten();
    let mounted: Vec<&str> =
        volumes.map(|volume| text(volume, "/configMap/name")).filter(|name| !name.is_empty()).collect();
    let is_its = |map: &&&Value| mounted.is_empty() || mounted.contains(&text(map, "/metadata/name"));
    let mut its = files.iter().filter(is_its);
    match (its.next(), its.next()) {
        (Some(map), None) => Ok(text(map, FILE_AT)),
        (Some(_), Some(_)) => Err(format!("more than one ConfigMap has a {FILE}: give one of them")),
        (None, _) => Err(format!(
            "its flags are in a ConfigMap with {FILE} that is not here: `kubectl get daemonsets,configmaps -o yaml` gives both"
        )),
    }
}

/// What a container runs and the words after it: what its command says, and without one, its image.
fn program(container: &Value) -> Result<Option<(Program, Vec<String>)>, String> {
    let mut words = words(container, "command")?;
    let has_command = !words.is_empty();
    words.extend(self::words(container, "args")?);
    let name = if has_command {
        let program = words.remove(0);
        program.rsplit('/').next().unwrap_or_default().to_owned()
    } else {
        let image = text(container, "/image").rsplit('/').next().unwrap_or_default();
        image.split([':', '@']).next().unwrap_or_default().to_owned()
    };
    if name == ALL {
        if words.first().is_some_and(|word| word == "node") {
            return Ok(Some((Program::Node, words.split_off(1))));
        }
        let family = words.first().and_then(|word| families::named(word));
        return Ok(family.map(|family| (Program::Plugin(family), words.split_off(1))));
    }
    let is_it = |family: &&Family| {
        if has_command { family.entry_point == name } else { format!("intel-{}-plugin", family.name) == name }
    };
    Ok(FAMILIES.iter().find(is_it).map(|family| (Program::Plugin(family), words)))
}

fn words(container: &Value, key: &str) -> Result<Vec<String>, String> {
    let words = match container.get(key) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(words) => words.as_array(),
    };
    let words = words.and_then(|words| words.iter().map(|word| word.as_str().map(str::to_owned)).collect());
    words.ok_or_else(|| format!("{key} is no list of texts; numbers need quotes"))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
