//! What the plugins of a configuration would offer on a node.

use std::collections::{BTreeMap, BTreeSet};

use device_plugin::{Offer, Rescan, error_chain};
use host::Host;

use super::configuration::{Configuration, Plugin};
use crate::families::FAMILIES;
use crate::plugin_flags::split_ignored;

/// What all of them would offer.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    pub(crate) offer: Offer,
    /// By family, what is to be said of it.
    pub(crate) families: BTreeMap<&'static str, Said>,
}

/// What is to be said of a family that would run.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) flags: Vec<String>,
    /// What is left out and why.
    pub(crate) warnings: BTreeSet<String>,
    /// What is not known before the plugin runs.
    pub(crate) unseen: Vec<String>,
    /// Why nothing is known of it.
    pub(crate) failure: Option<String>,
}

impl Offered {
    /// Looks at the node once with each plugin. Nothing is changed there: neither are plugins asked to prepare anything, nor do
    /// the tasks run that they start. The error is a flag that a plugin refuses.
    pub(crate) fn of(configuration: &Configuration, host: &Host) -> Result<Self, String> {
        let runtime = cli::plugin::runtime(1)?;
        // Tasks are started in it, but it is never run.
        let _entered = runtime.enter();
        let mut offered = Self::default();
        for family in FAMILIES {
            let Some(Plugin::On { flags, is_named }) = configuration.families.get(family.name) else {
                continue;
            };
            let (own, ignored) = split_ignored(flags, |flags| (family.parse)(flags).is_ok());
            let mut own = own.to_vec();
            if family.is_of_a_node {
                // The API is not asked.
                own.push("-node-name=".to_owned());
            }
            let start = (family.parse)(&own)
                .map_err(|error| format!("{}: {}: {error}", configuration.name, family.name))?;
            let plugin = start(host, &Rescan::default());
            let mut said = Said { flags: flags.clone(), ..Said::default() };
            match plugin.discover(host) {
                Ok(inventory) => said.warnings = offered.offer.add(&*plugin, inventory),
                Err(error) => said.failure = Some(error_chain(&error)),
            }
            let has_devices = offered.offer.resources.keys().any(|name| family.offers(name));
            if has_devices || *is_named {
                said.unseen = plugin.unseen(host);
            }
            if !ignored.is_empty() {
                said.unseen
                    .push(format!("ignores {}: flags end at the first word that is none", ignored.join(" ")));
            }
            if has_devices && family.is_of_a_node {
                said.unseen.push("an annotation of the node may say otherwise than the flags".to_owned());
            }
            if *is_named && !has_devices && said.failure.is_none() {
                said.unseen.push("offers nothing here".to_owned());
            }
            offered.families.insert(family.name, said);
        }
        Ok(offered)
    }

    /// The families of which nothing is known.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &'static str> {
        self.families.iter().filter(|(_, said)| said.failure.is_some()).map(|(name, _)| *name)
    }
}
