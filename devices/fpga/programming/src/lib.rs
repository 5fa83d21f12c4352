//! The kernel drivers of Intel FPGAs: the kernel's own (DFL, `Documentation/fpga/dfl.rst`) and Intel's (OPAE, `intel-fpga`).
//!
//! A card has a management engine, the [`Fme`], and ports; behind a [`Port`] is the accelerator function (AFU) that
//! programs use, and that partial reconfiguration replaces: [`Port::reconfigure`]. [`fmes`] and [`ports`] list them.
//! [`Driver`] is what the two kernel drivers do differently, in sysfs and in their ioctls.
//!
//! Paths are those of a [`host::Host`], so all of this works on a simulated node too; its ioctls are then answered by the
//! test tool `fpga-emulator`.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use fpga_programming::{Bitstream, Outcome, Port};
//!
//! let host = host::Host::real();
//! let port = Port::find(&host, "dfl-port.0")?;
//! let bitstream = Bitstream {
//!     interface: "69528db6eb31577a8c3668f9faa081f6".parse()?,
//!     afu: "d8424dc4a4a3c413f89e433683f9040b".parse()?,
//!     data: &[0; 4096],
//! };
//! if port.ensure(&bitstream, Duration::from_secs(60))? == Outcome::Reconfigured {
//!     println!("{} has now {}", port.name(), port.afu_id()?);
//! }
//! # Ok(())
//! # }
//! ```

mod device;
mod driver;
mod error;
mod faults;
mod fme;
mod id;
mod ioctl;
mod port;
mod reconfigure;

pub use driver::{DRIVERS, Driver};
pub use error::Error;
pub use faults::{Fault, Faults};
pub use fme::{Fme, Lock, fmes};
pub use id::{BadId, Id};
pub use ioctl::{PortInfo, Region};
pub use port::{Port, ports};
pub use reconfigure::{Bitstream, Outcome};
