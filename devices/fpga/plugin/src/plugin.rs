//! The plugin: functions, or the regions that they are programmed into.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use device_plugin::{
    CdiDevice, CdiHook, Device, DevicePlugin, DeviceSpec, DiscoverError, Expectation, Health, Inventory,
    Triggers, error_chain,
};
use host::Host;

use crate::card::Port;
use crate::driver::Driver;
use crate::mode::{Chosen, Mode};
use crate::name;

/// Programs a region before the container starts; it is on the host.
const HOOK: &str = "/opt/intel/fpga-sw/intel-fpga-crihook";
/// A function is programmed without any event.
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

impl DevicePlugin for FpgaPlugin {
    fn namespace(&self) -> &'static str {
        "fpga.intel.com"
    }

    fn triggers(&self) -> Triggers {
        Triggers {
            subsystems: &["fpga", "fpga_region", "platform", "dfl", "pci"],
            pci_classes: &["120"],
            folders: &["/dev/dfl-*", "/dev/intel-fpga-*"],
            resync: RESYNC,
        }
    }

    fn discover(&self, host: &Host) -> Result<Inventory, DiscoverError> {
        let mut inventory = Inventory::default();
        // The driver may be loaded later.
        let Some(driver) = Driver::find(host) else { return Ok(inventory) };
        let Some(mode) = self.mode.get() else { return Ok(inventory) };
        let regions = regions(host, driver, &mut inventory)?;
        for (engine, region) in &regions {
            match mode {
                Mode::Functions => {
                    for port in region.values() {
                        add_function(host, driver, port, &mut inventory);
                    }
                }
                Mode::Regions | Mode::RegionsForDevelopment => {
                    add_region(host, driver, mode, engine, region, &mut inventory);
                }
            }
        }
        Ok(inventory)
    }
}

/// All ports, by their management engine.
fn regions(
    host: &Host,
    driver: Driver,
    inventory: &mut Inventory,
) -> Result<BTreeMap<String, Region>, DiscoverError> {
    let mut regions: BTreeMap<String, Region> = BTreeMap::new();
    for card in driver.cards(host)? {
        let entries = match host.names(format!("{}/{card}", driver.class())) {
            Ok(entries) => entries,
            Err(error) => {
                if !error.is_not_found() {
                    inventory.warn(format!("{card} is left out: {}", error_chain(&error)));
                }
                continue;
            }
        };
        for name in entries.iter().filter(|name| driver.is_port(name)) {
            match Port::find(host, driver, &card, name) {
                Ok(port) => {
                    regions.entry(port.engine.name.clone()).or_default().insert(name.clone(), port);
                }
                Err(error) => inventory.warn(format!("{name} is left out: {error}")),
            }
        }
    }
    Ok(regions)
}

fn add_function(host: &Host, driver: Driver, port: &Port, inventory: &mut Inventory) {
    let found = || {
        let path = port.function_id_file();
        let id = host.read(&path).map_err(|error| error_chain(&error))?;
        let resource =
            name::function(&port.interface(host, driver)?, &id).map_err(|error| error.to_string())?;
        Ok::<_, String>((resource, path, id))
    };
    let (resource, path, id) = match found() {
        Ok(found) => found,
        Err(error) => return inventory.warn(format!("{} is left out: {error}", port.name)),
    };
    let health = health(&id, &port.name);
    let mut spec = spec(host, [port], inventory);
    // Another function may have been programmed since.
    spec.expects.push(Expectation::Value { path, value: id });
    inventory.add(&resource, &port.name, Device { health, spec: spec.into() });
}

fn add_region(
    host: &Host,
    driver: Driver,
    mode: Mode,
    engine: &str,
    region: &Region,
    inventory: &mut Inventory,
) {
    let Some(first) = region.values().next() else { return };
    let named = first
        .interface(host, driver)
        .and_then(|id| name::region(&id).map(|name| (name, id)).map_err(|error| error.to_string()));
    let (resource, interface) = match named {
        Ok(named) => named,
        Err(error) => return inventory.warn(format!("{engine} is left out: {error}")),
    };
    let health = health(&interface, engine);
    let mut spec = spec(host, region.values(), inventory);
    if mode == Mode::Regions {
        spec.edits.annotations.insert("com.intel.fpga.mode".to_owned(), "fpga.intel.com/region".to_owned());
        spec.cdi = Some(CdiDevice {
            kind: "intel.cdi.k8s.io/fpga".to_owned(),
            name: engine.to_owned(),
            hooks: vec![CdiHook { name: "createRuntime".to_owned(), path: HOOK.into(), args: Vec::new() }],
            ..CdiDevice::default()
        });
    } else {
        let node = format!("/dev/{engine}");
        if let Err(error) = host.device_number(&node) {
            return inventory.warn(format!("{engine} is left out: {}", error_chain(&error)));
        }
        spec.add_node(host, node);
    }
    inventory.add(&resource, engine, Device { health, spec: Arc::new(spec) });
}

/// A card that has crashed gives ones for all that it is asked. Its resource has another name then, as the id is in it.
fn health(id: &str, name: &str) -> Health {
    if name::is_dead(id) {
        Health::Unhealthy(format!("{name} does not answer: its id is all ones; the card needs a reset"))
    } else {
        Health::Healthy
    }
}

/// The ports' nodes, and where they are.
fn spec<'a>(host: &Host, ports: impl IntoIterator<Item = &'a Port>, inventory: &mut Inventory) -> DeviceSpec {
    let mut spec = DeviceSpec::default();
    let mut nodes = Vec::new();
    for port in ports {
        spec.add_node(host, format!("/dev/{}", port.name));
        let nearby = host::numa::of_sysfs_device(host, port.function.folder());
        for error in nearby.errors {
            inventory.warn(format!("{}: NUMA nodes are not known: {}", port.name, error_chain(&error)));
        }
        nodes.extend(nearby.nodes);
    }
    nodes.sort_unstable();
    nodes.dedup();
    spec.numa = Some(nodes);
    spec
}
