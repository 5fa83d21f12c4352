//! `node`: the plugins of all families in one process, each as if it were alone.

pub(crate) mod config;
mod file;
mod fleet;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use cli::confinement::{Access, Confined, Needs, Rules};
use cli::plugin::PluginOptions;
use cli::{FlagSet, Stop, fatal, logs, signals};
use device_plugin::error_chain;
use host::Host;

use crate::families::FAMILIES;
use config::{Config, Wanted};
use file::ConfigFile;
use fleet::Fleet;

#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Empty: all families with their defaults.
    pub(crate) config: String,
    pub(crate) node_name: String,
    /// Before `/sys` and `/dev`.
    prefix: String,
    check: bool,
    common: PluginOptions,
}

impl Options {
    /// Reads the words after the command; `node_name` is the default of its flag.
    pub(crate) fn parse<I>(node_name: String, args: I) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut options = Self { node_name, ..Self::default() };
        let mut flags = FlagSet::new(
            "intel-device-plugins node",
            "Offers all Intel devices of a node to Kubernetes, from one process. Families and their flags are in a file, which \
             is read again when it changes.",
        );
        flags.string(
            "config",
            &mut options.config,
            "file with the families and their flags (YAML); all families with their defaults when empty or not there",
        );
        flags.string(
            "node-name",
            &mut options.node_name,
            "name of the node, which chooses its section of the file; the default is $NODE_NAME",
        );
        flags.bool(
            "check",
            &mut options.check,
            "only say whether the file is good, and what it means for this node",
        );
        flags.string(
            "prefix",
            &mut options.prefix,
            "folder that holds the /sys and /dev to use, for simulated nodes",
        );
        options.common.add_flags(&mut flags);
        flags.parse(args)?;
        Ok(options)
    }
}

/// Runs the command.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(std::env::var("NODE_NAME").unwrap_or_default(), args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    if let Err(error) = logs::start(&options.common.logs) {
        return fatal(error_chain(&error));
    }
    match start(&options) {
        Ok(code) => code,
        Err(error) => fatal(error),
    }
}

fn start(options: &Options) -> Result<ExitCode, String> {
    let mut file = (!options.config.is_empty()).then(|| ConfigFile::new(PathBuf::from(&options.config)));
    let config = match &mut file {
        Some(file) => Config::parse(&file.read()?).map_err(|error| format!("{}: {error}", options.config))?,
        None => Config::default(),
    };
    if options.check {
        return Ok(config::show(&config, &options.node_name));
    }
    let host = Host::at(&options.prefix).map_err(|error| format!("-prefix: {}", error_chain(&error)))?;
    let address = options.common.status_address()?;
    let wanted = config.of_node(&options.node_name)?;
    // Those that are off may be switched on while it runs.
    let needs: Vec<Needs> = FAMILIES.iter().map(|family| family.needs).collect();
    let mut rules = Rules::default();
    if !options.config.is_empty() {
        rules.allow_file(options.config.as_ref());
    }
    let reads_all = has_kubeconfig(&wanted);
    if reads_all {
        // What it names may be anywhere.
        rules.allow("/", Access::Read);
    }
    let confined = Confined::new(&options.common, &host, &needs, rules);
    let runtime = cli::plugin::runtime(FAMILIES.len())?;
    let may_have_kubeconfig = reads_all || !confined.in_its_files();
    let ended = runtime.block_on(async {
        let terminated = signals::terminated();
        let mut fleet = Fleet::new(host, options.common.paths());
        fleet.follow(wanted).await;
        let statuses = fleet.statuses();
        let mut dead_mounts = fleet.dead_mounts();
        let ended = tokio::select! {
            () = terminated => Ok(()),
            () = reload(file, &options.node_name, may_have_kubeconfig, &mut fleet) => Ok(()),
            dead = dead_mounts.wait_for(Option::is_some) => {
                Err(dead.ok().and_then(|dead| dead.as_ref().map(ToString::to_string)).unwrap_or_default())
            }
            error = cli::plugin::serve_status(address, confined, move || statuses.all()) => Err(error),
        };
        fleet.stop().await;
        ended
    });
    // A driver that hangs in a read must not keep the process from ending.
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended.map(|()| ExitCode::SUCCESS)
}

/// Whether a flag of some family names a file that leads to others anywhere.
fn has_kubeconfig(wanted: &Wanted) -> bool {
    wanted.values().any(|(flags, _)| flags.iter().any(|flag| flag.starts_with("-kubeconfig=")))
}

/// Follows the file for ever.
async fn reload(file: Option<ConfigFile>, node_name: &str, may_have_kubeconfig: bool, fleet: &mut Fleet) {
    let Some(mut file) = file else {
        return std::future::pending().await;
    };
    loop {
        let text = file.changed().await;
        let wanted = text.and_then(|text| Config::parse(&text)?.of_node(node_name));
        match wanted {
            Ok(wanted) => {
                let path = file.path().display();
                tracing::info!("{path} has changed: following it");
                if !may_have_kubeconfig && has_kubeconfig(&wanted) {
                    tracing::warn!(
                        "{path} has a kubeconfig now: this process has given up to read such files, start it anew for that"
                    );
                }
                fleet.follow(wanted).await;
            }
            Err(error) => {
                let path = file.path().display();
                tracing::error!("{path} has changed but is not followed, all stays as it was: {error}");
            }
        }
    }
}
