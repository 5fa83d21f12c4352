//! The kernel drivers of Intel FPGAs: the kernel's own (DFL, `Documentation/fpga/dfl.rst`) and Intel's (OPAE, `intel-fpga`).
//!
//! A card has a management engine, the [`Fme`], and ports; behind a [`Port`] is the accelerator function (AFU) that
//! programs use, and that partial reconfiguration replaces: [`LockedPort::reconfigure`]. [`fmes`] and [`ports`] list them.
//! [`Driver`] is what the two kernel drivers do differently, in sysfs and in their ioctls; [`sysfs`] needs no device node.
//!
//! Paths are those of a [`host::Host`], so all of this works on a simulated node too; its ioctls are then answered by the
//! test tool `fpga-emulator`.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use fpga_bitstream::Bitstream;
//! use fpga_programming::Port;
//!
//! let host = host::Host::real();
//! let port = Port::find(&host, "dfl-port.0")?;
//! let bitstream = Bitstream::open("nlb0.gbs")?;
//! port.lock(Duration::from_secs(60))?.reconfigure(&bitstream)?;
//! println!("{} has now {}", port.name(), port.afu_id()?);
//! # Ok(())
//! # }
//! ```

mod device;
mod driver;
mod error;
mod faults;
mod fme;
mod ioctl;
mod port;
mod reads;
mod reconfigure;
mod record;
pub mod sysfs;

pub use driver::{DRIVERS, Driver};
pub use error::Error;
pub use faults::{Fault, Faults};
pub use fme::{Fme, Lock, fmes};
pub use ioctl::{PortInfo, Region};
pub use port::{Port, ports};
pub use reads::READS;
pub use reconfigure::LockedPort;
