//! The plugin: all QAT virtual functions of a node as resources of the kubelet.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cli::confinement::Needs;
use device_plugin::{
    Capabilities, ContainerEdits, Device, DevicePlugin, DiscoverError, Inventory, Refusal, Triggers,
    error_chain, policy::Choice,
};
use host::{Host, PciAddress, PciFunction};

use crate::bind::{self, Binder};
use crate::functions::{self, Found};
use crate::heartbeat::Heartbeats;
use crate::offer::{Common, Offer, VfioNodes};
use crate::{Config, DpdkDriver, prefer};

/// A heart that stops sends no event.
const RESYNC: Duration = Duration::from_secs(5);

/// Offers the virtual functions of Intel QAT.
#[derive(Debug)]
pub struct QatPlugin {
    config: Config,
    binder: Mutex<Binder>,
    heartbeats: Mutex<Heartbeats>,
}

impl QatPlugin {
    /// A plugin that has not looked yet.
    pub fn new(config: Config) -> Self {
        let binder = Mutex::new(Binder::new(config.dpdk_driver));
        Self { config, binder, heartbeats: Mutex::default() }
    }

    /// [`DevicePlugin::prepare`] at a certain time: binds virtual functions to their driver, and asks the firmware whether it
    /// works, neither more often than is good.
    pub fn prepare_at(&self, host: &Host, now: Instant) -> Vec<String> {
        let Ok(found) = functions::find(host, &self.config) else {
            // Discovery says it.
            return Vec::new();
        };
        let mut warnings = lock(&self.binder).bind(host, &found.functions, now);
        warnings.extend(lock(&self.heartbeats).ask(host, &physical_functions(&found), now));
        warnings
    }

    fn add_all(&self, host: &Host, found: &Found, inventory: &mut Inventory) {
        let heartbeats = lock(&self.heartbeats);
        let mut commons: BTreeMap<PciAddress, Common> = BTreeMap::new();
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let nodes = match self.config.dpdk_driver {
            DpdkDriver::VfioPci => VfioNodes::of(host, &mut |warning| inventory.warn(warning)),
            DpdkDriver::IgbUio => VfioNodes::default(),
        };
        for vf in &found.functions {
            let id = vf.function.address().to_string();
            let mut warnings = Vec::new();
            let mut warn = |warning| warnings.push(warning);
            let common = vf.physical.as_ref().map_or(Ok(&Common::UNKNOWN), |physical| {
                // All virtual functions of one are alike.
                match commons.entry(physical.address()) {
                    Entry::Occupied(known) => Ok(&*known.into_mut()),
                    Entry::Vacant(place) => {
                        let has_services = vf.has_services().map_err(|error| error_chain(&error))?;
                        let common = Common::of(host, physical, has_services, &heartbeats, &mut warn);
                        Ok(&*place.insert(common))
                    }
                }
            });
            let offer = common
                .and_then(|common| Offer::of(host, vf, self.config.dpdk_driver, common, &nodes, &mut warn));
            match offer {
                Ok(Some(Offer { resource, health, spec, group })) => {
                    inventory.add(&resource, id.clone(), Device { health, spec: spec.into() });
                    if let Some(group) = group {
                        groups.entry(group).or_default().push(id);
                    }
                }
                Ok(None) => {}
                Err(_) if !host.exists(vf.function.folder()) => {}
                Err(error) => warnings.push(format!("{id} is left out: {error}")),
            }
            inventory.warnings.extend(warnings);
        }
        for (group, functions) in groups.iter().filter(|(_, functions)| functions.len() > 1) {
            inventory.warn(format!(
                "{} share the IOMMU group {group}, which only one container at a time can open",
                functions.join(" and ")
            ));
        }
    }
}

/// It binds virtual functions to drivers, and opens the nodes of VFIO to see whether a function is used.
pub const NEEDS: Needs =
    Needs { writes: &["/sys/bus/pci/drivers", "/sys/devices", "/dev/vfio"], ..Needs::NONE };

impl DevicePlugin for QatPlugin {
    fn namespace(&self) -> &'static str {
        "qat.intel.com"
    }

    fn triggers(&self) -> Triggers {
        Triggers {
            subsystems: &["pci", "vfio", "uio"],
            // "Co-processor".
            pci_classes: &["B40"],
            folders: &["/dev/vfio"],
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { prefers: true, pre_starts: false }
    }

    fn prepare(&self, host: &Host) -> Vec<String> {
        self.prepare_at(host, Instant::now())
    }

    fn unseen(&self, host: &Host) -> Vec<String> {
        let Ok(found) = functions::find(host, &self.config) else { return Vec::new() };
        // Whether a program uses a function is found out by opening its node, and so keeping it from others: not here.
        let driver = self.config.dpdk_driver;
        let bind::Standings { free, mut warnings, .. } =
            bind::standings(host, &found.functions, driver, |_, _| Ok(()));
        if let Some(first) = free.first() {
            let others = match free.len() - 1 {
                0 => String::new(),
                others => format!(" and {others} more"),
            };
            warnings.push(format!(
                "binds {}{others} to {} when it runs, and offers what is bound",
                first.function.address(),
                driver.name()
            ));
        }
        warnings
    }

    fn discover(&self, host: &Host) -> Result<Inventory, DiscoverError> {
        let mut found = functions::find(host, &self.config)
            .map_err(|error| DiscoverError::new(format!("no virtual function: {}", error_chain(&error))))?;
        let warnings = std::mem::take(&mut found.warnings);
        let resync = (!found.functions.is_empty()).then_some(RESYNC);
        let mut inventory = Inventory { warnings, resync, ..Inventory::default() };
        self.add_all(host, &found, &mut inventory);
        Ok(inventory)
    }

    fn allocate(
        &self,
        _resource: &str,
        devices: &[(&str, &Device)],
        mut edits: ContainerEdits,
    ) -> Result<ContainerEdits, Refusal> {
        // Programs in the container count on the numbers to begin at 0.
        let ids = devices.iter().map(|(id, _)| (*id).to_owned()).enumerate();
        edits.env.extend(ids.map(|(number, id)| (format!("QAT{number}"), id)));
        Ok(edits)
    }

    fn prefer(&self, _resource: &str, choice: &Choice<'_>) -> Vec<String> {
        prefer::prefer(self.config.policy, choice)
    }

    fn list_size_flag(&self) -> Option<&'static str> {
        Some("-max-num-devices")
    }
}

/// Those of all virtual functions, each once.
fn physical_functions(found: &Found) -> Vec<PciFunction> {
    let by_address: BTreeMap<PciAddress, &PciFunction> =
        found.functions.iter().filter_map(|vf| vf.physical.as_ref()).map(|pf| (pf.address(), pf)).collect();
    by_address.into_values().cloned().collect()
}

/// A panic elsewhere must not end discovery, and neither value can be left half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
