//! The profiles and templates that come with the program, from the folders of those names.

/// Texts by name, sorted.
pub(super) struct Texts(&'static [(&'static str, &'static str)]);

impl Texts {
    pub(super) fn get(&self, name: &str) -> Option<&'static str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
        self.0.iter()
    }

    /// For error messages.
    pub(super) fn names(&self) -> String {
        self.0.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }
}

macro_rules! texts {
    ($folder:literal: $($name:literal)*) => {
        Texts(&[$(($name, include_str!(concat!("../../", $folder, "/", $name, ".txt")))),*])
    };
}

pub(super) const PROFILES: Texts = texts!("profiles":
    "arc-b580-igpu"
    "empty"
    "flex-170-sriov"
    "flex-170-x2"
    "fpga-arria10"
    "fpga-stratix10"
    "max-1550-x8"
    "npu-laptop"
    "wsl"
    "xeon-accelerators"
    "xeon-full"
    "xeon-unconfigured"
);

pub(super) const TEMPLATES: Texts = texts!("templates":
    "arc-b580"
    "char-device"
    "class-device"
    "dlb-function"
    "dlb-pf"
    "dlb-resources"
    "dlb-vf"
    "drm"
    "drm-connector"
    "dsa"
    "dsa-bound"
    "dsa-device"
    "epc"
    "flex-170"
    "flex-170-vf"
    "fpga-dfl"
    "fpga-node"
    "fpga-opae"
    "i915-gt"
    "iaa"
    "iaa-device"
    "idxd"
    "idxd-cdev"
    "idxd-device"
    "idxd-engine"
    "idxd-function"
    "idxd-group"
    "idxd-group-buffers"
    "idxd-wq"
    "idxd-wq-user"
    "igpu"
    "iommu-group"
    "max-1550"
    "mei"
    "misc"
    "npu"
    "numa-node"
    "pci-bound"
    "pci-bridge"
    "pci-bus"
    "pci-driver"
    "pci-function"
    "pci-gpu"
    "pci-vf"
    "qat-device"
    "qat-heartbeat"
    "qat-pf"
    "qat-vf"
    "qat-vf-vfio"
    "sgx"
    "sriov-pf"
    "sriov-vf"
    "vfio"
    "vfio-group"
    "vfio-node"
    "xe-gt"
);
