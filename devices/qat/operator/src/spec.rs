//! The custom resource.
#![expect(unreachable_pub, reason = "of what is derived")]

use controller::{Common, Status};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the QAT plugin is to do.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "deviceplugin.intel.com",
    version = "v1",
    kind = "QatDevicePlugin",
    plural = "qatdeviceplugins",
    status = "Status",
    doc = "QatDevicePlugin has the Intel QAT devices of a cluster's nodes offered to its pods."
)]
#[x_kube(
    validation = controller::init::config_rule(),
    validation = Rule::new("!has(self.provisioningConfig) || self.provisioningConfig == '' || (has(self.kernelVfDrivers) && ('4xxxvf' in self.kernelVfDrivers || '420xxvf' in self.kernelVfDrivers || '6xxxvf' in self.kernelVfDrivers))")
        .message("provisioningConfig is for devices whose kernelVfDrivers are 4xxxvf, 420xxvf or 6xxxvf")
)]
#[serde(rename_all = "camelCase")]
pub struct QatDevicePluginSpec {
    /// What all plugins have.
    #[serde(flatten)]
    pub common: Common,
    /// The image of an init container that makes virtual functions and chooses what they do. When empty, that is done by other means.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub init_image: String,
    /// The ConfigMap, in the operator's namespace, that says which services devices have: a file qat.conf, or qat-NODE.conf for one node.
    /// When empty, they keep what they have.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provisioning_config: String,
    /// Which free devices are handed out: balanced (of the least used accelerator), packed (of one accelerator until it is full). When
    /// empty, as the kubelet chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_allocation_policy: Option<Policy>,
    /// The driver that virtual functions are bound to for containers. When empty, vfio-pci.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpdk_driver: Option<DpdkDriver>,
    /// Which devices are offered, by the kernel's drivers for their virtual functions. When empty, c6xxvf and 4xxxvf.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kernel_vf_drivers: Vec<KernelVfDriver>,
    /// How many virtual functions of a node are offered at most. When empty, 32.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_num_devices: Option<i64>,
}

/// Which free devices are handed out: balanced (of the least used accelerator), packed (of one accelerator until it is full). When
/// empty, as the kubelet chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Of the least used accelerator.
    Balanced,
    /// Of one accelerator until it is full.
    Packed,
}

/// The driver that virtual functions are bound to for containers. When empty, vfio-pci.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DpdkDriver {
    /// Of the project DPDK, for nodes without an IOMMU.
    #[serde(rename = "igb_uio")]
    IgbUio,
    /// The kernel's own.
    #[serde(rename = "vfio-pci")]
    VfioPci,
}

/// The kernel's driver for the virtual functions of a generation of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KernelVfDriver {
    /// DH895.
    #[serde(rename = "dh895xccvf")]
    Dh895xcc,
    /// C62x.
    #[serde(rename = "c6xxvf")]
    C6xx,
    /// C3xxx.
    #[serde(rename = "c3xxxvf")]
    C3xxx,
    /// D15xx.
    #[serde(rename = "d15xxvf")]
    D15xx,
    /// 4xxx.
    #[serde(rename = "4xxxvf")]
    Gen4xxx,
    /// 420xx.
    #[serde(rename = "420xxvf")]
    Gen420xx,
    /// C4xxx.
    #[serde(rename = "c4xxxvf")]
    C4xxx,
    /// 6xxx.
    #[serde(rename = "6xxxvf")]
    Gen6xxx,
}

impl KernelVfDriver {
    /// Its name, as the plugin's flag takes it.
    pub fn name(self) -> &'static str {
        self.of_table().0
    }

    /// The PCI device ids of the physical functions, as the init container takes them.
    pub fn physical_functions(self) -> &'static str {
        self.of_table().1
    }

    /// Whether the devices do what they are configured for: from the fourth generation on.
    pub fn is_configurable(self) -> bool {
        matches!(self, Self::Gen4xxx | Self::Gen420xx | Self::Gen6xxx)
    }

    fn of_table(self) -> (&'static str, &'static str) {
        match self {
            Self::Dh895xcc => ("dh895xccvf", "0434 0435"),
            Self::C6xx => ("c6xxvf", "37c8"),
            Self::C3xxx => ("c3xxxvf", "19e2"),
            Self::D15xx => ("d15xxvf", "6f54"),
            Self::Gen4xxx => ("4xxxvf", "4940 4942 4944"),
            Self::Gen420xx => ("420xxvf", "4946"),
            Self::C4xxx => ("c4xxxvf", "18a0"),
            Self::Gen6xxx => ("6xxxvf", "4948"),
        }
    }
}
