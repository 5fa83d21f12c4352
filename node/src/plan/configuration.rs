//! Which families a plan is about, and with which flags: from a file of `node`, a manifest, or the command line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};

use cli::FlagSet;
use doctor::some_of;
use serde_json::Value;

use super::manifest;
use crate::families::{self, FAMILIES};
use crate::node::config::{self, Config};
use crate::plugin_flags::PluginFlags;

/// A DaemonSet as the API server has it is a few KiB; `kubectl` may list many.
const MAX_BYTES: u64 = 4 << 20;

/// The file that stands for it.
pub(super) const STANDARD_INPUT: &str = "-";

/// The flags by which a tool is told a configuration.
#[derive(Debug)]
pub(crate) struct Given {
    config: String,
    plugin_flags: PluginFlags,
    node_name: String,
}

/// What is to run on a node.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    /// What it is called in what is shown: the file, and the flags.
    pub(super) name: String,
    /// The families that it speaks of.
    pub(crate) families: BTreeMap<&'static str, Plugin>,
    /// What of the file is left out, and why.
    pub(super) note: Option<String>,
}

/// What is to become of a family.
#[derive(Debug)]
pub(crate) enum Plugin {
    /// It does not run.
    Off,
    /// It runs.
    On {
        /// The plugin's flags.
        flags: Vec<String>,
        /// Whether somebody asked for this family, who is to hear that it has nothing to offer.
        is_named: bool,
    },
}

impl Default for Given {
    fn default() -> Self {
        let node_name = std::env::var("NODE_NAME").unwrap_or_default();
        Self { config: String::new(), plugin_flags: PluginFlags::default(), node_name }
    }
}

impl Given {
    /// Adds them, with help for the first two.
    pub(crate) fn add_flags<'a>(&'a mut self, flags: &mut FlagSet<'a>, [config, plugin_flags]: [&'a str; 2]) {
        flags.string("config", &mut self.config, config);
        flags.value("plugin-flags", &mut self.plugin_flags, plugin_flags);
        flags.string(
            "node-name",
            &mut self.node_name,
            "name of the node, which chooses its section of the file of `node`; the default is $NODE_NAME",
        );
    }

    /// Whether any was given.
    pub(crate) fn is_any(&self) -> bool {
        !self.config.is_empty() || self.plugin_flags.given().next().is_some()
    }

    pub(super) fn is_standard_input(&self) -> bool {
        self.config == STANDARD_INPUT
    }

    pub(crate) fn configuration(&self) -> Result<Configuration, String> {
        Configuration::of(&self.config, &self.plugin_flags, &self.node_name)
    }

    /// Another one, for the same node.
    pub(super) fn other(&self, file: &str, flags: &PluginFlags) -> Result<Configuration, String> {
        Configuration::of(file, flags, &self.node_name)
    }
}

impl Configuration {
    /// That of a file and flags, either of which may be empty.
    pub(super) fn of(file: &str, flags: &PluginFlags, node_name: &str) -> Result<Self, String> {
        let mut configuration = match file {
            "" if flags.given().next().is_none() => Self::defaults(),
            "" => Self::default(),
            file => {
                let name = if file == STANDARD_INPUT { "standard input" } else { file };
                let text = read(file).map_err(|error| format!("{name}: {error}"))?;
                let read = parse(&text, node_name).map_err(|error| format!("{name}: {error}"))?;
                Self { name: name.to_owned(), ..read }
            }
        };
        configuration.add(flags);
        Ok(configuration)
    }

    /// All families as they are without any flag.
    pub(crate) fn defaults() -> Self {
        let on = |family: &families::Family| (family.name, Plugin::On { flags: Vec::new(), is_named: false });
        let families = FAMILIES.iter().map(on).collect();
        Self { name: "the defaults".to_owned(), families, note: None }
    }

