//! Labels that say what GPUs a node has: what `gpu_nfdhook` prints for node-feature-discovery.
//!
//! `gpu` is what sysfs says of each; `settings` what the environment adds; this file is what labels are made of it. [`labeler`]
//! keeps a node labelled, where `options` says.

mod gpu;
pub mod labeler;
mod options;
mod settings;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cli::LogOptions;
use cli::confinement::{Access, Confined, Connects, Rules};
use device_plugin::error_chain;
use host::{Host, HostError, Reads};
use labels::{LabelError, Labels, MAX_VALUE, chunks};

use gpu::Gpu;
use labeler::{Labeler, Pace, Targets};
use options::Options;
pub use settings::Settings;

/// What labels are made of, for recordings.
pub const READS: &[Reads] = gpu::READS;

const NAMESPACE: &str = "gpu.intel.com/";
const MILLICORES: usize = 1000;
/// Where node-feature-discovery has the node's `/sys` in its own container.
const NFD_SYSFS: &str = "/host-sys";

/// Why a node has no labels.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its graphics cards cannot be listed.
    #[error("cannot tell what GPUs there are")]
    Host(#[from] HostError),
    /// A label cannot be what it would have to be.
    #[error("cannot label the node")]
    Label(#[from] LabelError),
}

/// The labels of a node whose sysfs is in the folder `sysfs`, such as `/sys`.
///
/// A GPU that cannot be understood is left out, with a warning.
pub fn node_labels(
    host: &Host,
    sysfs: impl AsRef<Path>,
    settings: &Settings,
    warn: &mut impl FnMut(String),
) -> Result<Labels, Error> {
    let gpus = Gpu::all(host, &sysfs.as_ref().join("class/drm"), settings, warn)?;
    Ok(labels_of(&gpus)?)
}

/// The same for a node that stays labelled: the folder of graphics cards is not there when no driver for them is loaded, and
/// then the node has no GPUs.
pub fn labels_now(
    host: &Host,
    sysfs: impl AsRef<Path>,
    settings: &Settings,
    warn: &mut impl FnMut(String),
) -> Result<Labels, Error> {
    match node_labels(host, &sysfs, settings, warn) {
        Err(Error::Host(error)) if error.is_not_found() && host.exists(sysfs.as_ref().join("class")) => {
            Ok(labels_of(&[])?)
        }
        labels => labels,
    }
}

fn labels_of(gpus: &[Gpu]) -> Result<Labels, LabelError> {
    let mut labels = Labels::default();
    // One that has more, by what is said of it, has said nonsense.
    let memory = gpus.iter().map(|gpu| gpu.memory).filter(|bytes| *bytes < i64::MAX as u64);
    if let Some(bytes) = memory.reduce(u64::saturating_add) {
        labels.insert(&key("memory.max"), &bytes.to_string())?;
    }
    let tiles: u64 = gpus.iter().map(|gpu| gpu.tiles).sum();
    labels.insert(&key("tiles"), &tiles.to_string())?;
    if gpus.is_empty() {
        return Ok(labels);
    }
    let cards: Vec<&str> = gpus.iter().map(|gpu| gpu.name.as_str()).collect();
    let first = chunks(&cards.join("."), MAX_VALUE)?.into_iter().next().unwrap_or_default();
    labels.insert(&key("cards"), &first)?;
    let numbers: Vec<&str> = gpus.iter().map(Gpu::number).collect();
    labels.insert_chunks(&key("gpu-numbers"), &numbers.join("."))?;
    let by_node = grouped(gpus, |gpu| gpu.numa_node);
    if !by_node.is_empty() {
        let nodes: Vec<String> = by_node.iter().map(|(node, numbers)| format!("{node}-{numbers}")).collect();
        labels.insert_chunks(&key("numa-gpu-map"), &nodes.join("_"))?;
    }
    labels.insert(&key("millicores"), &(MILLICORES * gpus.len()).to_string())?;
    let groups = grouped(gpus, |gpu| gpu.group.as_deref());
    if !groups.is_empty() {
        let groups: Vec<&str> = groups.values().map(String::as_str).collect();
        labels.insert_chunks(&key("pci-groups"), &groups.join("_"))?;
    }
    Ok(labels)
}

fn key(name: &str) -> String {
    format!("{NAMESPACE}{name}")
}

/// The GPUs' numbers, such as `0.1`, by what they have in common; without those that have nothing of it.
fn grouped<'a, K: Ord>(gpus: &'a [Gpu], of: impl Fn(&'a Gpu) -> Option<K>) -> BTreeMap<K, String> {
    let mut groups: BTreeMap<K, Vec<&str>> = BTreeMap::new();
    for gpu in gpus {
        if let Some(key) = of(gpu) {
            groups.entry(key).or_default().push(gpu.number());
        }
    }
    groups.into_iter().map(|(key, numbers)| (key, numbers.join("."))).collect()
}

/// Prints the labels of this node, a line each, or keeps them where flags say until SIGTERM.
///
/// The exit code is 0 then. As ever, a node that cannot be labelled is a warning and exit code 0, so that node-feature-discovery
/// goes on. A wrong flag is 2; what cannot be used is 255 and a line in the log.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(program, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    if let Err(error) = cli::logs::start(&LogOptions::default()) {
        return cli::fatal(error_chain(&error));
    }
    let host = match Host::at(&options.prefix) {
        Ok(host) => host,
        Err(error) => return cli::fatal(format!("-prefix: {}", error_chain(&error))),
    };
    let variable = |name: &str| std::env::var(name).ok();
    let targets = match options.targets(variable) {
        Ok(targets) => targets,
        Err(error) => return cli::fatal(error),
    };
    let settings = Settings::read(variable, &mut |warning| tracing::warn!("{warning}"));
    let sysfs = if host.exists(NFD_SYSFS) { NFD_SYSFS } else { "/sys" };
    match targets {
        None => print(&host, sysfs, &settings),
        Some(targets) => {
            let mut rules = Rules::default();
            rules.allow(host.outside(sysfs), Access::Read);
            if let Some((folder, _)) = &targets.file {
                rules.allow(folder, Access::Folders);
            }
            if targets.feature.is_some() || targets.node.is_some() {
                rules.allow_all(cluster::READS, Access::Read).connects = Connects::Anywhere;
            }
            Confined::by(options.confinement, &LogOptions::default(), rules);
            keep(host, sysfs, settings, targets, options.interval)
        }
    }
}

