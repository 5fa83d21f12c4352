//! The requests of both drivers: numbers, structs, and the calls themselves. The one place with `unsafe` code.
//!
//! DFL's are those of `include/uapi/linux/fpga-dfl.h`; `intel-fpga`'s those of the header `intel-fpga.h` that comes with that
//! driver. All structs begin with their own size, `argsz`, by which the kernel knows how much of them there is.
//!
//! Every function takes the open device node of an FME or a port. On any other file the kernel answers `ENOTTY`.

#![expect(unsafe_code, reason = "ioctl takes an untyped pointer")]

use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use std::ptr;

use rustix::io::{Errno, Result};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, opcode};

/// What a driver's numbers begin with.
pub(crate) const DFL: u8 = 0xb6;
pub(crate) const INTEL: u8 = 0xb5;

pub(crate) const GET_API_VERSION: u8 = 0x00;
pub(crate) const CHECK_EXTENSION: u8 = 0x01;
pub(crate) const PORT_RESET: u8 = 0x40;
pub(crate) const PORT_GET_INFO: u8 = 0x41;
pub(crate) const PORT_GET_REGION_INFO: u8 = 0x42;
pub(crate) const FME_PORT_PR: u8 = 0x80;
pub(crate) const FME_PORT_RELEASE: u8 = 0x81;
pub(crate) const FME_PORT_ASSIGN: u8 = 0x82;

/// What a port has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortInfo {
    /// Zero for now.
    pub flags: u32,
    /// How many regions of registers can be mapped.
    pub regions: u32,
    /// How many messages to user space ("umsg") there are.
    pub umsgs: u32,
}

/// A region of a port's registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// 1 readable, 2 writable, 4 can be mapped.
    pub flags: u32,
    /// 0 is the function's, 1 the signal tap's.
    pub index: u32,
    /// In bytes.
    pub size: u64,
    /// Where it begins in the device node, for `mmap`; in bytes.
    pub offset: u64,
}

/// `struct dfl_fpga_port_info`.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct DflPortInfo {
    argsz: u32,
    flags: u32,
    num_regions: u32,
    num_umsgs: u32,
}

/// `struct fpga_port_info` of `intel-fpga`.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct IntelPortInfo {
    argsz: u32,
    flags: u32,
    capability: u32,
    num_regions: u32,
    num_umsgs: u32,
    num_uafu_irqs: u32,
}

/// `struct dfl_fpga_port_region_info`; the other driver's is the same.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct RegionInfo {
    argsz: u32,
    flags: u32,
    index: u32,
    padding: u32,
    size: u64,
    offset: u64,
}

/// `struct dfl_fpga_fme_port_pr`.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct DflPortPr {
    argsz: u32,
    flags: u32,
    port_id: u32,
    buffer_size: u32,
    buffer_address: u64,
}

/// `struct fpga_fme_port_pr` of `intel-fpga`.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct IntelPortPr {
    argsz: u32,
    flags: u32,
    port_id: u32,
    buffer_size: u32,
    buffer_address: u64,
    /// The FME's PR error register, when the answer is `EIO`.
    status: u64,
}

/// `struct fpga_fme_port_release` and `struct fpga_fme_port_assign` of `intel-fpga`.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct IntelPortId {
    argsz: u32,
    flags: u32,
    port_id: u32,
}

/// The version of the driver's API, which is 0 for all there are.
pub(crate) fn api_version(node: BorrowedFd<'_>, magic: u8) -> Result<i32> {
    plain(node, opcode::none(magic, GET_API_VERSION))
}

/// Whether the driver has the extension of that number. None has been defined so far.
pub(crate) fn check_extension(node: BorrowedFd<'_>, magic: u8) -> Result<bool> {
    Ok(plain(node, opcode::none(magic, CHECK_EXTENSION))? != 0)
}

/// Resets a port and the function behind it.
pub(crate) fn reset(port: BorrowedFd<'_>, magic: u8) -> Result<()> {
    plain(port, opcode::none(magic, PORT_RESET)).map(drop)
}

pub(crate) fn dfl_port_info(port: BorrowedFd<'_>) -> Result<PortInfo> {
    let mut info = DflPortInfo { argsz: size_of_u32::<DflPortInfo>(), ..Default::default() };
    with_struct(port, opcode::none(DFL, PORT_GET_INFO), &mut info)?;
    Ok(PortInfo { flags: info.flags, regions: info.num_regions, umsgs: info.num_umsgs })
}

