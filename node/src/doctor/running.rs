//! Which plugins a process of the node runs, and with which flags.

use std::collections::BTreeMap;

use ::doctor::programs::{Process, Running, Told};
use host::Host;

use crate::families::{self, FAMILIES, Family};
use crate::node;
use crate::node::config::MAX_BYTES;
use crate::plan::configuration::{self, Configuration, Plugin};
use crate::plugin_flags::split_ignored;

/// The program of all families.
const ALL: &str = "intel-device-plugins";
/// More variables than a pod's are no pod's.
const MOST_VARIABLES: usize = 1 << 20;

/// The programs that may run plugins.
pub(super) fn programs() -> Vec<&'static str> {
    FAMILIES.iter().map(|family| family.entry_point).chain([ALL]).collect()
}

/// What the process runs. What `node` runs is in `given`, or else in its file.
pub(super) fn of(host: &Host, process: &Process, given: Option<&Configuration>) -> Told {
    if let Some(family) = FAMILIES.iter().find(|family| family.entry_point == process.name) {
        return one(family, &process.words);
    }
    match process.words.split_first() {
        Some((command, words)) if process.name == ALL => match families::named(command) {
            Some(family) => one(family, words),
            None if command == crate::commands::NODE.name => all(host, process, words, given),
            None => Told::default(),
        },
        _ => Told::default(),
    }
}

fn one(family: &'static Family, words: &[String]) -> Told {
    let (flags, ignored) = split_ignored(words, |flags| (family.parse)(flags).is_ok());
    Told { running: vec![running(family, Some(flags.to_vec()))], ignored: ignored.to_vec(), unseen: None }
}

fn running(family: &Family, flags: Option<Vec<String>>) -> Running {
    Running { family: family.name, namespace: family.namespace, flags }
}

/// As `node` does.
fn all(host: &Host, process: &Process, words: &[String], given: Option<&Configuration>) -> Told {
    let (_, ignored) = split_ignored(words, |flags| node::Options::parse(String::new(), flags).is_ok());
    let mut told = Told { ignored: ignored.to_vec(), ..Told::default() };
    let families = options(host, process, words).and_then(|options| of_file(host, process, &options));
    let flags = |family: &Family| {
        let given = given.and_then(|given| given.families.get(family.name));
        let own = |families: &BTreeMap<_, _>| families.get(family.name).and_then(flags_of).map(Some);
        match (given, &families) {
            (Some(plugin), _) => flags_of(plugin).map(Some),
            (None, Ok(families)) => own(families),
            (None, Err(_)) => Some(None),
        }
    };
    told.running = FAMILIES.iter().filter_map(|family| Some(running(family, flags(family)?))).collect();
    told.unseen = families.err().filter(|_| given.is_none());
    told
}

/// `None` if it does not run.
fn flags_of(plugin: &Plugin) -> Option<Vec<String>> {
    match plugin {
        Plugin::On { flags, .. } => Some(flags.clone()),
        Plugin::Off => None,
    }
}

fn options(host: &Host, process: &Process, words: &[String]) -> Result<node::Options, String> {
    let variables = host.read_bytes(format!("{}/environ", process.folder), MOST_VARIABLES);
    let variables = String::from_utf8_lossy(&variables.unwrap_or_default().0).into_owned();
    let name = variables.split('\0').find_map(|variable| variable.strip_prefix("NODE_NAME="));
    node::Options::parse(name.unwrap_or_default().to_owned(), words).map_err(|stop| stop.in_short())
}

/// What is in the file of its flag `-config`. One that is not there in its folder is as good as an empty one.
fn of_file(
    host: &Host,
    process: &Process,
    options: &node::Options,
) -> Result<BTreeMap<&'static str, Plugin>, String> {
    let file = &options.config;
    if file.is_empty() {
        return Ok(Configuration::defaults().families);
    }
    let path =
        process.file(host, file).ok_or_else(|| format!("where its {file} is on the node is not seen"))?;
    let fail = |why: String| format!("{} (its {file}): {why}", path.display());
    match host.read_up_to(&path, MAX_BYTES as u64) {
        Ok(text) => match configuration::of_node(&text, &options.node_name) {
            Ok(configuration) => Ok(configuration.families),
            Err(why) => Err(fail(why)),
        },
        Err(error) if error.is_not_found() && path.parent().is_some_and(|folder| host.exists(folder)) => {
            Ok(Configuration::defaults().families)
        }
        Err(error) => Err(fail(error.source.to_string())),
    }
}
