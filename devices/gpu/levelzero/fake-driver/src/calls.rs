//! The calls that the sidecar makes, by their names in the API.
//!
//! Fields are written by their offsets in the structs of `ze_api.h` and `zes_api.h`: the sidecar's own structs, if wrong, must not
//! agree with the fake's.

#![expect(unsafe_code, reason = "a C interface")]
#![expect(unreachable_pub, reason = "the loader reaches them by name")]

use std::ffi::c_void;
use std::ptr;

use crate::state::{self, Device, SUCCESS, State};

const INVALID_ARGUMENT: u32 = 0x7800_0004;

type Handle = *mut c_void;

/// Handles are numbers that are never null: 1 + driver, or (1 + device) << 16, plus 1 + a part of it.
fn handle(number: usize) -> Handle {
    ptr::without_provenance_mut(number)
}

fn device_handle(index: usize) -> usize {
    (index + 1) << 16
}

/// A device and the part of it that a handle names.
fn find(state: &State, handle: Handle) -> Result<(&Device, usize), u32> {
    let index = (handle.addr() >> 16).checked_sub(1).ok_or(INVALID_ARGUMENT)?;
    let device = state.devices.get(index).ok_or(INVALID_ARGUMENT)?;
    Ok((device, (handle.addr() & 0xffff).wrapping_sub(1)))
}

fn code(result: Result<(), u32>) -> u32 {
    result.err().unwrap_or(SUCCESS)
}

/// Answers a call that lists handles.
unsafe fn list(found: &[usize], count: *mut u32, handles: *mut Handle) -> Result<(), u32> {
    // SAFETY: the caller's, never null in this API.
    let count = unsafe { count.as_mut() }.ok_or(INVALID_ARGUMENT)?;
    let all = u32::try_from(found.len()).map_err(|_too_many| INVALID_ARGUMENT)?;
    if *count == 0 || handles.is_null() {
        *count = all;
        return Ok(());
    }
    *count = all.min(*count);
    for (index, number) in found.iter().take(*count as usize).enumerate() {
        // SAFETY: the caller has room for as many as it says.
        unsafe { handles.wrapping_add(index).write(handle(*number)) };
    }
    Ok(())
}

/// Writes a field of the struct at `base`.
unsafe fn put<T>(base: *mut c_void, offset: usize, value: T) {
    // SAFETY: the caller has a struct of the API, which has that field there.
    unsafe { base.wrapping_byte_add(offset).cast::<T>().write(value) };
}

unsafe fn drivers(call: &str, count: *mut u32, handles: *mut Handle) -> u32 {
    code(state::at(call).and_then(|state| {
        let number = state.devices.iter().map(|device| device.driver).max().unwrap_or(0);
        let found: Vec<usize> = (0..=number as usize).map(|driver| driver + 1).collect();
        // SAFETY: the caller's pointers.
        unsafe { list(&found, count, handles) }
    }))
}

unsafe fn devices(call: &str, driver: Handle, count: *mut u32, handles: *mut Handle) -> u32 {
    code(state::at(call).and_then(|state| {
        let driver = driver.addr() - 1;
        let found = state.devices.iter().enumerate();
        let found = found.filter(|(_, device)| device.driver as usize == driver);
        let found: Vec<usize> = found.map(|(index, _)| device_handle(index)).collect();
        // SAFETY: the caller's pointers.
        unsafe { list(&found, count, handles) }
    }))
}

unsafe fn parts(
    call: &str,
    device: Handle,
    count: *mut u32,
    parts: *mut Handle,
    of: fn(&Device) -> usize,
) -> u32 {
    code(state::at(call).and_then(|state| {
        let found: Vec<usize> = (1..=of(find(&state, device)?.0)).map(|part| device.addr() + part).collect();
        // SAFETY: the caller's pointers.
        unsafe { list(&found, count, parts) }
    }))
}

