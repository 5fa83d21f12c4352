//! The plugin that offers work queues.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use device_plugin::{
    Capabilities, Device, DevicePlugin, DiscoverError, Inventory, Triggers, error_chain, policy::Choice,
};
use host::{Host, HostError};

use crate::accelerator::{self, Accelerator, BUS};
use crate::family::Family;
use crate::prefer::{self, Place};
use crate::queue::{Queue, is_queue};

/// A device that halts sends no uevent, nor do the queues that the kernel disables then.
const RESYNC: Duration = Duration::from_secs(10);

/// Offers the work queues of DSA or IAA.
#[derive(Debug)]
pub(crate) struct QueuePlugin {
    family: &'static Family,
    /// How often a shared queue is offered.
    shares: u32,
    /// Asked where the queues are that a container may get: their ids do not say it.
    host: Host,
}

impl QueuePlugin {
    pub(crate) fn new(family: &'static Family, shares: u32, host: &Host) -> Self {
        Self { family, shares, host: host.clone() }
    }

    fn add_device(&self, host: &Host, device: &str, inventory: &mut Inventory) -> Result<(), HostError> {
        let accelerator = Accelerator::look(host, device, &mut |warning| inventory.warn(warning))?;
        let entries = accelerator.folder.names()?;
        let mut is_offered = false;
        for name in entries.iter().filter(|entry| is_queue(entry)) {
            match Queue::find(host, self.family, &accelerator, name) {
                Ok(Some(queue)) => {
                    self.add_queue(name, queue, &accelerator, inventory);
                    is_offered = true;
                }
                Ok(None) => {}
                Err(warning) => inventory.warn(warning),
            }
        }
        if accelerator.is_halted && !is_offered {
            inventory
                .warn(format!("{device} is halted: the kernel has disabled its queues until it is reset"));
        }
        Ok(())
    }

    fn add_queue(&self, name: &str, queue: Queue, accelerator: &Accelerator, inventory: &mut Inventory) {
        let Queue { resource, is_shared, spec } = queue;
        let spec = Arc::new(spec);
        for share in 0..if is_shared { self.shares } else { 1 } {
            let device = Device { health: accelerator.health.clone(), spec: Arc::clone(&spec) };
            inventory.add(&resource, format!("{resource}-{name}-{share}"), device);
        }
    }
}

impl DevicePlugin for QueuePlugin {
    fn namespace(&self) -> &str {
        self.family.namespace
    }

    fn triggers(&self) -> Triggers {
        Triggers { subsystems: &["dsa"], folders: self.family.folders, ..Triggers::default() }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { prefers: true, pre_starts: false }
    }

    fn discover(&self, host: &Host) -> Result<Inventory, DiscoverError> {
        let names = match host.names(BUS) {
            // The driver is not loaded.
            Err(error) if error.is_not_found() => return Ok(Inventory::default()),
            names => names?,
        };
        let mut inventory = Inventory::default();
        for device in names.iter().filter(|name| host::number_of(name, self.family.device).is_some()) {
            inventory.resync = Some(RESYNC);
            match self.add_device(host, device, &mut inventory) {
                Err(error) if !error.is_not_found() => {
                    inventory.warn(format!("{device} is left out: {}", error_chain(&error)));
                }
                _ => {}
            }
        }
        Ok(inventory)
    }

    fn prefer(&self, resource: &str, choice: &Choice<'_>) -> Vec<String> {
        let mut nodes: BTreeMap<String, Option<u32>> = BTreeMap::new();
        prefer::prefer(choice, |id| {
            // `wq-user-shared-wq0.1-7` is a share of `wq0.1`.
            let unit = id.strip_prefix(resource).and_then(|rest| rest.strip_prefix('-'));
            let queue = unit.and_then(|unit| unit.rsplit_once('-')).map_or(id, |(queue, _)| queue);
            let number = queue.strip_prefix("wq").and_then(|rest| rest.split_once('.'));
            let device =
                number.map_or(queue.to_owned(), |(device, _)| format!("{}{device}", self.family.device));
            let numa = || accelerator::numa_nodes(&self.host, &device, &mut drop).first().copied();
            let node = *nodes.entry(device.clone()).or_insert_with(numa);
            Place { piece: queue.to_owned(), device, node }
        })
    }

    fn list_size_flag(&self) -> Option<&'static str> {
        Some("-shared-dev-num")
    }
}
