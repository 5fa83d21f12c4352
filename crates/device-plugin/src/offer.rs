//! What a node offers, or would offer: resources by their full names, with their devices. And how two offers differ.

use std::collections::{BTreeMap, BTreeSet};

use crate::{DevicePlugin, Health, Inventory, Resource, api, server};

/// The resources of a node as the kubelet has them, or would have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// By full name, such as `color.example.com/red`: the health of each device by its id.
    pub resources: BTreeMap<String, BTreeMap<String, Health>>,
}

/// A resource of which two offers have not the same devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its full name.
    pub resource: String,
    /// How many devices there were, unhealthy ones too.
    pub before: usize,
    /// How many there are then.
    pub after: usize,
    /// The ids that there were not, sorted.
    pub come: Vec<String>,
    /// The ids that are not there any more, sorted.
    pub go: Vec<String>,
    /// The ids that are there before and after, but healthy only once, sorted.
    pub change_health: Vec<String>,
}

impl Offer {
    /// Adds what of an inventory of `plugin` the framework offers to the kubelet. The answer is the warnings: the inventory's
    /// own, and what the kubelet would not take.
    pub fn add(&mut self, plugin: &dyn DevicePlugin, inventory: Inventory) -> BTreeSet<String> {
        let Inventory { mut resources, warnings, resync: _ } = inventory;
        let mut warnings = warnings.into_iter().collect();
        resources.retain(|name, resource| check(name, resource, &mut warnings));
        for (name, resource) in resources {
            let name = format!("{}/{name}", plugin.namespace());
            match list_bytes(&name, &resource, plugin) {
                Ok(_) => {
                    let devices = resource.devices.into_iter().map(|(id, device)| (id, device.health));
                    self.resources.insert(name, devices.collect());
                }
                Err(too_long) => _ = warnings.insert(too_long),
            }
        }
        warnings
    }

    /// The devices that may be handed out, which is all that the kubelet remembers.
    #[must_use]
    pub fn healthy(mut self) -> Self {
        for devices in self.resources.values_mut() {
            devices.retain(|_, health| *health == Health::Healthy);
        }
        self
    }

    /// What is not the same in `after`, sorted by the resources' names. A resource without devices is as good as none.
    pub fn differences(&self, after: &Self) -> Vec<Difference> {
        let none = BTreeMap::new();
        let names: BTreeSet<&String> = self.resources.keys().chain(after.resources.keys()).collect();
        let differences = names.into_iter().filter_map(|name| {
            let [before, after] = [self, after].map(|offer| offer.resources.get(name).unwrap_or(&none));
            let missing = |from: &BTreeMap<String, Health>, other: &BTreeMap<String, Health>| {
                from.keys().filter(|id| !other.contains_key(*id)).cloned().collect()
            };
            let changes_health = |(id, health): (&String, &Health)| {
                let is_healthy = |health: &Health| *health == Health::Healthy;
                let then = after.get(id)?;
                (is_healthy(health) != is_healthy(then)).then(|| id.clone())
            };
            let difference = Difference {
                resource: name.clone(),
                before: before.len(),
                after: after.len(),
                come: missing(after, before),
                go: missing(before, after),
                change_health: before.iter().filter_map(changes_health).collect(),
            };
            difference.is_any().then_some(difference)
        });
        differences.collect()
    }
}

impl Difference {
    fn is_any(&self) -> bool {
        !(self.come.is_empty() && self.go.is_empty() && self.change_health.is_empty())
    }
}

/// The size of the list of a resource's devices in bytes, or why the kubelet does not take it.
pub(crate) fn list_bytes(
    full_name: &str,
    resource: &Resource,
    plugin: &dyn DevicePlugin,
) -> Result<usize, String> {
    let (bytes, limit) = (server::list_bytes(resource), api::MAX_MESSAGE_BYTES);
    if bytes <= limit {
        return Ok(bytes);
    }
    let advice = plugin.list_size_flag().map(|flag| format!("; lower {flag}")).unwrap_or_default();
    let count = resource.devices.len();
    Err(format!(
        "{full_name} is not offered as it is now: the list of its {count} devices has {bytes} bytes and the kubelet takes \
         {limit}{advice}"
    ))
}

/// Leaves out what the kubelet would refuse, and with it all else that it is sent together with.
pub(crate) fn check(name: &str, resource: &mut Resource, warnings: &mut BTreeSet<String>) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let ends = [name.bytes().next(), name.bytes().next_back()];
    let good =
        name.len() <= 63 && name.bytes().all(inner) && ends.iter().flatten().all(u8::is_ascii_alphanumeric);
    if !good || name.is_empty() {
        warnings.insert(format!("resource left out: {name:?} is no name that Kubernetes accepts"));
        return false;
    }
    resource.devices.retain(|id, _| {
        let good = (1..=63).contains(&id.len());
        if !good {
            warnings.insert(format!("device left out: its id {id:?} is not 1 to 63 characters long"));
        }
        good
    });
    true
}
