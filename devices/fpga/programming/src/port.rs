//! Ports.

use std::path::{Path, PathBuf};

use fpga_bitstream::Id;
use host::{DeviceNumber, Host, HostError, PciFunction};

use crate::device::{Device, Kind};
use crate::{Driver, Error, Fme, PortInfo, Region};

/// A port: the way to the function (AFU) that is programmed behind it. It holds no state: each value is read when it is
/// asked for.
#[derive(Debug, Clone)]
pub struct Port(Device);

/// The names of all ports of the node, sorted by bytes. None where no driver is loaded.
pub fn ports(host: &Host) -> Result<Vec<String>, HostError> {
    Kind::Port.names(host)
}

impl Port {
    /// The port of a device node, by the node's name in `/dev` (`dfl-port.0`) or its path.
    pub fn find(host: &Host, node: &str) -> Result<Self, Error> {
        Device::find(host, node, Kind::Port).map(Self)
    }

    /// The one of that device number: what a node that a container has under any name stands for.
    pub fn of(host: &Host, number: DeviceNumber) -> Result<Self, Error> {
        Device::of(host, number, Kind::Port, Path::new("the device node")).map(Self)
    }

    /// `dfl-port.0`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// `/dev/dfl-port.0`.
    pub fn node(&self) -> PathBuf {
        self.0.node()
    }

    /// Its folder below `/sys/devices`, without links.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// The PCI function that it belongs to: the card's, or a virtual one of it.
    pub fn function(&self) -> &PciFunction {
        &self.0.function
    }

    /// The driver that the card is on.
    pub fn driver(&self) -> &'static dyn Driver {
        self.0.driver
    }

    /// Whether it was given to a virtual function.
    pub fn is_virtual(&self) -> Result<bool, Error> {
        Ok(self.0.function.physical_function()?.is_some())
    }

    /// Its number on the card.
    pub fn number(&self) -> Result<u32, Error> {
        Ok(self.0.host.parse(self.0.folder.join("id"), "the number of a port")?)
    }

    /// The id of the function that is programmed now. It cannot be read while the port is disabled.
    pub fn afu_id(&self) -> Result<Id, Error> {
        Ok(self.0.host.parse(self.0.folder.join("afu_id"), Id::EXPECTED)?)
    }

    /// The management engine that programs it. A virtual function has none of its own.
    pub fn fme(&self) -> Result<Fme, Error> {
        Fme::on(&self.0.function, &self.0.host, self.0.driver)
    }

    /// The id of the interface between the card and what can be programmed behind this port.
    pub fn interface_id(&self) -> Result<Id, Error> {
        self.fme()?.interface_of(self)
    }

    /// What it has.
    pub fn info(&self) -> Result<PortInfo, Error> {
        self.0.ask("ask for the properties of", |node| self.0.driver.port_info(node))
    }

    /// A region of its registers; there are [`PortInfo::regions`], counted from 0.
    pub fn region(&self, index: u32) -> Result<Region, Error> {
        self.0.ask("ask for a region of", |node| self.0.driver.region(node, index))
    }

    /// The version of the driver's API.
    pub fn api_version(&self) -> Result<i32, Error> {
        self.0.ask("ask for the API version of", |node| self.0.driver.api_version(node))
    }

    /// Whether the driver has any extension of its API.
    pub fn check_extension(&self) -> Result<bool, Error> {
        self.0.ask("ask for the extensions of", |node| self.0.driver.check_extension(node))
    }

    /// Resets the port and the function behind it.
    pub fn reset(&self) -> Result<(), Error> {
        self.0.ask("reset", |node| self.0.driver.reset(node))
    }

    pub(crate) fn device(&self) -> &Device {
        &self.0
    }
}
