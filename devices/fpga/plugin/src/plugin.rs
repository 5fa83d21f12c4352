//! The plugin: functions, or the regions that they are programmed into.

use std::collections::BTreeMap;
use std::time::Duration;

use cli::confinement::Needs;
use device_plugin::{
    CdiDevice, CdiHook, Device, DevicePlugin, DeviceSpec, DiscoverError, Expectation, Health, Inventory,
    Triggers, error_chain, numa_or_nowhere,
};
use fpga_programming::sysfs::Found;
use fpga_programming::{DRIVERS, Driver};
use host::{Host, number_of};

use crate::card::{self, Port};
use crate::mode::{Chosen, Mode};
use crate::{idle, name};

/// Programs a region before the container starts; it is on the host.
const HOOK: &str = "/opt/intel/fpga-sw/intel-fpga-crihook";
/// A function is programmed without any event, so ports are looked at this often.
const RESYNC: Duration = Duration::from_secs(5);

/// Offers FPGAs.
#[derive(Debug)]
pub struct FpgaPlugin {
    mode: Chosen,
}

/// The ports behind one management engine, by name.
type Region = BTreeMap<String, Port>;

impl FpgaPlugin {
    /// A plugin that offers what the mode says, once that is known.
    pub fn new(mode: Chosen) -> Self {
        Self { mode }
    }
}

/// It asks the Kubernetes API about its node.
pub const NEEDS: Needs = Needs { reads: &cluster::READS, connects: true, ..Needs::CDI };

impl DevicePlugin for FpgaPlugin {
    fn namespace(&self) -> &'static str {
        "fpga.intel.com"
    }

    fn triggers(&self) -> Triggers {
        Triggers {
            subsystems: &["fpga", "fpga_region", "platform/dfl-*", "platform/intel-fpga-*", "dfl", "pci"],
            pci_classes: &["1200"],
            folders: &["/dev/dfl-*", "/dev/intel-fpga-*"],
        }
    }

    fn discover(&self, host: &Host) -> Result<Inventory, DiscoverError> {
        let mut inventory = Inventory::default();
        let mut cards = Vec::new();
        let mut is_loaded = false;
        for driver in DRIVERS {
            // It may be loaded later.
            let Some(names) = card::names(host, driver)? else { continue };
            is_loaded = true;
            cards.extend(names.into_iter().map(|name| (driver, name)));
        }
        if !is_loaded {
            inventory.warnings = idle::warnings(host);
        }
        if cards.is_empty() {
            return Ok(inventory);
        }
        let Some(mode) = self.mode.get() else {
            return Err(DiscoverError::not_yet(
                "the API has not said yet whether the node's annotation sets the mode",
            ));
        };
        let regions = regions(host, &cards, &mut inventory);
        inventory.resync = (!regions.is_empty()).then_some(RESYNC);
        for (engine, region) in regions {
            match mode {
                Mode::Functions => {
                    for port in region.values() {
                        add_function(host, port, &mut inventory);
                    }
                }
                Mode::Regions | Mode::RegionsForDevelopment => {
                    add_region(host, mode, &engine, &region, &mut inventory);
                }
            }
        }
        Ok(inventory)
    }
}

/// All ports, by their management engine: that of a virtual function's port is on another card of the class.
fn regions(
    host: &Host,
    cards: &[(&'static dyn Driver, String)],
    inventory: &mut Inventory,
) -> BTreeMap<String, Region> {
    let mut regions: BTreeMap<String, Region> = BTreeMap::new();
    for (driver, card) in cards {
        let entries = match host.names(format!("{}/{card}", card::class(*driver))) {
            Ok(entries) => entries,
            Err(error) => {
                // It may just have gone.
                if !error.is_not_found() {
                    inventory.warn(format!("{card} is left out: {}", error_chain(&error)));
                }
                continue;
            }
        };
        for name in entries.iter().filter(|name| number_of(name, driver.port_prefix()).is_some()) {
            match Port::find(host, *driver, card, name) {
                Ok(port) => {
                    regions.entry(port.engine.name.clone()).or_default().insert(name.clone(), port);
                }
                Err(error) => inventory.warn(format!("{name} is left out: {error}")),
            }
        }
    }
    regions
}

fn add_function(host: &Host, port: &Port, inventory: &mut Inventory) {
    let found = || Ok::<_, String>((port.engine.interface(host, Some(port))?, port.function_id(host)?));
    let (interface, function) = match found() {
        Ok(found) => found,
        Err(error) => return inventory.warn(format!("{} is left out: {error}", port.name)),
    };
    let resource = name::function(interface.id, function.id);
    let health = health(&function, &port.name);
    let mut spec = spec(host, [port], inventory);
    // Another function may have been programmed since.
    spec.expects.extend([expectation(&interface), expectation(&function)]);
    inventory.add(&resource, &port.name, Device { health, spec: spec.into() });
}

fn add_region(host: &Host, mode: Mode, engine: &str, region: &Region, inventory: &mut Inventory) {
    let Some(port) = region.values().next() else { return };
    let node = format!("/dev/{engine}");
    let found = || {
        // Nothing can be programmed without it, be it by the hook or by the container.
        host.device_number(&node).map_err(|error| error_chain(&error))?;
        port.engine.interface(host, None)
    };
    let interface = match found() {
        Ok(found) => found,
        Err(error) => return inventory.warn(format!("{engine} is left out: {error}")),
    };
    let health = health(&interface, engine);
    let mut spec = spec(host, region.values(), inventory);
    spec.expects.push(expectation(&interface));
    if mode == Mode::Regions {
        spec.expects.push(Expectation::DeviceNode(node.into()));
        spec.edits.annotations.insert("com.intel.fpga.mode".to_owned(), "fpga.intel.com/region".to_owned());
        spec.cdi = Some(CdiDevice {
            kind: "intel.cdi.k8s.io/fpga".to_owned(),
            name: engine.to_owned(),
            hooks: vec![CdiHook { name: "createRuntime".to_owned(), path: HOOK.into(), args: Vec::new() }],
            ..CdiDevice::default()
        });
    } else {
        spec.add_node(host, node);
    }
    inventory.add(&name::region(interface.id), engine, Device { health, spec: spec.into() });
}

/// A card that has crashed gives ones for all that it is asked. Its resource has another name then, as the id is in it.
fn health(found: &Found, name: &str) -> Health {
    if found.id.is_all_ones() {
        Health::Unhealthy(format!("{name} does not answer: its id is all ones; the card needs a reset"))
    } else {
        Health::Healthy
    }
}

/// The file still says the id.
fn expectation(found: &Found) -> Expectation {
    Expectation::Value { path: found.file.clone(), value: found.id.to_string() }
}

/// The ports' nodes, and where they are.
fn spec<'a>(host: &Host, ports: impl IntoIterator<Item = &'a Port>, inventory: &mut Inventory) -> DeviceSpec {
    let mut spec = DeviceSpec::default();
    let mut nodes = Vec::new();
    for port in ports {
        spec.add_node(host, format!("/dev/{}", port.name));
        let warn = |warning| inventory.warn(warning);
        nodes.extend(numa_or_nowhere(&port.name, port.function.numa_nodes(), warn));
    }
    nodes.sort_unstable();
    nodes.dedup();
    spec.numa = Some(nodes);
    spec
}
