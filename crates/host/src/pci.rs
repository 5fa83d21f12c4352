//! PCI functions as `/sys/bus/pci` shows them: address, ids, driver, SR-IOV, IOMMU group
//! (`Documentation/ABI/testing/sysfs-bus-pci`).

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::attribute::ParseError;
use crate::numa;
use crate::{Host, HostError, Reads};

const PCI_ID: &str = "a PCI id like 0x8086";
const COUNT: &str = "a number of functions";

/// What [`PciFunction`] reads of a function's folder.
pub const READS: &[&str] = &[
    "vendor",
    "device",
    "class",
    "driver",
    "driver_override",
    "iommu_group/name",
    "physfn",
    "virtfn#",
    "sriov_numvfs",
    "sriov_totalvfs",
    "sriov_offset",
    "sriov_stride",
    "sriov_drivers_autoprobe",
    ".../numa_node",
    ".../local_cpulist",
];

/// What everybody reads who looks through all functions for those of certain ids.
pub const SEARCH: Reads = Reads::of("/sys/bus/pci/devices/*", &["vendor", "device", "class", "driver"]);

/// Where a PCI function sits: `dddd:bb:dd.f`, hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// 16 bits on a plain machine, more behind a VMD controller.
    pub domain: u32,
    /// 8 bits.
    pub bus: u8,
    /// 5 bits.
    pub device: u8,
    /// 3 bits.
    pub function: u8,
}

/// A vendor's or a device's id, written as sysfs does: `0x8086`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciId(pub u16);

/// A PCI function of a node. It holds no state: each value is read when it is asked for.
///
/// When the function is gone in the meantime, every method gives an error that
/// [is not found](HostError::is_not_found), also those that answer `None` for what a function need not have.
#[derive(Debug, Clone)]
pub struct PciFunction {
    host: Host,
    address: PciAddress,
    folder: PathBuf,
}

/// The PCI functions of the node, sorted.
pub fn addresses(host: &Host) -> Result<Vec<PciAddress>, HostError> {
    let names = host.names("/sys/bus/pci/devices")?;
    let mut addresses: Vec<PciAddress> = names.iter().filter_map(|name| name.parse().ok()).collect();
    addresses.sort_unstable();
    Ok(addresses)
}

impl PciFunction {
    /// The function at an address.
    pub fn at(host: &Host, address: PciAddress) -> Result<Self, HostError> {
        Self::of(host, format!("/sys/bus/pci/devices/{address}"))
    }

    /// The function that a link leads to, such as `/sys/class/drm/card0/device`.
    pub fn of(host: &Host, link: impl AsRef<Path>) -> Result<Self, HostError> {
        let link = link.as_ref();
        let folder = host.resolve(link)?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let address = name.parse().map_err(|e: ParseError| HostError::invalid(link, e.to_string()))?;
        Ok(Self { host: host.clone(), address, folder })
    }

    /// Where it sits.
    pub fn address(&self) -> PciAddress {
        self.address
    }

    /// Its folder below `/sys/devices`, without links.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Who made it.
    pub fn vendor(&self) -> Result<PciId, HostError> {
        self.host.parse(self.folder.join("vendor"), PCI_ID)
    }

    /// What it is, in its vendor's numbering.
    pub fn device(&self) -> Result<PciId, HostError> {
        self.host.parse(self.folder.join("device"), PCI_ID)
    }

    /// The driver that it is bound to, if any.
    pub fn driver(&self) -> Result<Option<String>, HostError> {
        self.optional(self.host.link_name(self.folder.join("driver")))
    }

    /// The only driver that it may be bound to, if one was set.
    pub fn driver_override(&self) -> Result<Option<String>, HostError> {
        let driver = self.optional(self.host.read(self.folder.join("driver_override")))?;
        // What the kernel prints for none.
        Ok(driver.filter(|driver| driver != "(null)" && !driver.is_empty()))
    }

    /// The number of its IOMMU group; `None` where the IOMMU is off.
    pub fn iommu_group(&self) -> Result<Option<u32>, HostError> {
        let path = self.folder.join("iommu_group");
        let Some(name) = self.optional(self.host.link_name(&path))? else {
            return Ok(None);
        };
        match name.parse() {
            Ok(group) => Ok(Some(group)),
            Err(_) => Err(HostError::invalid(&path, format!("{name:?} is not the number of a group"))),
        }
    }

    /// The name of the device node below `/dev/vfio` that stands for its IOMMU group: `12`, or `noiommu-12` where VFIO
    /// works without an IOMMU (`drivers/vfio/group.c`). `None` where there is no group.
    pub fn vfio_group(&self) -> Result<Option<String>, HostError> {
        let Some(group) = self.iommu_group()? else { return Ok(None) };
        let kind = self.optional(self.host.read(self.folder.join("iommu_group/name")))?;
        let prefix = if kind.as_deref() == Some("vfio-noiommu") { "noiommu-" } else { "" };
        Ok(Some(format!("{prefix}{group}")))
    }

