//! Virtual functions (`drivers/pci/iov.c`).

use std::collections::BTreeMap;
use std::path::Path;

use host::{Host, PciAddress, PciFunction, PciId, pci};
use rustix::io::Errno;

use super::drivers::{self, Kind};
use super::machine::{Done, Machine, ensure, refuse};
use super::number;
use super::pci::Function;

/// Where the virtual functions of all physical ones are, if the node shows it.
pub(super) fn places(host: &Host) -> BTreeMap<PciAddress, (u16, u16)> {
    let addresses = pci::addresses(host).unwrap_or_default().into_iter();
    let places = addresses.filter_map(|address| {
        let folder = Path::new("/sys/bus/pci/devices").join(address.to_string());
        Some((address, place(host, &folder)?))
    });
    places.collect()
}

fn place(host: &Host, folder: &Path) -> Option<(u16, u16)> {
    let read = |name: &str| host.read(folder.join(name)).ok()?.parse::<u16>().ok().filter(|n| *n > 0);
    Some((read("sriov_offset")?, read("sriov_stride")?))
}

impl Machine<'_> {
    /// `sriov_numvfs_store`
    pub(super) fn set_number_of_functions(&mut self, function: &Function, value: &str) -> Done {
        let count = number::unsigned(value, 0).and_then(|count| u16::try_from(count).ok());
        let Some(count) = count else { return refuse(Errno::INVAL) };
        let total = self.parse(&function.attribute("sriov_totalvfs")).unwrap_or(0);
        ensure(count <= total, Errno::RANGE)?;
        let enabled = self.parse(&function.attribute("sriov_numvfs")).unwrap_or(0);
        if count == enabled {
            return Ok(());
        }
        let kind = match self.driver_of(function).as_deref().map(drivers::kind_of) {
            // No driver, or one that cannot do it.
            None | Some(Kind::QatVf | Kind::Idxd) => return refuse(Errno::NOENT),
            Some(kind) => kind,
        };
        if kind == Kind::Qat {
            return self.set_number_of_qat(function, count, enabled, total);
        }
        if count == 0 {
            return self.remove_functions(function);
        }
        ensure(enabled == 0, Errno::BUSY)?;
        self.add_functions(function, count)
    }

    /// `sriov_enable`
    pub(super) fn add_functions(&mut self, physical: &Function, count: u16) -> Done {
        let Some(addresses) = self.virtual_addresses(physical, count) else { return refuse(Errno::IO) };
        let device: PciId = self.virtual_device(physical)?;
        let read = |name: &str| self.read(&physical.attribute(name)).unwrap_or_default();
        let words = format!(
            "at={} pf={} device={device} class={} vendor={} revision={} numa={} cpus={}",
            physical.at(),
            physical.address,
            read("class"),
            read("vendor"),
            read("revision"),
            read("numa_node"),
            read("local_cpulist"),
        );
        let is_dlb = self.driver_of(physical).as_deref().map(drivers::kind_of) == Some(Kind::Dlb);
        for (number, address) in addresses.into_iter().enumerate() {
            if is_dlb {
                self.add_resources(physical, number)?;
            }
            let group = number::first_free("", &self.names(Path::new("/sys/kernel/iommu_groups")));
            let words = format!("pci-vf as={address} pci={address} vf={number} group={group} {words}");
            self.node.add(&words).map_err(std::io::Error::other)?;
            if let Some(function) = self.function(&address.to_string()) {
                self.attach(&function);
            }
        }
        self.hold(&physical.attribute("sriov_numvfs"), &count.to_string())?;
        self.announce_function("change", physical, &[])
    }

    /// `sriov_disable`: the last one goes first.
    pub(super) fn remove_functions(&mut self, physical: &Function) -> Done {
        let found = PciFunction::at(&self.node.host(), physical.address).ok();
        let functions = found.and_then(|one| one.virtual_functions().ok()).unwrap_or_default();
        for function in functions.iter().rev() {
            if let Some(function) = self.function(&function.address().to_string()) {
                self.release(&function)?;
                self.uproot(&function.folder)?;
            }
        }
        self.remove_resources(physical)?;
        self.show(&physical.attribute("sriov_numvfs"), "0")
    }

    /// Where its first `count` virtual functions are: hardware knows that also where the node does not show it.
    fn virtual_addresses(&self, physical: &Function, count: u16) -> Option<Vec<PciAddress>> {
        let known = self.memory.places.get(&physical.address).copied();
        let (offset, stride) = place(&self.node.host(), &physical.folder).or(known)?;
        let distance = |number: u16| offset.checked_add(stride.checked_mul(number)?);
        (0..count).map(|number| physical.address.plus(distance(number)?)).collect()
    }

    /// The device id of virtual functions; that of the physical one where the node does not show it.
    fn virtual_device(&self, physical: &Function) -> Done<PciId> {
        let shown = self.read(&physical.attribute("sriov_vf_device"));
        let id = shown.and_then(|text| u16::from_str_radix(&text, 16).ok()).filter(|id| *id != 0);
        let own = self.ids_of(physical).map(|(_, device)| device);
        id.map(PciId).or(own).map_or_else(|| refuse(Errno::IO), Ok)
    }
}