#[unsafe(no_mangle)]
pub extern "C" fn zeInit(_flags: u32) -> u32 {
    code(state::at("zeInit").map(drop))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zeDriverGet(count: *mut u32, handles: *mut Handle) -> u32 {
    // SAFETY: the caller's pointers.
    unsafe { drivers("zeDriverGet", count, handles) }
}

/// Newer loaders sort drivers by their properties.
#[unsafe(no_mangle)]
pub extern "C" fn zeDriverGetProperties(_driver: Handle, _properties: *mut c_void) -> u32 {
    SUCCESS
}

/// There are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zeDriverGetExtensionProperties(
    _driver: Handle,
    count: *mut u32,
    _properties: *mut c_void,
) -> u32 {
    // SAFETY: the caller's, never null in this API.
    unsafe { count.write(0) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zeDeviceGet(driver: Handle, count: *mut u32, handles: *mut Handle) -> u32 {
    // SAFETY: the caller's pointers.
    unsafe { devices("zeDeviceGet", driver, count, handles) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zeDeviceGetProperties(device: Handle, properties: *mut c_void) -> u32 {
    code(state::at("zeDeviceGetProperties").and_then(|state| {
        let (device, _) = find(&state, device)?;
        // SAFETY: ze_device_properties_t.vendorId.
        unsafe { put(properties, 20, device.vendor) };
        Ok(())
    }))
}

#[unsafe(no_mangle)]
pub extern "C" fn zesInit(_flags: u32) -> u32 {
    code(state::at("zesInit").map(drop))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesDriverGet(count: *mut u32, handles: *mut Handle) -> u32 {
    // SAFETY: the caller's pointers.
    unsafe { drivers("zesDriverGet", count, handles) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesDeviceGet(driver: Handle, count: *mut u32, handles: *mut Handle) -> u32 {
    // SAFETY: the caller's pointers.
    unsafe { devices("zesDeviceGet", driver, count, handles) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesDeviceGetProperties(device: Handle, properties: *mut c_void) -> u32 {
    code(state::at("zesDeviceGetProperties").and_then(|state| {
        let (device, _) = find(&state, device)?;
        // SAFETY: zes_device_properties_t.core.flags.
        unsafe { put(properties, 16 + 28, u32::from(device.integrated)) };
        Ok(())
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesDevicePciGetProperties(device: Handle, properties: *mut c_void) -> u32 {
    code(state::at("zesDevicePciGetProperties").and_then(|state| {
        let (device, _) = find(&state, device)?;
        // SAFETY: zes_pci_properties_t.address.
        unsafe { put(properties, 16, device.address) };
        Ok(())
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesDevicePciGetState(device: Handle, link: *mut c_void) -> u32 {
    code(state::at("zesDevicePciGetState").and_then(|state| {
        let (device, _) = find(&state, device)?;
        // SAFETY: zes_pci_state_t.status and qualityIssues.
        unsafe { put(link, 16, [device.link.0, device.link.1]) };
        Ok(())
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesDeviceEnumMemoryModules(
    device: Handle,
    count: *mut u32,
    modules: *mut Handle,
) -> u32 {
    // SAFETY: the caller's pointers.
    unsafe { parts("zesDeviceEnumMemoryModules", device, count, modules, |device| device.memory.len()) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesMemoryGetState(module: Handle, memory: *mut c_void) -> u32 {
    code(state::at("zesMemoryGetState").and_then(|state| {
        let (device, part) = find(&state, module)?;
        let (health, size) = *device.memory.get(part).ok_or(INVALID_ARGUMENT)?;
        // SAFETY: zes_mem_state_t.health.
        unsafe { put(memory, 16, health) };
        // SAFETY: zes_mem_state_t.size.
        unsafe { put(memory, 32, size) };
        Ok(())
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesDeviceEnumTemperatureSensors(
    device: Handle,
    count: *mut u32,
    sensors: *mut Handle,
) -> u32 {
    // SAFETY: the caller's pointers.
    unsafe {
        parts("zesDeviceEnumTemperatureSensors", device, count, sensors, |device| device.temperature.len())
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesTemperatureGetProperties(sensor: Handle, properties: *mut c_void) -> u32 {
    code(state::at("zesTemperatureGetProperties").and_then(|state| {
        let (device, part) = find(&state, sensor)?;
        let (kind, _) = *device.temperature.get(part).ok_or(INVALID_ARGUMENT)?;
        // SAFETY: zes_temp_properties_t.type.
        unsafe { put(properties, 16, kind) };
        Ok(())
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesTemperatureGetState(sensor: Handle, temperature: *mut f64) -> u32 {
    code(state::at("zesTemperatureGetState").and_then(|state| {
        let (device, part) = find(&state, sensor)?;
        let (_, degrees) = *device.temperature.get(part).ok_or(INVALID_ARGUMENT)?;
        // SAFETY: a number, by the API.
        unsafe { temperature.write(degrees) };
        Ok(())
    }))
}