pub(crate) fn intel_port_info(port: BorrowedFd<'_>) -> Result<PortInfo> {
    let mut info = IntelPortInfo { argsz: size_of_u32::<IntelPortInfo>(), ..Default::default() };
    with_struct(port, opcode::none(INTEL, PORT_GET_INFO), &mut info)?;
    Ok(PortInfo { flags: info.flags, regions: info.num_regions, umsgs: info.num_umsgs })
}

pub(crate) fn region(port: BorrowedFd<'_>, magic: u8, index: u32) -> Result<Region> {
    let mut info = RegionInfo { argsz: size_of_u32::<RegionInfo>(), index, ..Default::default() };
    with_struct(port, opcode::none(magic, PORT_GET_REGION_INFO), &mut info)?;
    Ok(Region { flags: info.flags, index: info.index, size: info.size, offset: info.offset })
}

/// Programs a port. DFL says in sysfs why it failed.
pub(crate) fn dfl_program(fme: BorrowedFd<'_>, port: u32, bitstream: &[u8]) -> Result<()> {
    let mut request = DflPortPr {
        argsz: size_of_u32::<DflPortPr>(),
        flags: 0,
        port_id: port,
        buffer_size: u32::try_from(bitstream.len()).map_err(too_big)?,
        buffer_address: address(bitstream),
    };
    with_struct(fme, opcode::none(DFL, FME_PORT_PR), &mut request).map(drop)
}

/// Programs a port. Beside the kernel's answer is the FME's error register, which says why it is `EIO`.
pub(crate) fn intel_program(fme: BorrowedFd<'_>, port: u32, bitstream: &[u8]) -> (Result<()>, u64) {
    let Ok(buffer_size) = u32::try_from(bitstream.len()) else { return (Err(Errno::TOOBIG), 0) };
    let mut request = IntelPortPr {
        argsz: size_of_u32::<IntelPortPr>(),
        flags: 0,
        port_id: port,
        buffer_size,
        buffer_address: address(bitstream),
        status: 0,
    };
    let result = with_struct(fme, opcode::none(INTEL, FME_PORT_PR), &mut request).map(drop);
    (result, request.status)
}

/// Takes a port from the physical function (`FME_PORT_RELEASE`), or gives it back (`FME_PORT_ASSIGN`).
pub(crate) fn dfl_move_port(fme: BorrowedFd<'_>, number: u8, port: u32) -> Result<()> {
    let mut port = port;
    with_struct(fme, opcode::write::<i32>(DFL, number), &mut port).map(drop)
}

/// As [`dfl_move_port`].
pub(crate) fn intel_move_port(fme: BorrowedFd<'_>, number: u8, port: u32) -> Result<()> {
    let mut request = IntelPortId { argsz: size_of_u32::<IntelPortId>(), flags: 0, port_id: port };
    with_struct(fme, opcode::none(INTEL, number), &mut request).map(drop)
}

fn address(buffer: &[u8]) -> u64 {
    buffer.as_ptr().expose_provenance() as u64
}

fn too_big(_: std::num::TryFromIntError) -> Errno {
    Errno::TOOBIG
}

#[expect(clippy::cast_possible_truncation, reason = "structs of a few bytes")]
const fn size_of_u32<T>() -> u32 {
    size_of::<T>() as u32
}

/// A request and its argument.
struct Request {
    number: Opcode,
    argument: *mut c_void,
}

// SAFETY: `number` and `argument` are given on as they are, and nothing is read through `argument` here. Whether the two fit
// is for those who make one, `plain` and `with_struct`.
unsafe impl Ioctl for Request {
    type Output = i32;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.number
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.argument
    }

    unsafe fn output_from_ptr(output: IoctlOutput, _: *mut c_void) -> Result<i32> {
        Ok(output)
    }
}

/// A request without an argument.
fn plain(node: BorrowedFd<'_>, number: Opcode) -> Result<i32> {
    // SAFETY: these requests take no pointer.
    unsafe { rustix::ioctl::ioctl(node, Request { number, argument: ptr::null_mut() }) }
}

/// A request whose argument is a struct, which the kernel reads and may write to.
fn with_struct<T>(node: BorrowedFd<'_>, number: Opcode, argument: &mut T) -> Result<i32> {
    let argument = ptr::from_mut(argument).cast();
    // SAFETY: each caller in this file passes the struct that the header has for the request, of plain numbers, which lives
    // until the call is over, as does the buffer whose address is in it. The kernel writes to no more than `argsz` bytes of
    // the struct and only reads the buffer.
    unsafe { rustix::ioctl::ioctl(node, Request { number, argument }) }
}

#[cfg(test)]
mod tests;
