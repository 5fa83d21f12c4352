//! The file of `node`: which families run, and with which flags.
//!
//! ```yaml
//! families:
//!   gpu:
//!     shared-dev-num: 2
//!   fpga: false
//! nodes:
//!   worker-1:
//!     gpu:
//!       shared-dev-num: 10
//! ```
//!
//! A family that is not named runs with its defaults.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

use cli::FlagSet;
use cli::plugin::{PluginOptions, Start};
use serde_json::{Map, Value};

use crate::families::{self, FAMILIES};

/// No file of this kind is longer.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// The flag of families that ask for the node: its name is that of the section, unless the file says otherwise.
const NODE_NAME: &str = "node-name";

/// The whole file, good for every node that it names.
#[derive(Debug, Default)]
pub(crate) struct Config {
    families: Section,
    nodes: BTreeMap<String, Section>,
}

/// By the family's name.
type Section = BTreeMap<&'static str, Setting>;

/// What a section says of a family.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Setting {
    Off,
    /// Flags without their dash, and their values.
    On(BTreeMap<String, String>),
}

/// What is to run on a node: the flags of each family, and the plugin that they ask for.
pub(crate) type Wanted = BTreeMap<&'static str, (Vec<String>, Start)>;

impl Config {
    /// Reads the file. The error says where in it something is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("longer than {MAX_BYTES} bytes"));
        }
        let file: Value = match text.trim() {
            "" => Value::Null,
            text => serde_saphyr::from_str(text).map_err(|error| format!("no YAML: {error}"))?,
        };
        let mut config = Self::default();
        for (key, value) in mapping("the file", &file)? {
            match key.as_str() {
                "families" => config.families = section("families", value)?,
                "nodes" => {
                    for (node, value) in mapping("nodes", value)? {
                        config.nodes.insert(node.clone(), section(&format!("nodes.{node}"), value)?);
                    }
                }
                other => return Err(unknown("the file", other, ["families", "nodes"].into_iter())),
            }
        }
        for node in std::iter::once("").chain(config.nodes()) {
            config.of_node(node).map_err(|error| with_advice_on_quotes(error, text))?;
        }
        Ok(config)
    }

    /// The nodes that have sections of their own.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }

    /// What is to run on the node of that name.
    pub(crate) fn of_node(&self, name: &str) -> Result<Wanted, String> {
        let own = self.nodes.get(name);
        let mut wanted = Wanted::new();
        for family in FAMILIES {
            let settings = [self.families.get(family.name), own.and_then(|own| own.get(family.name))];
            let Some(mut flags) = merged(settings) else { continue };
            if family.is_of_a_node && !name.is_empty() {
                flags.entry(NODE_NAME.to_owned()).or_insert_with(|| name.to_owned());
            }
            let flags: Vec<String> = flags.iter().map(|(name, value)| format!("-{name}={value}")).collect();
            let start = (family.parse)(&flags).map_err(|error| {
                let place = if own.is_some() { format!("nodes.{name}") } else { "families".to_owned() };
                format!("{place}.{}: {error}", family.name)
            })?;
            wanted.insert(family.name, (flags, start));
        }
        Ok(wanted)
    }
}

/// YAML reads `0x56c0` as a number, so a flag that wants such a text gets `22208`.
fn with_advice_on_quotes(error: String, file: &str) -> String {
    let is_complained_of = |word: &&str| {
        let number = word.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number.is_some_and(|number| error.contains(&format!("\"{number}\"")))
    };
    match file.split(|c: char| !c.is_ascii_alphanumeric()).find(is_complained_of) {
        Some(word) => format!("{error}: write '{word}', in quotes, which YAML does not take for a number"),
        None => error,
    }
}

/// The later setting wins, flag by flag; `None`: the family is off.
fn merged(settings: [Option<&Setting>; 2]) -> Option<BTreeMap<String, String>> {
    let mut flags = Some(BTreeMap::new());
    for setting in settings.into_iter().flatten() {
        match setting {
            Setting::Off => flags = None,
            Setting::On(more) => flags.get_or_insert_default().extend(more.clone()),
        }
    }
    flags
}

fn section(place: &str, value: &Value) -> Result<Section, String> {
    let mut section = Section::new();
    for (name, value) in mapping(place, value)? {
        let Some(family) = families::named(name) else {
            return Err(unknown(place, name, FAMILIES.iter().map(|family| family.name)));
        };
        let setting = match value {
            Value::Bool(false) => Setting::Off,
            Value::Bool(true) => Setting::On(BTreeMap::new()),
            flags => Setting::On(flags_of(&format!("{place}.{name}"), flags)?),
        };
        section.insert(family.name, setting);
    }
    Ok(section)
}

fn flags_of(place: &str, value: &Value) -> Result<BTreeMap<String, String>, String> {
    let mut flags = BTreeMap::new();
    for (flag, value) in mapping(place, value)? {
        let name = flag.trim_start_matches('-');
        if is_of_the_process(name) {
            return Err(format!("{place}: {flag} is the whole process's: give it on the command line"));
        }
        let value =
            scalar(value).ok_or_else(|| format!("{place}.{flag}: neither a value nor a list of values"))?;
        if flags.insert(name.to_owned(), value).is_some() {
            return Err(format!("{place}: {name} is given twice, with a dash and without"));
        }
    }
    Ok(flags)
}

/// Flags that every plugin has when it runs alone, but that one process has once.
fn is_of_the_process(name: &str) -> bool {
    let mut common = PluginOptions::default();
    let mut flags = FlagSet::new("", "");
    common.add_flags(&mut flags);
    name == "prefix" || flags.names().any(|common| common == name)
}

/// A list is written with commas, as the flags want it.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::String(value) => Some(value.clone()),
        Value::Array(values) => {
            let values: Option<Vec<String>> =
                values.iter().map(|value| if value.is_array() { None } else { scalar(value) }).collect();
            values.map(|values| values.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// Nothing at all is as good as `{}`.
fn mapping<'a>(
    place: &str,
    value: &'a Value,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, String> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    match value {
        Value::Null => Ok(EMPTY.iter()),
        Value::Object(map) => Ok(map.iter()),
        _ => Err(format!("{place} must hold `name: value` pairs")),
    }
}

fn unknown<'a>(place: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let suggestion = match cli::nearest(name, known.clone()) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
    };
    format!("{place}: unknown key {name:?}; {suggestion}")
}

/// Prints what the file means for a node.
pub(super) fn show(config: &Config, node_name: &str) -> ExitCode {
    let wanted = match config.of_node(node_name) {
        Ok(wanted) => wanted,
        Err(error) => return cli::fatal(error),
    };
    let mut text = String::new();
    for family in FAMILIES {
        match wanted.get(family.name) {
            None => text += &format!("{}: off\n", family.name),
            Some((flags, _)) => text += format!("{}: {}", family.name, flags.join(" ")).trim_end(),
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fatal(format!("standard output: {error}")),
    }
}

#[cfg(test)]
mod tests;
