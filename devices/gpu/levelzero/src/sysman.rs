//! What Level Zero says about the node's devices.

use std::time::{Duration, Instant};

use host::PciAddress;

use crate::failure::Failure;
use crate::ffi::{Handle, Library, MemoryState};

/// How often the devices are listed anew for the sake of an address that is not there.
const RELIST: Duration = Duration::from_secs(5);
const INTEL: u32 = 0x8086;

/// The library and what it has said. It lives on one thread.
pub(crate) struct Sysman {
    library: Library,
    is_core_ready: bool,
    is_sysman_ready: bool,
    devices: Vec<Device>,
    /// Some handle may be good no longer.
    is_stale: bool,
    listed: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Device {
    address: PciAddress,
    handle: Handle,
}

/// Whether a device's parts work. Of what cannot be read, `failure` is the first; it does not count as bad unless it says that
/// the device is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) bad_memory: bool,
    pub(crate) bad_bus: bool,
    pub(crate) bad_device: bool,
    pub(crate) failure: Option<Failure>,
}

/// Degrees Celsius, of the hottest sensor of each kind; and the first failure.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Temperatures {
    pub(crate) global: Option<f64>,
    pub(crate) gpu: Option<f64>,
    pub(crate) memory: Option<f64>,
    pub(crate) failure: Option<Failure>,
}

impl Sysman {
    /// Loads the library and makes it ready; in the Windows Subsystem for Linux only for questions about compute, for Sysman
    /// [crashes there](https://github.com/intel/compute-runtime/issues/721).
    pub(crate) fn start(wsl: bool) -> Result<Self, Failure> {
        let library = Library::load()?;
        let mut sysman = Self {
            library,
            is_core_ready: false,
            is_sysman_ready: false,
            devices: Vec::new(),
            is_stale: true,
            listed: None,
        };
        if wsl {
            sysman.library.init_core_of_all()?;
        } else {
            sysman.init()?;
        }
        Ok(sysman)
    }

    fn init(&mut self) -> Result<(), Failure> {
        if !self.is_sysman_ready {
            if !self.library.has_own_sysman()
                && std::env::var_os("ZES_ENABLE_SYSMAN").is_none_or(|on| on != "1")
            {
                return Err(Failure::not_loaded(
                    "this loader has no zesInit: start with ZES_ENABLE_SYSMAN=1 in the environment, or install a newer one"
                        .to_owned(),
                ));
            }
            self.library.init_sysman()?;
            self.is_sysman_ready = true;
        }
        Ok(())
    }

    /// Whether the device at this address works.
    pub(crate) fn health(&mut self, address: PciAddress) -> Health {
        let mut health = Health::default();
        let device = match self.device(address) {
            Ok(device) => device,
            Err(failure) => {
                health.note(failure);
                return health;
            }
        };
        match self.memory(device) {
            Ok((states, failure)) => {
                health.bad_memory = states.iter().any(|state| is_bad_memory(state.health));
                if let Some(failure) = failure {
                    health.note(failure);
                }
            }
            Err(failure) => health.note(failure),
        }
        match self.library.pci_state(device) {
            Ok(state) => health.bad_bus = is_bad_bus(state.status, state.quality_issues),
            Err(failure) if failure.is_unsupported() => {}
            Err(failure) => health.note(failure),
        }
        // A reset may have given it another handle.
        self.is_stale |= health.bad_device;
        health
    }

    /// How hot it is.
    pub(crate) fn temperatures(&mut self, address: PciAddress) -> Temperatures {
        let mut found = Temperatures::default();
        let sensors = self.device(address).and_then(|device| self.library.temperature_sensors(device));
        let sensors = sensors.unwrap_or_else(|failure| {
            found.failure = Some(failure);
            Vec::new()
        });
        for sensor in sensors {
            match self.reading(sensor) {
                Ok((kind, degrees)) => found.add(kind, degrees),
                Err(failure) => found.failure = found.failure.or(Some(failure)),
            }
        }
        found.failure = found.failure.take().or_else(|| found.missing(address));
        found
    }

    /// How much memory of its own it has, in bytes: 0 when it is a part of the processor.
    pub(crate) fn memory_amount(&mut self, address: PciAddress) -> Result<u64, Failure> {
        let device = self.device(address)?;
        let (states, failure) = self.memory(device)?;
        failure.map_or_else(|| Ok(states.iter().map(|state| state.size).fold(0, u64::saturating_add)), Err)
    }

    /// The positions of Intel's devices among all that the drivers of GPUs have, driver by driver.
    pub(crate) fn intel_indices(&mut self) -> Result<Vec<u32>, Failure> {
        if !self.is_core_ready {
            self.library.init_core()?;
            self.is_core_ready = true;
        }
        let mut indices = Vec::new();
        let mut index = 0;
        for driver in self.library.core_drivers()? {
            for device in self.library.core_devices(driver)? {
                if self.library.vendor(device)? == INTEL {
                    indices.push(index);
                }
                index += 1;
            }
        }
        if index == 0 {
            return Err(Failure::lost("Level Zero knows of no device".to_owned()));
        }
        Ok(indices)
    }

