//! The calls of Level Zero's loader that the sidecar makes, and the structs that they fill. The one place with `unsafe` code.
//!
//! Types and numbers are those of `ze_api.h` and `zes_api.h` (<https://oneapi-src.github.io/level-zero-spec/>). They are for
//! 64-bit Linux. Calls may take as long as the driver likes, so they are made on a [worker](crate::worker)'s thread.

#![expect(unsafe_code, reason = "a C library that is loaded at run time")]

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use crate::failure::Failure;

/// The loader's name; the system's linker knows in which folders it may be.
const LOADER: &str = "libze_loader.so.1";
/// More of anything than this is no answer but a driver's mistake.
const MOST: u32 = 1024;

const NO_FLAGS: u32 = 0;
const GPU_ONLY: u32 = 1;

/// What the library gives for a driver, a device or a part of it. It stays good as long as the process lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handle(*mut c_void);

type Extension = Option<NonNull<c_void>>;
type Init = unsafe extern "C" fn(u32) -> u32;
type Drivers = unsafe extern "C" fn(*mut u32, *mut *mut c_void) -> u32;
type List = unsafe extern "C" fn(*mut c_void, *mut u32, *mut *mut c_void) -> u32;
type Read<T> = unsafe extern "C" fn(*mut c_void, *mut T) -> u32;

/// The loaded library.
pub(crate) struct Library {
    core: Entry,
    /// Loaders of before the API's version 1.5 have none: a driver's and a device's handles are good for Sysman, too, if the
    /// process was started with `ZES_ENABLE_SYSMAN=1`.
    sysman: Option<Entry>,
    core_properties: Read<CoreProperties>,
    properties: Read<DeviceProperties>,
    pci_properties: Read<PciProperties>,
    pci_state: Read<PciState>,
    memory_modules: List,
    memory_state: Read<MemoryState>,
    temperature_sensors: List,
    temperature_properties: Read<TemperatureProperties>,
    temperature: Read<f64>,
}

