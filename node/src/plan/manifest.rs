//! The plugins that the containers of a manifest run.

use std::collections::BTreeMap;

use serde_json::Value;

use super::configuration::{Plugin, of_node};
use crate::families::{self, FAMILIES, Family};

/// The binary of all families, and its image.
const ALL: &str = "intel-device-plugins";
/// The key of the ConfigMap that has the file of `node`.
const FILE: &str = "config.yaml";

type Families = BTreeMap<&'static str, Plugin>;

/// What a container runs.
enum Program {
    Plugin(&'static Family),
    /// All families, with a file.
    Node,
}

/// The families that the objects run, each with its flags.
pub(super) fn families(objects: &[Value], node_name: &str) -> Result<Families, String> {
    let mut all = Vec::new();
    for object in objects {
        match object.get("items").and_then(Value::as_array) {
            Some(items) => all.extend(items),
            None => all.push(object),
        }
    }
    let mut files = all
        .iter()
        .filter(|object| text(object, "/kind") == "ConfigMap")
        .filter_map(|object| object.get("data")?.get(FILE)?.as_str());
    let file = files.next();
    if files.next().is_some() {
        return Err(format!("more than one ConfigMap has a {FILE}: give one of them"));
    }
    let mut families = Families::new();
    // A ConfigMap alone is as good as the file in it.
    let mut runs_node = file.is_some() && all.len() == 1;
    for object in all {
        let name = format!("{} {}", text(object, "/kind"), text(object, "/metadata/name"));
        let of_template = object.pointer("/spec/template/spec/containers");
        let containers = of_template.or_else(|| object.pointer("/spec/containers")).and_then(Value::as_array);
        for container in containers.into_iter().flatten() {
            let at = |error| format!("{name}, container {}: {error}", text(container, "/name"));
            match program(container).map_err(at)? {
                None => {}
                Some((Program::Node, _)) => runs_node = true,
                Some((Program::Plugin(family), flags)) => {
                    let plugin = Plugin::On { flags, is_named: true };
                    if families.insert(family.name, plugin).is_some() {
                        return Err(at(format!(
                            "the {} plugin runs twice: give one of its configurations",
                            family.name
                        )));
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
    Ok(families)
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
            return Ok(Some((Program::Node, Vec::new())));
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
