//! What ports and management engines have in common: a name, a folder in sysfs, a node, a PCI function.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use host::{DeviceNumber, Host, HostError, PciFunction, number_of};
use rustix::io::Errno;

use crate::sysfs::{card_of, names};
use crate::{DRIVERS, Driver, Error};

/// A device of a driver.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) host: Host,
    pub(crate) driver: &'static dyn Driver,
    pub(crate) name: String,
    /// Below `/sys/devices`, without links.
    pub(crate) folder: PathBuf,
    pub(crate) function: PciFunction,
    number: DeviceNumber,
}

/// Ports or management engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fme,
    Port,
}

impl Kind {
    fn prefix(self, driver: &dyn Driver) -> &'static str {
        match self {
            Self::Fme => driver.fme_prefix(),
            Self::Port => driver.port_prefix(),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Fme => "an FPGA management engine (dfl-fme.N or intel-fpga-fme.N)",
            Self::Port => "an FPGA port (dfl-port.N or intel-fpga-port.N)",
        }
    }

    /// The driver by whose rules the name is one of this kind.
    pub(crate) fn driver_of(self, name: &str) -> Option<&'static dyn Driver> {
        DRIVERS.into_iter().find(|driver| number_of(name, self.prefix(*driver)).is_some())
    }

    /// The names of all devices of this kind on the node, sorted by bytes. None where no driver is loaded.
    pub(crate) fn names(self, host: &Host) -> Result<Vec<String>, HostError> {
        let mut names = names(host, Path::new("/sys/bus/platform/devices"))?;
        names.retain(|name| self.driver_of(name).is_some());
        Ok(names)
    }
}

/// What sysfs says of a character device.
struct Number(DeviceNumber);

impl FromStr for Number {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (major, minor) = text.split_once(':').ok_or(())?;
        let number = |text: &str| text.parse().map_err(drop);
        Ok(Self(DeviceNumber { block: false, major: number(major)?, minor: number(minor)? }))
    }
}

impl Device {
    /// The device of a node, which is given by its name in `/dev` or by its path.
    pub(crate) fn find(host: &Host, node: &str, kind: Kind) -> Result<Self, Error> {
        let node = if node.contains('/') { PathBuf::from(node) } else { Path::new("/dev").join(node) };
        let number = host.device_number(&node)?;
        Self::of(host, number, kind, &node)
    }

    /// The device of a folder in sysfs. It needs no node: a container has that of its port, and not that of the card's
    /// management engine.
    pub(crate) fn at(host: &Host, folder: &Path, kind: Kind) -> Result<Self, Error> {
        let Number(number) = host.parse(folder.join("dev"), "a device number, MAJOR:MINOR")?;
        Self::of(host, number, kind, folder)
    }

    /// The device of that number; `asked` is what stands for it in messages.
    pub(crate) fn of(host: &Host, number: DeviceNumber, kind: Kind, asked: &Path) -> Result<Self, Error> {
        let class = if number.block { "block" } else { "char" };
        let folder = host.resolve(format!("/sys/dev/{class}/{}:{}", number.major, number.minor))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(driver) = kind.driver_of(&name) else {
            return Err(Error::Kind { node: asked.to_owned(), name, expected: kind.expected() });
        };
        let function = card_of(host, &folder)?;
        Ok(Self { host: host.clone(), driver, name, folder, function, number })
    }

    /// Its device node.
    pub(crate) fn node(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// Opens its node, which must be the node of this device.
    pub(crate) fn open(&self, exclusive: bool) -> Result<OwnedFd, Error> {
        let node = self.node();
        if self.host.device_number(&node)? != self.number {
            return Err(Error::Node { node, name: self.name.clone() });
        }
        self.host.open_device(&node, exclusive).map_err(|error| {
            if error.source.raw_os_error() == Some(Errno::BUSY.raw_os_error()) {
                return Error::InUse { name: self.name.clone(), node };
            }
            error.into()
        })
    }

    /// Opens its node and asks the driver for something.
    pub(crate) fn ask<T>(
        &self,
        operation: &'static str,
        request: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<T>,
    ) -> Result<T, Error> {
        let node = self.open(false)?;
        request(node.as_fd()).map_err(|error| Error::request(operation, &self.name, error))
    }

    /// An attribute that not every card has.
    pub(crate) fn optional(&self, attribute: &str) -> Result<Option<String>, HostError> {
        match self.host.read(self.folder.join(attribute)) {
            Err(error) if error.is_not_found() && self.host.exists(&self.folder) => Ok(None),
            value => Ok(Some(value?)),
        }
    }
}