/// One of the two ways in.
#[derive(Clone, Copy)]
struct Entry {
    init: (&'static str, Init),
    drivers: (&'static str, Drivers),
    devices: (&'static str, List),
}

impl Library {
    /// Loads it, for good: what a driver starts cannot be stopped, so nothing is ever unloaded.
    pub(crate) fn load() -> Result<Self, Failure> {
        // SAFETY: runs the initialisers of the system's own library, and they ask nothing of the process.
        let loaded = unsafe { libloading::Library::new(LOADER) };
        let library = loaded.map_err(|error| {
            let why = device_plugin::error_chain(&error);
            Failure::not_loaded(format!(
                "Level Zero's loader cannot be loaded ({why}): install it, Debian's package is libze1"
            ))
        })?;
        let library: &'static libloading::Library = Box::leak(Box::new(library));
        Ok(Self {
            core: Entry {
                init: ("zeInit", symbol(library, "zeInit")?),
                drivers: ("zeDriverGet", symbol(library, "zeDriverGet")?),
                devices: ("zeDeviceGet", symbol(library, "zeDeviceGet")?),
            },
            sysman: match symbol(library, "zesInit") {
                Err(_) => None,
                Ok(init) => Some(Entry {
                    init: ("zesInit", init),
                    drivers: ("zesDriverGet", symbol(library, "zesDriverGet")?),
                    devices: ("zesDeviceGet", symbol(library, "zesDeviceGet")?),
                }),
            },
            core_properties: symbol(library, "zeDeviceGetProperties")?,
            properties: symbol(library, "zesDeviceGetProperties")?,
            pci_properties: symbol(library, "zesDevicePciGetProperties")?,
            pci_state: symbol(library, "zesDevicePciGetState")?,
            memory_modules: symbol(library, "zesDeviceEnumMemoryModules")?,
            memory_state: symbol(library, "zesMemoryGetState")?,
            temperature_sensors: symbol(library, "zesDeviceEnumTemperatureSensors")?,
            temperature_properties: symbol(library, "zesTemperatureGetProperties")?,
            temperature: symbol(library, "zesTemperatureGetState")?,
        })
    }

    /// Whether Sysman has calls of its own to begin with.
    pub(crate) fn has_own_sysman(&self) -> bool {
        self.sysman.is_some()
    }

    /// Makes the drivers of GPUs ready for questions about compute.
    pub(crate) fn init_core(&self) -> Result<(), Failure> {
        init(self.core.init, GPU_ONLY)
    }

    /// Makes all drivers ready for questions about compute.
    pub(crate) fn init_core_of_all(&self) -> Result<(), Failure> {
        init(self.core.init, NO_FLAGS)
    }

    /// Makes all drivers ready for questions about the hardware.
    pub(crate) fn init_sysman(&self) -> Result<(), Failure> {
        init(self.sysman.unwrap_or(self.core).init, NO_FLAGS)
    }

    pub(crate) fn core_drivers(&self) -> Result<Vec<Handle>, Failure> {
        drivers(self.core)
    }

    pub(crate) fn core_devices(&self, driver: Handle) -> Result<Vec<Handle>, Failure> {
        list(self.core.devices, driver)
    }

    pub(crate) fn sysman_drivers(&self) -> Result<Vec<Handle>, Failure> {
        drivers(self.sysman.unwrap_or(self.core))
    }

    pub(crate) fn sysman_devices(&self, driver: Handle) -> Result<Vec<Handle>, Failure> {
        list(self.sysman.unwrap_or(self.core).devices, driver)
    }

    /// The PCI id of who made a device of [`core_devices`](Self::core_devices).
    pub(crate) fn vendor(&self, device: Handle) -> Result<u32, Failure> {
        let mut properties = CoreProperties { stype: 0x3, ..CoreProperties::default() };
        read("zeDeviceGetProperties", self.core_properties, device, &mut properties)?;
        Ok(properties.vendor)
    }

    /// Whether the device is a part of the processor, with no memory of its own.
    pub(crate) fn is_integrated(&self, device: Handle) -> Result<bool, Failure> {
        const INTEGRATED: u32 = 1;
        let mut extension = ExtensionProperties { stype: 0x2d, ..ExtensionProperties::default() };
        let next = Some(NonNull::from(&mut extension).cast());
        let mut properties = DeviceProperties { stype: 0x1, next, ..DeviceProperties::default() };
        read("zesDeviceGetProperties", self.properties, device, &mut properties)?;
        // Older drivers know only the first.
        Ok((properties.core.flags | extension.flags) & INTEGRATED != 0)
    }

    /// Domain, bus, device, function.
    pub(crate) fn pci_address(&self, device: Handle) -> Result<[u32; 4], Failure> {
        let mut properties = PciProperties { stype: 0x2, ..PciProperties::default() };
        read("zesDevicePciGetProperties", self.pci_properties, device, &mut properties)?;
        Ok(properties.address)
    }

    pub(crate) fn pci_state(&self, device: Handle) -> Result<PciState, Failure> {
        let mut state = PciState { stype: 0x17, ..PciState::default() };
        read("zesDevicePciGetState", self.pci_state, device, &mut state)?;
        Ok(state)
    }

    pub(crate) fn memory_modules(&self, device: Handle) -> Result<Vec<Handle>, Failure> {
        list(("zesDeviceEnumMemoryModules", self.memory_modules), device)
    }

    pub(crate) fn memory_state(&self, module: Handle) -> Result<MemoryState, Failure> {
        let mut state = MemoryState { stype: 0x1e, ..MemoryState::default() };
        read("zesMemoryGetState", self.memory_state, module, &mut state)?;
        Ok(state)
    }

    pub(crate) fn temperature_sensors(&self, device: Handle) -> Result<Vec<Handle>, Failure> {
        list(("zesDeviceEnumTemperatureSensors", self.temperature_sensors), device)
    }

    /// Which part of the device a sensor is at: 0 all of it, 1 the GPU, 2 its memory.
    pub(crate) fn sensor_kind(&self, sensor: Handle) -> Result<u32, Failure> {
        let mut properties = TemperatureProperties { stype: 0x14, ..TemperatureProperties::default() };
        read("zesTemperatureGetProperties", self.temperature_properties, sensor, &mut properties)?;
        Ok(properties.kind)
    }

    /// In degrees Celsius.
    pub(crate) fn temperature(&self, sensor: Handle) -> Result<f64, Failure> {
        let mut degrees = 0.0;
        read("zesTemperatureGetState", self.temperature, sensor, &mut degrees)?;
        Ok(degrees)
    }
}

/// Ends the process at once. The usual end runs what libraries want to do last, which waits for a driver that hangs.
pub(crate) fn end_process(code: u8) -> ! {
    // SAFETY: asks nothing of its caller.
    unsafe { libc::_exit(code.into()) }
}

fn symbol<T: Copy>(library: &'static libloading::Library, name: &str) -> Result<T, Failure> {
    // SAFETY: each caller asks for a function of the type that the header gives it.
    let found = unsafe { library.get::<T>(name) };
    found
        .map(|symbol| *symbol)
        .map_err(|_not_there| Failure::not_loaded(format!("{LOADER} has no {name}: it is too old")))
}

fn init((name, init): (&'static str, Init), flags: u32) -> Result<(), Failure> {
    // SAFETY: of the library, which is loaded for good.
    Failure::check(name, unsafe { init(flags) })
}

fn drivers(entry: Entry) -> Result<Vec<Handle>, Failure> {
    let (name, call) = entry.drivers;
    handles(name, |count, found| {
        // SAFETY: `count` says for how many there is room at `found`; it is null for none.
        unsafe { call(count, found) }
    })
}

/// What there is of a driver or a device, by the library's handle for it.
fn list((name, call): (&'static str, List), of: Handle) -> Result<Vec<Handle>, Failure> {
    handles(name, |count, found| {
        // SAFETY: `count` says for how many there is room at `found`; it is null for none.
        unsafe { call(of.0, count, found) }
    })
}

/// Asks how many there are, then for them.
fn handles(
    name: &'static str,
    mut call: impl FnMut(*mut u32, *mut *mut c_void) -> u32,
) -> Result<Vec<Handle>, Failure> {
    let mut count = 0;
    Failure::check(name, call(&raw mut count, ptr::null_mut()))?;
    let mut room = count.min(MOST);
    if room == 0 {
        return Ok(Vec::new());
    }
    let mut found = vec![ptr::null_mut(); room as usize];
    Failure::check(name, call(&raw mut room, found.as_mut_ptr()))?;
    // There may be fewer by now.
    found.truncate(room as usize);
    Ok(found.into_iter().filter(|handle| !handle.is_null()).map(Handle).collect())
}

fn read<T>(name: &'static str, call: Read<T>, of: Handle, into: &mut T) -> Result<(), Failure> {
    // SAFETY: the library's own handle, and a whole struct of the call's type.
    Failure::check(name, unsafe { call(of.0, into) })
}

/// `ze_device_properties_t`.
#[repr(C)]
#[derive(Default)]
struct CoreProperties {
    stype: u32,
    next: Extension,
    kind: u32,
    vendor: u32,
    device: u32,
    flags: u32,
    subdevice: u32,
    clock: u32,
    max_allocation: u64,
    contexts_to_slices: [u32; 7],
    timer_resolution: u64,
    timestamp_bits: [u32; 2],
    uuid: [u8; 16],
    /// Of 256 bytes; in rows, which have a default.
    name: [[u8; 32]; 8],
}

/// `zes_device_properties_t`.
#[repr(C)]
#[derive(Default)]
struct DeviceProperties {
    stype: u32,
    next: Extension,
    core: CoreProperties,
    subdevices: u32,
    /// Six of 64 bytes each.
    texts: [[u8; 32]; 12],
}

/// `zes_device_ext_properties_t`.
#[repr(C)]
#[derive(Default)]
struct ExtensionProperties {
    stype: u32,
    next: Extension,
    uuid: [u8; 16],
    kind: u32,
    flags: u32,
}

/// `zes_pci_speed_t`.
#[repr(C)]
#[derive(Debug, Default)]
struct PciSpeed {
    generation: i32,
    width: i32,
    bandwidth: i64,
}

/// `zes_pci_properties_t`.
#[repr(C)]
#[derive(Default)]
struct PciProperties {
    stype: u32,
    next: Extension,
    address: [u32; 4],
    max_speed: PciSpeed,
    has_counters: [u8; 3],
}

/// `zes_pci_state_t`.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct PciState {
    stype: u32,
    next: Extension,
    /// `zes_pci_link_status_t`.
    pub(crate) status: u32,
    /// `zes_pci_link_qual_issue_flags_t`.
    pub(crate) quality_issues: u32,
    stability_issues: u32,
    speed: PciSpeed,
}

/// `zes_mem_state_t`.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct MemoryState {
    stype: u32,
    next: Extension,
    /// `zes_mem_health_t`.
    pub(crate) health: u32,
    free: u64,
    /// In bytes.
    pub(crate) size: u64,
}

/// `zes_temp_properties_t`.
#[repr(C)]
#[derive(Default)]
struct TemperatureProperties {
    stype: u32,
    next: Extension,
    kind: u32,
    on_subdevice: u8,
    subdevice: u32,
    maximum: f64,
    supported: [u8; 3],
}

#[cfg(test)]
mod tests;
