//! The plugin: all load balancers of a node.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use device_plugin::policy::{self, Choice};
use device_plugin::{Capabilities, Device, DevicePlugin, DiscoverError, Inventory, Triggers, error_chain};
use host::Host;

use crate::balancer::{Balancer, is_balancer, physical};

/// Offers load balancers.
#[derive(Debug)]
pub struct DlbPlugin {
    /// Tells which virtual functions belong together when one is to be chosen.
    host: Host,
}

impl DlbPlugin {
    /// A plugin for this node.
    pub fn new(host: Host) -> Self {
        Self { host }
    }
}

impl DevicePlugin for DlbPlugin {
    fn namespace(&self) -> &'static str {
        "dlb.intel.com"
    }

    fn triggers(&self) -> Triggers {
        Triggers {
            subsystems: &["dlb2", "pci"],
            // "Co-processor", which load balancers call themselves.
            pci_classes: &["B40"],
            folders: &["/dev/dlb*"],
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { prefers: true, pre_starts: false }
    }

    fn discover(&self, host: &Host) -> Result<Inventory, DiscoverError> {
        let mut inventory = Inventory::default();
        for name in host.names("/dev")?.iter().filter(|name| is_balancer(name)) {
            let mut warnings = Vec::new();
            match Balancer::find(host, name, &mut |warning| warnings.push(warning)) {
                Ok(Some(Balancer { resource, health, spec })) => {
                    // The Go implementation's ids are the nodes' paths.
                    inventory.add(resource, format!("/dev/{name}"), Device { health, spec: spec.into() });
                }
                Ok(None) => {}
                // One that goes while it is looked at is no news.
                Err(error) if error.is_not_found() && !host.exists(format!("/dev/{name}")) => {}
                Err(error) => warnings.push(format!("{name} is left out: {}", error_chain(&error))),
            }
            inventory.warnings.extend(warnings);
        }
        Ok(inventory)
    }

    /// Of different physical functions in turn, those with most free ones first.
    fn prefer(&self, _resource: &str, choice: &Choice<'_>) -> Vec<String> {
        let mut groups: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for id in &choice.available {
            groups.entry(physical(&self.host, id)).or_default().push(id);
        }
        let mut groups: Vec<Vec<&str>> = groups.into_values().collect();
        for ids in &mut groups {
            ids.sort_by(|a, b| policy::natural(a, b));
        }
        groups.sort_by_key(|ids| Reverse(ids.len()));
        let most = groups.first().map_or(0, Vec::len);
        let in_turn = (0..most).flat_map(|turn| groups.iter().filter_map(move |ids| ids.get(turn).copied()));
        let choice = Choice { available: in_turn.collect(), ..choice.clone() };
        // What must be included counts as a turn.
        policy::spread(&choice, |id| physical(&self.host, id))
    }
}
