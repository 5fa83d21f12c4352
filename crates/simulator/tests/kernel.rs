//! What the kernel of a simulated node does when an attribute is written to.

#[cfg(test)]
mod kernel {
    mod dlb;
    mod idxd;
    mod idxd_attributes;
    mod idxd_drivers;
    mod nodes;
    mod pci;
    mod qat;
    mod scene;
    mod sriov;
}
