//! What can go wrong, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use fpga_bitstream::Id;
use host::{HostError, PciAddress};

use crate::Faults;

/// Why a port or a management engine could not be found, asked or reconfigured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something in sysfs or `/dev` could not be read.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The device node is not one of an FPGA, or not of the kind that was asked for.
    #[error("{} is the device {name}, not {expected}", node.display())]
    Kind {
        /// What was asked for.
        node: PathBuf,
        /// The name that the kernel has for the device of that number.
        name: String,
        /// What it should be, such as "an FPGA port (dfl-port.N or intel-fpga-port.N)".
        expected: &'static str,
    },
    /// The node's number is not the device's: it was made by hand, or is left from another device.
    #[error("{} does not stand for {name}: remove it, and have udev make it again", node.display())]
    Node {
        /// The device node.
        node: PathBuf,
        /// The device that has this name in sysfs.
        name: String,
    },
    /// The PCI function is of another class than FPGA cards are.
    #[error(
        "{name} is on the PCI function {function}, which is of class {class}, not 0x120000 as FPGA cards are"
    )]
    Class {
        /// The port or management engine.
        name: String,
        /// Its PCI function.
        function: PciAddress,
        /// The function's class, as sysfs has it.
        class: String,
    },
    /// No management engine, or more than one, on the card of a port.
    #[error("the card at {function} has {count} management engines instead of one")]
    Engines {
        /// The card, which for a port of a virtual function is the physical one.
        function: PciAddress,
        /// How many were found.
        count: usize,
    },
    /// The card has no region that can be programmed: the driver for it is not loaded, or it cannot do it.
    #[error("{fme} has no region that can be programmed: load its driver (for DFL, dfl-fme-region)")]
    NoRegion {
        /// The management engine.
        fme: String,
    },
    /// The regions of a card have different interfaces.
    #[error("the regions of {fme} have different interfaces, and which port has which does not show")]
    Interfaces {
        /// The management engine.
        fme: String,
    },
    /// All ids read are ones.
    #[error("{name} does not answer, its id is all ones: reset the card or power it off and on")]
    NoAnswer {
        /// The port or management engine.
        name: String,
    },
    /// The bitstream was made for another interface.
    #[error(
        "the bitstream is for the interface {bitstream}, but {fme} has {card}: take one that was built for this card"
    )]
    Interface {
        /// The management engine.
        fme: String,
        /// Its interface.
        card: Id,
        /// The bitstream's.
        bitstream: Id,
    },
    /// Somebody has the device node open.
    #[error("{name} is in use: end what has {} open, such as the container that it is given to", node.display())]
    InUse {
        /// The port or management engine.
        name: String,
        /// Its device node.
        node: PathBuf,
    },
    /// Another process is reconfiguring the card, for longer than one may wait.
    #[error("{fme} is still being programmed by another process after {} s: try again later", waited.as_secs())]
    Locked {
        /// The management engine.
        fme: String,
        /// How long was waited.
        waited: Duration,
    },
    /// A port was not released or assigned.
    #[error("cannot {operation} port {port} of {fme}: {hint}")]
    Move {
        /// "release" or "assign".
        operation: &'static str,
        /// The port's number on the card.
        port: u32,
        /// The management engine.
        fme: String,
        /// What may be the reason.
        hint: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The kernel refused a request.
    #[error("cannot {operation} {name}")]
    Request {
        /// What was asked for, as a verb.
        operation: &'static str,
        /// The port or management engine.
        name: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The hardware refused the bitstream. What is behind the port is not usable.
    #[error("{name} was not programmed: {faults}. It cannot be used until a good bitstream is programmed")]
    Refused {
        /// The port.
        name: String,
        /// What the hardware says.
        faults: Faults,
    },
    /// The bitstream's file could not be read any more.
    #[error(transparent)]
    Bitstream(#[from] fpga_bitstream::Error),
    /// What was programmed could not be written down, or what was before not be forgotten.
    #[error("cannot {operation} {}", path.display())]
    Record {
        /// "write" or "remove".
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// All went well, but the port has not the function that was wanted.
    #[error(
        "{name} was programmed but has the function {found}, not {wanted}: the bitstream holds another function"
    )]
    Function {
        /// The port.
        name: String,
        /// What was asked for.
        wanted: Id,
        /// What the port says that it has.
        found: Id,
    },
}

impl Error {
    pub(crate) fn request(operation: &'static str, name: &str, source: impl Into<io::Error>) -> Self {
        Self::Request { operation, name: name.to_owned(), source: source.into() }
    }
}
