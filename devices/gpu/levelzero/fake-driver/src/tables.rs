//! The tables by which a loader finds a driver's functions: `ze_ddi.h` and `zes_ddi.h`. Which function is at which place is the
//! headers'; a table grows with the API's version, so what a loader asks for may end before what is known here.

#![expect(unsafe_code, reason = "a C interface")]
#![expect(unreachable_pub, reason = "the loader reaches them by name")]

use std::ffi::c_void;

use crate::calls;
use crate::state::SUCCESS;

/// The API's version 1.5, which gave Sysman calls of its own to begin with.
const OWN_SYSMAN: u32 = 0x1_0005;

type Function = *const c_void;

/// Fills places of a table.
unsafe fn fill(table: *mut Function, functions: &[(usize, Function)]) -> u32 {
    for (place, function) in functions {
        // SAFETY: the loader's table is as long as its version says.
        unsafe { table.wrapping_add(*place).write(*function) };
    }
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zeGetGlobalProcAddrTable(_version: u32, table: *mut Function) -> u32 {
    // SAFETY: ze_global_dditable_t.
    unsafe { fill(table, &[(0, calls::zeInit as Function)]) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zeGetDriverProcAddrTable(_version: u32, table: *mut Function) -> u32 {
    let functions = [
        (0, calls::zeDriverGet as Function),
        (2, calls::zeDriverGetProperties as Function),
        (4, calls::zeDriverGetExtensionProperties as Function),
    ];
    // SAFETY: ze_driver_dditable_t.
    unsafe { fill(table, &functions) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zeGetDeviceProcAddrTable(_version: u32, table: *mut Function) -> u32 {
    let functions = [(0, calls::zeDeviceGet as Function), (2, calls::zeDeviceGetProperties as Function)];
    // SAFETY: ze_device_dditable_t.
    unsafe { fill(table, &functions) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesGetGlobalProcAddrTable(_version: u32, table: *mut Function) -> u32 {
    // SAFETY: zes_global_dditable_t.
    unsafe { fill(table, &[(0, calls::zesInit as Function)]) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesGetDriverProcAddrTable(version: u32, table: *mut Function) -> u32 {
    let functions = [(2, calls::zesDriverGet as Function)];
    let known = if version < OWN_SYSMAN { &[][..] } else { &functions };
    // SAFETY: zes_driver_dditable_t.
    unsafe { fill(table, known) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesGetDeviceProcAddrTable(version: u32, table: *mut Function) -> u32 {
    let functions = [
        (0, calls::zesDeviceGetProperties as Function),
        (4, calls::zesDevicePciGetProperties as Function),
        (5, calls::zesDevicePciGetState as Function),
        (16, calls::zesDeviceEnumMemoryModules as Function),
        (24, calls::zesDeviceEnumTemperatureSensors as Function),
        (29, calls::zesDeviceGet as Function),
    ];
    let known = if version < OWN_SYSMAN { functions.split_at(5).0 } else { &functions };
    // SAFETY: zes_device_dditable_t.
    unsafe { fill(table, known) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesGetMemoryProcAddrTable(_version: u32, table: *mut Function) -> u32 {
    // SAFETY: zes_memory_dditable_t.
    unsafe { fill(table, &[(1, calls::zesMemoryGetState as Function)]) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zesGetTemperatureProcAddrTable(_version: u32, table: *mut Function) -> u32 {
    let functions =
        [(0, calls::zesTemperatureGetProperties as Function), (3, calls::zesTemperatureGetState as Function)];
    // SAFETY: zes_temperature_dditable_t.
    unsafe { fill(table, &functions) }
}

/// Tables that Debian's loader insists on, of which nothing is called.
macro_rules! empty {
    ($($name:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            pub extern "C" fn $name(_version: u32, _table: *mut Function) -> u32 {
                SUCCESS
            }
        )*
    };
}

empty! {
    zeGetContextProcAddrTable zeGetCommandQueueProcAddrTable zeGetCommandListProcAddrTable zeGetImageProcAddrTable
    zeGetFenceProcAddrTable zeGetEventPoolProcAddrTable zeGetEventProcAddrTable zeGetModuleProcAddrTable
    zeGetModuleBuildLogProcAddrTable zeGetKernelProcAddrTable zeGetSamplerProcAddrTable zeGetPhysicalMemProcAddrTable
    zeGetMemProcAddrTable zeGetVirtualMemProcAddrTable
    zetGetDeviceProcAddrTable zetGetContextProcAddrTable zetGetCommandListProcAddrTable zetGetModuleProcAddrTable
    zetGetKernelProcAddrTable zetGetMetricGroupProcAddrTable zetGetMetricProcAddrTable zetGetMetricStreamerProcAddrTable
    zetGetMetricQueryPoolProcAddrTable zetGetMetricQueryProcAddrTable zetGetTracerExpProcAddrTable zetGetDebugProcAddrTable
    zesGetSchedulerProcAddrTable zesGetPerformanceFactorProcAddrTable zesGetPowerProcAddrTable zesGetFrequencyProcAddrTable
    zesGetEngineProcAddrTable zesGetStandbyProcAddrTable zesGetFirmwareProcAddrTable zesGetFabricPortProcAddrTable
    zesGetPsuProcAddrTable zesGetFanProcAddrTable zesGetLedProcAddrTable zesGetRasProcAddrTable
    zesGetDiagnosticsProcAddrTable
}
