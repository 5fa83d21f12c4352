//! The drivers for PCI functions that the kernel has a behaviour for, and what each driver is for.

use std::collections::BTreeMap;
use std::path::Path;

use host::{Host, PciFunction, PciId};

use super::machine::Ids;

/// What happens when a function is bound to a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing else.
    Plain,
    /// A QAT's physical function.
    Qat,
    /// A QAT's virtual function.
    QatVf,
    Dlb,
    Idxd,
    Vfio,
}

struct Driver {
    name: &'static str,
    kind: Kind,
    /// Device ids, all of Intel. A driver without is bound by `driver_override` or `new_id` only.
    ids: &'static [u16],
}

pub(super) const INTEL: PciId = PciId(0x8086);

/// `drivers/crypto/intel/qat/*/adf_drv.c`, those of QAT's out-of-tree package, `drivers/dma/idxd/init.c`, `dlb2_main.h`.
const DRIVERS: [Driver; 23] = [
    driver("4xxx", Kind::Qat, &[0x4940, 0x4942, 0x4944]),
    driver("420xx", Kind::Qat, &[0x4946]),
    driver("6xxx", Kind::Qat, &[0x4948]),
    driver("c3xxx", Kind::Qat, &[0x19e2]),
    driver("c4xxx", Kind::Qat, &[0x18a0]),
    driver("c6xx", Kind::Qat, &[0x37c8]),
    driver("d15xx", Kind::Qat, &[0x6f54]),
    driver("dh895xcc", Kind::Qat, &[0x0435]),
    driver("4xxxvf", Kind::QatVf, &[0x4941, 0x4943, 0x4945]),
    driver("420xxvf", Kind::QatVf, &[0x4947]),
    driver("6xxxvf", Kind::QatVf, &[0x4949]),
    driver("c3xxxvf", Kind::QatVf, &[0x19e3]),
    driver("c4xxxvf", Kind::QatVf, &[0x18a1]),
    driver("c6xxvf", Kind::QatVf, &[0x37c9]),
    driver("d15xxvf", Kind::QatVf, &[0x6f55]),
    driver("dh895xccvf", Kind::QatVf, &[0x0442, 0x0443]),
    driver("dlb2", Kind::Dlb, &[0x2710, 0x2711, 0x2714, 0x2715]),
    driver("idxd", Kind::Idxd, &[0x0b25, 0x11fb, 0x1212, 0x0cfe, 0x1216, 0xb02d, 0xfd2d]),
    driver("vfio-pci", Kind::Vfio, &[]),
    driver("qat_vfio_pci", Kind::Vfio, &[]),
    driver("igb_uio", Kind::Plain, &[]),
    driver("uio_pci_generic", Kind::Plain, &[]),
    driver("pci-stub", Kind::Plain, &[]),
];

/// Those of `drivers/dma/idxd/init.c` that are IAA.
pub(super) const IAA_IDS: [PciId; 4] = [PciId(0x0cfe), PciId(0x1216), PciId(0xb02d), PciId(0xfd2d)];

const fn driver(name: &'static str, kind: Kind, ids: &'static [u16]) -> Driver {
    Driver { name, kind, ids }
}

pub(super) fn kind_of(name: &str) -> Kind {
    find(name).map_or(Kind::Plain, |driver| driver.kind)
}

/// Whether a driver is for functions of this kind without being told.
pub(super) fn is_for(name: &str, vendor: PciId, device: PciId) -> bool {
    find(name).is_some_and(|driver| vendor == INTEL && driver.ids.contains(&device.0))
}

fn find(name: &str) -> Option<&'static Driver> {
    DRIVERS.iter().find(|driver| driver.name == name)
}

/// What the drivers of a node are for, by the functions that they have, where it is not well known.
pub(super) fn known(host: &Host) -> BTreeMap<String, Ids> {
    let mut known = BTreeMap::new();
    let folder = Path::new("/sys/bus/pci/drivers");
    for name in host.names(folder).unwrap_or_default() {
        if find(&name).is_some() {
            continue;
        }
        let links = host.names(folder.join(&name)).unwrap_or_default();
        let functions = links.iter().filter_map(|link| PciFunction::at(host, link.parse().ok()?).ok());
        let ids = functions.filter_map(|one| Some((one.vendor().ok()?, one.device().ok()?)));
        known.insert(name, ids.collect());
    }
    known
}
