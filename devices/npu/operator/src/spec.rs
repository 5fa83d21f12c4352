//! The custom resource.
#![expect(unreachable_pub, reason = "of what is derived")]

use controller::{Common, Status};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// What the NPU plugin is to do.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "deviceplugin.intel.com",
    version = "v1",
    kind = "NpuDevicePlugin",
    plural = "npudeviceplugins",
    status = "Status",
    doc = "NpuDevicePlugin has the Intel NPUs of a cluster's nodes offered to its pods."
)]
#[serde(rename_all = "camelCase")]
pub struct NpuDevicePluginSpec {
    /// What all plugins have.
    #[serde(flatten)]
    pub common: Common,
    /// How many containers may share an NPU. When empty, 1.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_dev_num: Option<i64>,
}
