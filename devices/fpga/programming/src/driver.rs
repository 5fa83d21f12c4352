//! What the two kernel drivers do differently: where things are in sysfs, and how they are asked.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use host::{Host, HostError, number_of};
use rustix::io::{Errno, Result};

use crate::Faults;
use crate::ioctl::{self, PortInfo, Region};
use crate::sysfs::names;

/// A kernel driver of FPGA cards.
///
/// The functions that take an open node ask the kernel, and give its answer as it is.
pub trait Driver: fmt::Debug + Sync {
    /// "DFL" or "OPAE".
    fn name(&self) -> &'static str;

    /// What the name of a management engine, and of its node, begins with; a number follows.
    fn fme_prefix(&self) -> &'static str;

    /// What the name of a port, and of its node, begins with; a number follows.
    fn port_prefix(&self) -> &'static str;

    /// The folder of cards, below a PCI function and below `/sys/class`.
    fn cards(&self) -> &'static str;

    /// What the name of a card begins with; a number follows.
    fn card_prefix(&self) -> &'static str;

    /// The files with the interface ids of the regions that a management engine can program, in the order in which the driver
    /// made the regions.
    fn interface_files(&self, host: &Host, fme: &Path) -> std::result::Result<Vec<PathBuf>, HostError>;

    /// What all requests of the driver begin with (`_IO` of `asm-generic/ioctl.h`).
    fn magic(&self) -> u8;

    /// What a port has.
    fn port_info(&self, port: BorrowedFd<'_>) -> Result<PortInfo>;

    /// Programs the port of that number. What the hardware says when the answer is `EIO` is in the second value, or else in
    /// sysfs: see [`faults`](Self::faults).
    fn program(&self, fme: BorrowedFd<'_>, port: u32, bitstream: &[u8]) -> (Result<()>, Faults);

    /// What the hardware said about the last bitstream, if the driver shows it in sysfs.
    fn faults(&self, host: &Host, fme: &Path) -> Option<Faults>;

    /// Takes the port of that number from the physical function, so that a virtual one can have it.
    fn release(&self, fme: BorrowedFd<'_>, port: u32) -> Result<()>;

    /// Gives a released port back to the physical function.
    fn assign(&self, fme: BorrowedFd<'_>, port: u32) -> Result<()>;

    /// The version of the driver's API, which is 0 for all there are.
    fn api_version(&self, node: BorrowedFd<'_>) -> Result<i32> {
        ioctl::api_version(node, self.magic())
    }

    /// Whether the driver has any extension. None was defined so far.
    fn check_extension(&self, node: BorrowedFd<'_>) -> Result<bool> {
        ioctl::check_extension(node, self.magic())
    }

    /// Resets a port and the function behind it.
    fn reset(&self, port: BorrowedFd<'_>) -> Result<()> {
        ioctl::reset(port, self.magic())
    }

    /// A region of a port's registers.
    fn region(&self, port: BorrowedFd<'_>, index: u32) -> Result<Region> {
        ioctl::region(port, self.magic(), index)
    }
}

/// All of them. Both can be loaded, and each card is on one.
pub const DRIVERS: [&dyn Driver; 2] = [&Dfl, &Opae];

/// The kernel's own, Device Feature List (`Documentation/fpga/dfl.rst`).
#[derive(Debug)]
struct Dfl;

/// Intel's, `intel-fpga`, of the Open Programmable Acceleration Engine.
#[derive(Debug)]
struct Opae;

impl Driver for Dfl {
    fn name(&self) -> &'static str {
        "DFL"
    }

    fn fme_prefix(&self) -> &'static str {
        "dfl-fme."
    }

    fn port_prefix(&self) -> &'static str {
        "dfl-port."
    }

    fn cards(&self) -> &'static str {
        "fpga_region"
    }

    fn card_prefix(&self) -> &'static str {
        "region"
    }

    fn interface_files(&self, host: &Host, fme: &Path) -> std::result::Result<Vec<PathBuf>, HostError> {
        let mut regions: Vec<(u32, String)> = host
            .names(fme)?
            .into_iter()
            .filter_map(|name| Some((number_of(&name, "dfl-fme-region.")?, name)))
            .collect();
        regions.sort_unstable();
        let mut files = Vec::new();
        for (_, region) in regions {
            // Where its driver is not loaded yet, it has none.
            let folder = fme.join(region).join(self.cards());
            let cards = names(host, &folder)?.into_iter();
            let cards = cards.filter(|name| number_of(name, self.card_prefix()).is_some());
            files.extend(cards.map(|name| folder.join(name).join("compat_id")));
        }
        Ok(files)
    }

    fn magic(&self) -> u8 {
        ioctl::DFL
    }

    fn port_info(&self, port: BorrowedFd<'_>) -> Result<PortInfo> {
        ioctl::dfl_port_info(port)
    }

    fn program(&self, fme: BorrowedFd<'_>, port: u32, bitstream: &[u8]) -> (Result<()>, Faults) {
        (ioctl::dfl_program(fme, port, bitstream), Faults(0))
    }

    fn faults(&self, host: &Host, fme: &Path) -> Option<Faults> {
        let names = host.names(fme).ok()?;
        let manager = names.iter().find(|name| number_of(name, "dfl-fme-mgr.").is_some())?;
        let managers = fme.join(manager).join("fpga_manager");
        let names = host.names(&managers).ok()?;
        let text = host.read(managers.join(names.first()?).join("status")).ok()?;
        Some(Faults::from_manager(&text))
    }

    fn release(&self, fme: BorrowedFd<'_>, port: u32) -> Result<()> {
        ioctl::dfl_move_port(fme, ioctl::FME_PORT_RELEASE, port)
    }

    fn assign(&self, fme: BorrowedFd<'_>, port: u32) -> Result<()> {
        ioctl::dfl_move_port(fme, ioctl::FME_PORT_ASSIGN, port)
    }
}

impl Driver for Opae {
    fn name(&self) -> &'static str {
        "OPAE"
    }

    fn fme_prefix(&self) -> &'static str {
        "intel-fpga-fme."
    }

    fn port_prefix(&self) -> &'static str {
        "intel-fpga-port."
    }

    fn cards(&self) -> &'static str {
        "fpga"
    }

    fn card_prefix(&self) -> &'static str {
        "intel-fpga-dev."
    }

    fn interface_files(&self, host: &Host, fme: &Path) -> std::result::Result<Vec<PathBuf>, HostError> {
        let file = fme.join("pr/interface_id");
        // A card that cannot be programmed has none.
        Ok(if host.exists(&file) || !host.exists(fme) { vec![file] } else { Vec::new() })
    }

    fn magic(&self) -> u8 {
        ioctl::INTEL
    }

    fn port_info(&self, port: BorrowedFd<'_>) -> Result<PortInfo> {
        ioctl::intel_port_info(port)
    }

    fn program(&self, fme: BorrowedFd<'_>, port: u32, bitstream: &[u8]) -> (Result<()>, Faults) {
        let (result, status) = ioctl::intel_program(fme, port, bitstream);
        (result, Faults(if result == Err(Errno::IO) { status } else { 0 }))
    }

    fn faults(&self, _: &Host, _: &Path) -> Option<Faults> {
        None
    }

    fn release(&self, fme: BorrowedFd<'_>, port: u32) -> Result<()> {
        ioctl::intel_move_port(fme, ioctl::FME_PORT_RELEASE, port)
    }

    fn assign(&self, fme: BorrowedFd<'_>, port: u32) -> Result<()> {
        ioctl::intel_move_port(fme, ioctl::FME_PORT_ASSIGN, port)
    }
}