fn print(host: &Host, sysfs: &str, settings: &Settings) -> ExitCode {
    match node_labels(host, sysfs, settings, &mut |warning| tracing::warn!("{warning}")) {
        Ok(labels) => match io::stdout().lock().write_all(labels.text().as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => cli::fatal(format!("cannot write to standard output: {error}")),
        },
        Err(error) => {
            tracing::warn!("{}", error_chain(&error));
            ExitCode::SUCCESS
        }
    }
}

fn keep(
    host: Host,
    sysfs: &'static str,
    settings: Settings,
    targets: Targets,
    interval: Duration,
) -> ExitCode {
    let look = move |mut warn: &mut dyn FnMut(String)| {
        labels_now(&host, sysfs, &settings, &mut warn).map_err(|error| error_chain(&error))
    };
    let labeler = Labeler::new(Arc::new(look), targets, cluster::Access::in_cluster, Pace::new(interval));
    let runtime = match cli::plugin::runtime(1) {
        Ok(runtime) => runtime,
        Err(error) => return cli::fatal(error),
    };
    runtime.block_on(async {
        let terminated = cli::signals::terminated();
        labeler.run(terminated).await;
    });
    // Not waiting for a driver that hangs in a read.
    runtime.shutdown_background();
    ExitCode::SUCCESS
}
