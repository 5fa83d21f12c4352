use std::mem::{offset_of, size_of};

use super::*;

/// Has three at first, and two when it is asked for them, of which one is null.
unsafe extern "C" fn fewer(of: *mut c_void, count: *mut u32, found: *mut *mut c_void) -> u32 {
    // SAFETY: the caller's number.
    let count = unsafe { &mut *count };
    if found.is_null() {
        *count = 3;
        return 0;
    }
    assert_eq!(std::mem::replace(count, 2), 3);
    // SAFETY: the caller has room for three.
    unsafe { found.write(of) };
    // SAFETY: as before.
    unsafe { found.wrapping_add(1).write(ptr::null_mut()) };
    0
}

/// Says that there are more than there can be, and then even more than there is room for.
unsafe extern "C" fn more(of: *mut c_void, count: *mut u32, found: *mut *mut c_void) -> u32 {
    // SAFETY: the caller's number.
    let count = unsafe { &mut *count };
    for place in 0..if found.is_null() { 0 } else { *count } {
        // SAFETY: the caller has room for as many as it says.
        unsafe { found.wrapping_add(place as usize).write(of) };
    }
    *count = if found.is_null() { u32::MAX } else { *count + 1 };
    0
}

unsafe extern "C" fn warm(sensor: *mut c_void, degrees: *mut f64) -> u32 {
    // SAFETY: the test's own sensor.
    let sensor: &f64 = unsafe { &*sensor.cast() };
    // SAFETY: the caller has room for it.
    unsafe { degrees.write(*sensor) };
    0
}

#[test]
fn what_a_driver_lists_is_taken_as_far_as_there_is_room_and_something() {
    let mut device = 1;
    let of = Handle(ptr::from_mut(&mut device).cast());
    let found = list(("fewer", fewer), of).unwrap();
    assert_eq!(found.iter().map(|handle| handle.0).collect::<Vec<_>>(), [of.0]);
    assert_eq!(list(("more", more), of).unwrap().len(), MOST as usize);
}

#[test]
fn a_value_is_read_through_a_handle() {
    let mut sensor = 41.5;
    let mut degrees = 0.0;
    read("warm", warm, Handle(ptr::from_mut(&mut sensor).cast()), &mut degrees).unwrap();
    assert!((degrees - 41.5_f64).abs() < f64::EPSILON);
}

#[test]
fn structs_are_as_large_as_the_headers() {
    assert_eq!(size_of::<CoreProperties>(), 368);
    assert_eq!(size_of::<DeviceProperties>(), 776);
    assert_eq!(size_of::<ExtensionProperties>(), 40);
    assert_eq!(size_of::<PciProperties>(), 56);
    assert_eq!(size_of::<PciState>(), 48);
    assert_eq!(size_of::<MemoryState>(), 40);
    assert_eq!(size_of::<TemperatureProperties>(), 48);
}

#[test]
fn fields_are_where_the_headers_have_them() {
    assert_eq!(offset_of!(CoreProperties, vendor), 20);
    assert_eq!(offset_of!(CoreProperties, uuid), 96);
    assert_eq!(offset_of!(DeviceProperties, core.flags), 44);
    assert_eq!(offset_of!(DeviceProperties, subdevices), 384);
    assert_eq!(offset_of!(ExtensionProperties, flags), 36);
    assert_eq!(offset_of!(PciProperties, max_speed), 32);
    assert_eq!(offset_of!(PciState, quality_issues), 20);
    assert_eq!(offset_of!(PciState, speed), 32);
    assert_eq!(offset_of!(MemoryState, size), 32);
    assert_eq!(offset_of!(TemperatureProperties, maximum), 32);
}
