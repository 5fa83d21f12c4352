//! Management engines.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use fpga_bitstream::Id;
use host::{DeviceNumber, Host, HostError, PciFunction};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::device::{Device, Kind};
use crate::{Driver, Error, Port, ports, sysfs};

/// How often a card that somebody else is programming is looked at, which takes seconds.
const RETRY: Duration = Duration::from_millis(20);

/// A card's management engine (FPGA Management Engine, FME). It holds no state: each value is read when it is asked for.
#[derive(Debug, Clone)]
pub struct Fme(Device);

/// The names of all management engines of the node, sorted by bytes. None where no driver is loaded.
pub fn fmes(host: &Host) -> Result<Vec<String>, HostError> {
    Kind::Fme.names(host)
}

impl Fme {
    /// The management engine of a device node, by the node's name in `/dev` (`dfl-fme.0`) or its path.
    pub fn find(host: &Host, node: &str) -> Result<Self, Error> {
        Device::find(host, node, Kind::Fme).map(Self)
    }

    /// The one of that device number.
    pub fn of(host: &Host, number: DeviceNumber) -> Result<Self, Error> {
        Device::of(host, number, Kind::Fme, Path::new("the device node")).map(Self)
    }

    /// The management engine that programs the ports of a card.
    pub(crate) fn on(card: &PciFunction, host: &Host, driver: &'static dyn Driver) -> Result<Self, Error> {
        Device::at(host, &sysfs::fme_folder(host, driver, card)?, Kind::Fme).map(Self)
    }

    /// `dfl-fme.0`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// `/dev/dfl-fme.0`.
    pub fn node(&self) -> PathBuf {
        self.0.node()
    }

    /// Its folder below `/sys/devices`, without links.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// The card.
    pub fn function(&self) -> &PciFunction {
        &self.0.function
    }

    /// The driver that the card is on.
    pub fn driver(&self) -> &'static dyn Driver {
        self.0.driver
    }

    /// The id of the interface between the card and what can be programmed into it, if all its regions have the same.
    pub fn interface_id(&self) -> Result<Id, Error> {
        self.interface(None)
    }

    /// The id of the interface behind a port.
    pub(crate) fn interface_of(&self, port: &Port) -> Result<Id, Error> {
        self.interface(Some(port.folder()))
    }

    fn interface(&self, port: Option<&Path>) -> Result<Id, Error> {
        let interface = sysfs::interface(&self.0.host, self.0.driver, &self.0.folder, port)?;
        if interface.id.is_all_ones() {
            return Err(Error::NoAnswer { name: self.0.name.clone() });
        }
        Ok(interface.id)
    }

    /// How many ports the card has, those given to virtual functions and to nobody included.
    pub fn ports_num(&self) -> Result<u32, Error> {
        Ok(self.0.host.parse(self.0.folder.join("ports_num"), "a number of ports")?)
    }

    /// The socket of an FPGA that is in one package with the processor.
    pub fn socket_id(&self) -> Result<Option<u32>, Error> {
        match self.0.optional("socket_id")? {
            Some(text) if !text.is_empty() => {
                Ok(Some(self.0.host.parse(self.0.folder.join("socket_id"), "the number of a socket")?))
            }
            _ => Ok(None),
        }
    }

    /// The id of the static region's bitstream, hexadecimal with `0x`.
    pub fn bitstream_id(&self) -> Result<Option<String>, Error> {
        Ok(self.0.optional("bitstream_id")?)
    }

    /// Date and seed of the static region's bitstream, hexadecimal with `0x`.
    pub fn bitstream_metadata(&self) -> Result<Option<String>, Error> {
        Ok(self.0.optional("bitstream_metadata")?)
    }

    /// The ports that it programs, by name: the card's own, and those of its virtual functions on this node. One that cannot
    /// be read is left out.
    pub fn ports(&self) -> Result<Vec<Port>, Error> {
        let found = ports(&self.0.host)?.into_iter().filter_map(|name| Port::find(&self.0.host, &name).ok());
        Ok(found.filter(|port| port.fme().is_ok_and(|fme| fme.name() == self.name())).collect())
    }

    /// The version of the driver's API.
    pub fn api_version(&self) -> Result<i32, Error> {
        self.0.ask("ask for the API version of", |node| self.0.driver.api_version(node))
    }

    /// Whether the driver has any extension of its API.
    pub fn check_extension(&self) -> Result<bool, Error> {
        self.0.ask("ask for the extensions of", |node| self.0.driver.check_extension(node))
    }

    /// Takes the port of that number from the physical function, so that a virtual one gets it when those are enabled. Its
    /// device goes.
    pub fn release(&self, port: u32, wait: Duration) -> Result<(), Error> {
        let lock = self.lock(wait)?;
        let hint = "it must not be open, nor be released already";
        self.moved("release", port, hint, self.0.driver.release(lock.fme(), port))
    }

    /// Gives a released port back to the physical function. Its device comes back.
    pub fn assign(&self, port: u32, wait: Duration) -> Result<(), Error> {
        let lock = self.lock(wait)?;
        let hint = "it must have been released";
        self.moved("assign", port, hint, self.0.driver.assign(lock.fme(), port))
    }

    fn moved(
        &self,
        operation: &'static str,
        port: u32,
        hint: &'static str,
        result: rustix::io::Result<()>,
    ) -> Result<(), Error> {
        result.map_err(|error| {
            let hint = if error == Errno::BUSY { hint } else { "is it a port of this card?" };
            Error::Move { operation, port, fme: self.0.name.clone(), hint, source: error.into() }
        })
    }

    /// Keeps everybody else who asks for the lock from changing the card, until it is dropped.
    ///
    /// It is a lock on the device node (`flock(2)`), which the kernel takes back however the process ends. A container with
    /// a node of its own does not share it. While another process has it, this waits, at most as long as said.
    pub fn lock(&self, wait: Duration) -> Result<Lock, Error> {
        let until = Instant::now().checked_add(wait);
        loop {
            match self.0.open(false) {
                Ok(node) => match flock(&node, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => return Ok(Lock(node)),
                    Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                    Err(error) => return Err(Error::request("lock", &self.0.name, error)),
                },
                // Before Linux 5.4 only one process could have it open.
                Err(Error::InUse { .. }) => {}
                Err(error) => return Err(error),
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(Error::Locked { fme: self.0.name.clone(), waited: wait });
            }
            thread::sleep(RETRY);
        }
    }
}

/// The right to change a card: see [`Fme::lock`].
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct Lock(OwnedFd);

impl Lock {
    pub(crate) fn fme(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
