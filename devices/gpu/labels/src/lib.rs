//! Labels that say what GPUs a node has: what `gpu_nfdhook` prints for node-feature-discovery.
//!
//! `gpu` is what sysfs says of each; `settings` what the environment adds; this file is what labels are made of it.

mod gpu;
mod settings;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use cli::{FlagSet, LogOptions};
use device_plugin::error_chain;
use host::{Host, HostError};
use labels::{LabelError, Labels, MAX_VALUE, chunks};

use gpu::Gpu;
pub use settings::Settings;

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
    let by_node = grouped(&gpus, |gpu| gpu.numa_node);
    if !by_node.is_empty() {
        let nodes: Vec<String> = by_node.iter().map(|(node, numbers)| format!("{node}-{numbers}")).collect();
        labels.insert_chunks(&key("numa-gpu-map"), &nodes.join("_"))?;
    }
    labels.insert(&key("millicores"), &(MILLICORES * gpus.len()).to_string())?;
    let groups = grouped(&gpus, |gpu| gpu.group.as_deref());
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

/// Prints the labels of this node, a line each. As ever, a node that cannot be labelled is a warning and exit code 0, so that
/// node-feature-discovery goes on.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let mut prefix = String::new();
    let mut flags = FlagSet::new(program, "Prints labels that say what Intel GPUs this node has.");
    flags.string("prefix", &mut prefix, "folder that holds the /sys to use, for simulated nodes");
    if let Err(stop) = flags.parse(args) {
        return stop.report();
    }
    if let Err(error) = cli::logs::start(&LogOptions::default()) {
        return cli::fatal(error_chain(&error));
    }
    let host = match Host::at(&prefix) {
        Ok(host) => host,
        Err(error) => return cli::fatal(format!("-prefix: {}", error_chain(&error))),
    };
    let mut warn = |warning| tracing::warn!("{warning}");
    let settings = Settings::read(|name| std::env::var(name).ok(), &mut warn);
    let sysfs = if host.exists(NFD_SYSFS) { NFD_SYSFS } else { "/sys" };
    match node_labels(&host, sysfs, &settings, &mut warn) {
        Ok(labels) => match io::stdout().lock().write_all(labels.text().as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => cli::fatal(format!("cannot write to standard output: {error}")),
        },
        Err(error) => {
            warn(error_chain(&error));
            ExitCode::SUCCESS
        }
    }
}
