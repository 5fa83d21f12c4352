//! PCI functions in the hands of VFIO (`drivers/vfio/group.c`).

use std::path::Path;

use rustix::io::Errno;

use super::drivers::{self, Kind};
use super::machine::{Done, Machine, refuse};
use super::pci::Function;

impl Machine<'_> {
    /// The first function of an IOMMU group brings the group's node. Without an IOMMU there is no group.
    pub(super) fn start_vfio(&mut self, function: &Function) -> Done {
        let Some(group) = self.group_of(function) else { return refuse(Errno::INVAL) };
        if self.exists(Path::new("/sys/devices/virtual/vfio").join(&group)) {
            return Ok(());
        }
        self.graft(&function.folder, &format!("vfio-node group={group}"))
    }

    /// The last function of an IOMMU group takes the group's node away. It is unbound already.
    pub(super) fn stop_vfio(&mut self, function: &Function) -> Done {
        let Some(group) = self.group_of(function) else { return Ok(()) };
        let names = self.names(&Path::new("/sys/kernel/iommu_groups").join(&group).join("devices"));
        let drivers = names.iter().filter_map(|name| self.driver_of(&self.function(name)?));
        if drivers.into_iter().any(|driver| drivers::kind_of(&driver) == Kind::Vfio) {
            return Ok(());
        }
        self.uproot(&Path::new("/sys/devices/virtual/vfio").join(group))
    }

    fn group_of(&self, function: &Function) -> Option<String> {
        self.link_name(&function.attribute("iommu_group"))
    }
}
