//! `plan`: what a configuration would offer on a node, compared with what the kubelet has or with another configuration.

pub(crate) mod configuration;
mod manifest;
pub(crate) mod offered;
mod view;

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use cli::{FlagSet, Stop};
use device_plugin::{Checkpoint, Paths, error_chain};

use crate::place::{Node, Place};
use crate::plugin_flags::PluginFlags;
use crate::screen::print;
use configuration::{Configuration, Given, STANDARD_INPUT};
use offered::Offered;
use view::{Against, Plan};

/// With differences; 0 is without, and 1 an error.
const DIFFERENCES: u8 = 2;

const KUBELET: &str = "kubelet";
const DEFAULTS: &str = "defaults";

#[derive(Debug)]
struct Options {
    place: Place,
    given: Given,
    against: String,
    against_flags: PluginFlags,
    kubelet_dir: String,
    json: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            place: Place::default(),
            given: Given::default(),
            against: String::new(),
            against_flags: PluginFlags::default(),
            kubelet_dir: Paths::default().kubelet.to_string_lossy().into_owned(),
            json: false,
        }
    }
}

impl Options {
    fn parse(args: Vec<OsString>) -> Result<Self, Stop> {
        let mut options = Self::default();
        let mut flags = FlagSet::new(
            "intel-device-plugins plan",
            "Shows what a configuration would offer on a node, and how that differs from what the kubelet has or from another \
             configuration. Changes nothing. Exit code: 0 without differences, 2 with, 1 after an error.",
        );
        options.given.add_flags(
            &mut flags,
            [
                "file of `node`, or manifest of the plugins' DaemonSets, pods or ConfigMap; - is standard input; all families \
                 with their defaults when empty",
                "flags for one plugin, such as 'gpu: -shared-dev-num=2', after those of -config; without -config, only plugins \
                 that are named so; repeat it for more plugins",
            ],
        );
        options.place.add_flags(&mut flags);
        flags.section("What to compare with");
        flags.string(
            "against",
            &mut options.against,
            "kubelet (what it has now), defaults, or a file as for -config; when empty, the kubelet if the node is a real one",
        );
        flags.value(
            "against-flags",
            &mut options.against_flags,
            "flags for one plugin, as for -plugin-flags, after those of the file of -against",
        );
        flags.string(
            "kubelet-dir",
            &mut options.kubelet_dir,
            "folder of the node with the kubelet's device plugin sockets, where it keeps a file of what it has",
        );
        flags.section("Output");
        flags.bool("json", &mut options.json, "print JSON");
        flags.parse_all(args)?;
        Ok(options)
    }
}

/// Runs the command.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let outcome = match Options::parse(args) {
        Ok(options) => plan(&options),
        Err(stop) => return crate::commands::stopped(&stop),
    };
    outcome.unwrap_or_else(|error| crate::commands::failed("plan", &*error))
}

fn plan(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    if options.given.is_standard_input() && options.against == STANDARD_INPUT {
        return Err(
            "-config and -against are both standard input, which can be read once: give a file for one"
                .into(),
        );
    }
    let node = options.place.open()?;
    let configuration = options.given.configuration()?;
    let offered = Offered::of(&configuration, &node.host)?;
    let against = against(options, &node, &configuration)?;
    let plan = Plan { node: &node.name, configuration: &configuration, offered: &offered, against: &against };
    if options.json { print(&[serde_json::to_string_pretty(&plan.json())?]) } else { print(&plan.lines()) }
        .map_err(|error| format!("standard output: {error}"))?;
    Ok(if plan.has_failed() {
        ExitCode::FAILURE
    } else if plan.differences().is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DIFFERENCES)
    })
}

/// For archives: what the plugins would offer with their defaults. `doctor` compares what runs with what the kubelet has.
pub(crate) fn text(node: &Node) -> Result<String, String> {
    let configuration = Configuration::defaults();
    let offered = Offered::of(&configuration, &node.host)?;
    let why =
        if node.is_live { "plugins may run with other flags; doctor.txt compares what runs" } else { "" };
    let against = Against::Nothing(why.to_owned());
    let plan = Plan { node: &node.name, configuration: &configuration, offered: &offered, against: &against };
    Ok(plan.lines().join("\n") + "\n")
}

/// What to compare with, of the families that the configuration speaks of.
fn against(options: &Options, node: &Node, configuration: &Configuration) -> Result<Against, String> {
    let is_kubelet = options.against == KUBELET;
    let has_flags = options.against_flags.given().next().is_some();
    if is_kubelet && has_flags {
        return Err(
            "-against kubelet and -against-flags: what the kubelet has does not depend on flags".to_owned()
        );
    }
    if is_kubelet || (options.against.is_empty() && !has_flags) {
        if !node.is_live {
            let why = format!("{} is a simulated node, which has no kubelet", node.name);
            return if is_kubelet { Err(why) } else { Ok(Against::Nothing(String::new())) };
        }
        return match Checkpoint::read(&node.host, Path::new(&options.kubelet_dir)) {
            Ok(mut checkpoint) => {
                checkpoint.offer.resources.retain(|name, _| configuration.speaks_of(name));
                Ok(Against::Kubelet(checkpoint))
            }
            Err(error) if is_kubelet => Err(error_chain(&error)),
            Err(error) => Ok(Against::Nothing(error_chain(&error))),
        };
    }
    let mut other = if options.against == DEFAULTS {
        let mut defaults = Configuration::defaults();
        defaults.add(&options.against_flags);
        defaults
    } else {
        options.given.other(&options.against, &options.against_flags)?
    };
    other.keep(configuration);
    let offered = Offered::of(&other, &node.host)?;
    Ok(Against::Other(other, offered))
}