    /// One family with these flags.
    pub(crate) fn of_family(family: &'static str, flags: Vec<String>) -> Self {
        let plugin = Plugin::On { flags, is_named: false };
        Self { name: "flags".to_owned(), families: BTreeMap::from([(family, plugin)]), note: None }
    }

    /// Adds flags, of which the last counts.
    pub(super) fn add(&mut self, more: &PluginFlags) {
        for (family, more) in more.given() {
            let plugin = self.families.entry(family).or_insert(Plugin::Off);
            let flags = match plugin {
                Plugin::On { flags, .. } => std::mem::take(flags),
                Plugin::Off => Vec::new(),
            };
            *plugin = Plugin::On { flags: [flags.as_slice(), more].concat(), is_named: true };
            let given = format!("'{}'", format!("{family}: {}", more.join(" ")).trim_end());
            self.name = if self.name.is_empty() { given } else { format!("{} and {given}", self.name) };
        }
    }

    /// Leaves out the families that the other does not speak of.
    pub(super) fn keep(&mut self, other: &Self) {
        self.families.retain(|name, _| other.families.contains_key(name));
    }

    /// Whether a resource of this name is of one of its families.
    pub(super) fn speaks_of(&self, resource: &str) -> bool {
        families::of_resource(resource).is_some_and(|family| self.families.contains_key(family.name))
    }
}

fn read(file: &str) -> Result<String, String> {
    let mut text = String::new();
    let read = if file == STANDARD_INPUT {
        io::stdin().lock().take(MAX_BYTES + 1).read_to_string(&mut text)
    } else {
        File::open(file).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
    };
    match read {
        Ok(count) if count as u64 > MAX_BYTES => Err(format!("longer than {MAX_BYTES} bytes")),
        Ok(_) => Ok(text),
        Err(error) => Err(error.to_string()),
    }
}

/// A manifest says of what kind its objects are; the file of `node` has no such key.
fn parse(text: &str, node_name: &str) -> Result<Configuration, String> {
    let objects = documents(text).map_err(|error| format!("no YAML: {error}"))?;
    if objects.iter().any(|object| object.get("kind").is_some()) {
        manifest::configuration(&objects, node_name)
    } else {
        of_node(text, node_name)
    }
}

/// Each by itself: the program reads YAML of one document elsewhere, and reading many is code of its own.
fn documents(text: &str) -> Result<Vec<Value>, serde_saphyr::Error> {
    // Nothing else can begin a line so, not even within a text.
    let marked = format!("\n{text}");
    let is_empty = |text: &str| text.lines().all(|line| line.trim().is_empty() || line.starts_with('#'));
    let documents = marked.split("\n---").filter(|document| !is_empty(document));
    let options = || serde_saphyr::options! { with_snippet: false };
    documents.map(|document| serde_saphyr::from_str_with_options(document, options())).collect()
}

/// What a file of `node` says.
pub(crate) fn of_node(text: &str, node_name: &str) -> Result<Configuration, String> {
    let config = Config::parse(text)?;
    let nodes: Vec<&str> = config.nodes().collect();
    let note = (!nodes.is_empty() && !nodes.contains(&node_name)).then(|| {
        let nodes = some_of(&nodes.iter().map(|node| (*node).to_owned()).collect::<Vec<_>>());
        match node_name {
            "" => format!("-node-name is not given: the sections of {nodes} are left out"),
            name => format!("no section is of the node {name}; there are {nodes}"),
        }
    });
    let mut wanted: config::Wanted = config.of_node(node_name)?;
    let plugin = |family: &families::Family| match wanted.remove(family.name) {
        None => (family.name, Plugin::Off),
        Some((flags, _)) => {
            // That which the file need not say.
            let is_named = flags.iter().any(|flag| !flag.starts_with("-node-name="));
            (family.name, Plugin::On { flags, is_named })
        }
    };
    Ok(Configuration { families: FAMILIES.iter().map(plugin).collect(), note, ..Configuration::default() })
}