    /// The states of its memory's modules, and why the first of those that cannot be read can't. None for a part of the processor.
    fn memory(&self, device: Handle) -> Result<(Vec<MemoryState>, Option<Failure>), Failure> {
        let mut states = Vec::new();
        let mut failure = None;
        if !self.library.is_integrated(device)? {
            for module in self.library.memory_modules(device)? {
                match self.library.memory_state(module) {
                    Ok(state) => states.push(state),
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
        }
        Ok((states, failure))
    }

    fn reading(&self, sensor: Handle) -> Result<(u32, f64), Failure> {
        Ok((self.library.sensor_kind(sensor)?, self.library.temperature(sensor)?))
    }

    /// The library's handle for the device at this address. Those that are not known are looked for again, but not all the time.
    fn device(&mut self, address: PciAddress) -> Result<Handle, Failure> {
        self.init()?;
        let known = self.known(address);
        if let Some(handle) = known.filter(|_| !self.is_stale) {
            return Ok(handle);
        }
        if self.listed.is_none_or(|listed| listed.elapsed() >= RELIST) {
            self.listed = Some(Instant::now());
            match self.list() {
                Ok(devices) => {
                    // One that is listed no longer is still asked, and says itself that it is lost.
                    self.devices.retain(|old| devices.iter().all(|new| new.address != old.address));
                    self.devices.extend(devices);
                    self.is_stale = false;
                }
                Err(failure) if known.is_none() => return Err(failure),
                Err(failure) => tracing::warn!("the devices cannot be listed again: {failure}"),
            }
        }
        self.known(address)
            .ok_or_else(|| Failure::unknown(format!("Level Zero knows of no device at {address}")))
    }

    fn known(&self, address: PciAddress) -> Option<Handle> {
        self.devices.iter().find(|device| device.address == address).map(|device| device.handle)
    }

    /// All devices of all drivers. One bad driver or device is a warning, and an error only when there is nothing else.
    fn list(&self) -> Result<Vec<Device>, Failure> {
        let mut devices = Vec::new();
        let mut failures = Vec::new();
        for driver in self.library.sysman_drivers()? {
            let handles = self.library.sysman_devices(driver).unwrap_or_else(|failure| {
                failures.push(failure);
                Vec::new()
            });
            for handle in handles {
                match self.library.pci_address(handle).and_then(address) {
                    Ok(address) => devices.push(Device { address, handle }),
                    Err(failure) => failures.push(failure),
                }
            }
        }
        if devices.is_empty() {
            let none = || Failure::not_available("Level Zero knows of no device".to_owned());
            return Err(failures.into_iter().next().unwrap_or_else(none));
        }
        for failure in failures {
            tracing::warn!("a device is left out: {failure}");
        }
        Ok(devices)
    }
}

impl Health {
    fn note(&mut self, failure: Failure) {
        self.bad_device |= failure.is_of_the_device();
        // What says that the device is broken matters more.
        if self.failure.as_ref().is_none_or(|first| failure.is_of_the_device() && !first.is_of_the_device()) {
            self.failure = Some(failure);
        }
    }
}

impl Temperatures {
    fn add(&mut self, kind: u32, degrees: f64) {
        let hottest = match kind {
            0 => &mut self.global,
            1 => &mut self.gpu,
            2 => &mut self.memory,
            // Minima, and parts that the service has no field for.
            _ => return,
        };
        *hottest = Some(hottest.map_or(degrees, |other| other.max(degrees)));
    }

    fn missing(&self, address: PciAddress) -> Option<Failure> {
        let sensors = [("global", self.global), ("GPU", self.gpu), ("memory", self.memory)];
        let missing: Vec<&str> =
            sensors.iter().filter(|(_, degrees)| degrees.is_none()).map(|(name, _)| *name).collect();
        let text = || format!("{address} has no temperature sensor: {}", missing.join(", "));
        (!missing.is_empty()).then(|| Failure::not_available(text()))
    }
}

/// `zes_mem_health_t`: 3 is critical, 4 must be replaced.
fn is_bad_memory(health: u32) -> bool {
    health >= 3
}

/// Flags count only with the status that they belong to. Packets sent again are what the link's protocol is for.
fn is_bad_bus(status: u32, quality_issues: u32) -> bool {
    const QUALITY_ISSUES: u32 = 2;
    const STABILITY_ISSUES: u32 = 3;
    const SPEED: u32 = 2;
    match status {
        QUALITY_ISSUES => quality_issues & SPEED != 0,
        status => status == STABILITY_ISSUES,
    }
}

fn address(parts: [u32; 4]) -> Result<PciAddress, Failure> {
    let [domain, bus, device, function] = parts;
    let small = |part: u32| u8::try_from(part).ok();
    let address =
        || Some(PciAddress { domain, bus: small(bus)?, device: small(device)?, function: small(function)? });
    address().ok_or_else(|| Failure::invalid(format!("Level Zero gives {parts:?}, which is no PCI address")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bad_from_critical_on() {
        assert_eq!([0, 1, 2, 3, 4].map(is_bad_memory), [false, false, false, true, true]);
    }

    #[test]
    fn a_link_is_bad_when_unstable_or_too_slow_and_flags_need_their_status() {
        let bad = |(status, issues)| is_bad_bus(status, issues);
        assert_eq!(
            [(0, 2), (1, 2), (2, 1), (2, 2), (2, 3), (3, 0)].map(bad),
            [false, false, false, true, true, true]
        );
    }

    #[test]
    fn the_hottest_sensor_of_a_kind_counts() {
        let mut found = Temperatures::default();
        for (kind, degrees) in [(0, 50.0), (0, 60.0), (0, 55.0), (3, 99.0), (1, 40.5)] {
            found.add(kind, degrees);
        }
        assert_eq!((found.global, found.gpu, found.memory), (Some(60.0), Some(40.5), None));
    }

    #[test]
    fn a_broken_device_matters_more_than_the_first_failure() {
        let failure = |code| Failure::check("call", code).unwrap_err();
        let mut health = Health::default();
        health.note(failure(0x7001_0000));
        assert!(!health.bad_device);
        health.note(failure(0x7000_0001));
        health.note(failure(0x7800_0004));
        assert_eq!(health.failure, Some(failure(0x7000_0001)));
        assert!(health.bad_device);
    }
}
