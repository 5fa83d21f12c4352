//! PCI functions: addresses, ids, drivers, SR-IOV, IOMMU groups.

/// Where a PCI function sits: domain, bus, device, function.
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
