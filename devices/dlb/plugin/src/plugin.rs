//! The plugin: all load balancers of a node.

use device_plugin::{Device, DevicePlugin, DiscoverError, Inventory, Triggers, error_chain};
use host::Host;

use crate::balancer::{Balancer, is_balancer};

/// Offers load balancers.
#[derive(Debug, Clone, Copy)]
pub struct DlbPlugin;

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
            ..Triggers::default()
        }
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
}