    /// How many virtual functions are enabled; `None` for what cannot have any, such as a virtual function.
    pub fn sriov_numvfs(&self) -> Result<Option<u16>, HostError> {
        self.optional(self.host.parse(self.folder.join("sriov_numvfs"), COUNT))
    }

    /// How many virtual functions can be enabled; `None` for what cannot have any, such as a virtual function.
    pub fn sriov_totalvfs(&self) -> Result<Option<u16>, HostError> {
        self.optional(self.host.parse(self.folder.join("sriov_totalvfs"), COUNT))
    }

    /// Its virtual functions, in the order of their numbers. One that goes while they are listed is left out.
    pub fn virtual_functions(&self) -> Result<Vec<Self>, HostError> {
        let names = self.host.names(&self.folder)?;
        let mut numbers: Vec<u32> =
            names.iter().filter_map(|name| name.strip_prefix("virtfn")?.parse().ok()).collect();
        numbers.sort_unstable();
        let mut functions = Vec::new();
        for number in numbers {
            match self.virtual_function(number) {
                Ok(function) if !self.host.exists(&function.folder) => {}
                Ok(function) => functions.push(function),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(functions)
    }

    /// Its virtual function of that number, which begins at 0. That one may be going.
    pub fn virtual_function(&self, number: u32) -> Result<Self, HostError> {
        let link = self.folder.join(format!("virtfn{number}"));
        let target = self.host.link_target(&link)?;
        // There are many, and they are the physical one's neighbours as a rule.
        let neighbour =
            target.strip_prefix("..").ok().and_then(|name| Some((name, name.to_str()?.parse().ok()?)));
        match (neighbour, self.folder.parent()) {
            (Some((name, address)), Some(parent)) => {
                Ok(Self { host: self.host.clone(), address, folder: parent.join(name) })
            }
            _ => Self::of(&self.host, link),
        }
    }

    /// Where its first `count` virtual functions are or will be, if that is known before they are enabled (PCI Express Base
    /// Specification, "First VF Offset" and "VF Stride"; in sysfs since Linux 4.15).
    pub fn virtual_addresses(&self, count: u16) -> Option<Vec<PciAddress>> {
        let read =
            |name: &str| self.host.parse::<u16>(self.folder.join(name), "a distance of functions").ok();
        let (offset, stride) = (read("sriov_offset")?, read("sriov_stride")?);
        if offset == 0 || (stride == 0 && count > 1) {
            // Hardware may know it only when they are enabled.
            return None;
        }
        let distance = |number: u16| offset.checked_add(stride.checked_mul(number)?);
        (0..count).map(|number| self.address.plus(distance(number)?)).collect()
    }

    /// The physical function that it is a virtual function of, if it is one.
    pub fn physical_function(&self) -> Result<Option<Self>, HostError> {
        self.optional(Self::of(&self.host, self.folder.join("physfn")))
    }

    /// The NUMA nodes that it is near to, sorted; none where it has no place.
    pub fn numa_nodes(&self) -> Result<Vec<u32>, HostError> {
        let own = self.optional(numa::nodes_of(&self.host, &self.folder))?.unwrap_or_default();
        match self.folder.parent() {
            Some(parent) if own.is_empty() => numa::nearest(&self.host, parent),
            _ => Ok(own),
        }
    }

    /// `None` for what is not there, unless the function itself is gone.
    fn optional<T>(&self, found: Result<T, HostError>) -> Result<Option<T>, HostError> {
        match found {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_not_found() && self.host.exists(&self.folder) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl PciAddress {
    /// The function that is `distance` further, across devices and buses; `None` beyond the last bus.
    pub fn plus(self, distance: u16) -> Option<Self> {
        let id = u16::from(self.bus) << 8 | u16::from(self.device) << 3 | u16::from(self.function);
        let [bus, rest] = id.checked_add(distance)?.to_be_bytes();
        Some(Self { bus, device: rest >> 3, function: rest & 7, ..self })
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

impl FromStr for PciAddress {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parse = || {
            let (domain, rest) = text.split_once(':')?;
            let (bus, rest) = rest.split_once(':')?;
            let (device, function) = rest.split_once('.')?;
            Some(Self {
                domain: (domain.len() >= 4).then(|| hex(domain, 8))??,
                bus: u8::try_from((bus.len() == 2).then(|| hex(bus, 2))??).ok()?,
                device: u8::try_from((device.len() == 2).then(|| hex(device, 2))??)
                    .ok()
                    .filter(|n| *n < 32)?,
                function: u8::try_from(hex(function, 1)?).ok().filter(|n| *n < 8)?,
            })
        };
        parse().ok_or_else(|| ParseError::new(text, "a PCI address like 0000:03:00.0"))
    }
}

impl fmt::Display for PciId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04x}", self.0)
    }
}

impl FromStr for PciId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 4);
        let id = digits.and_then(|digits| u16::try_from(hex(digits, 4)?).ok());
        id.map(Self).ok_or_else(|| ParseError::new(text, PCI_ID))
    }
}

/// One to `most` hexadecimal digits and nothing else: the standard library would also take a sign.
fn hex(digits: &str, most: usize) -> Option<u32> {
    let good = digits.len() <= most && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests;
