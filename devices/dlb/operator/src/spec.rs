//! The custom resource.
#![expect(unreachable_pub, reason = "of what is derived")]

use controller::{Common, Status};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// What the DLB plugin is to do.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "deviceplugin.intel.com",
    version = "v1",
    kind = "DlbDevicePlugin",
    plural = "dlbdeviceplugins",
    status = "Status",
    doc = "DlbDevicePlugin has the Intel Dynamic Load Balancers of a cluster's nodes offered to its pods."
)]
#[serde(rename_all = "camelCase")]
pub struct DlbDevicePluginSpec {
    /// What all plugins have.
    #[serde(flatten)]
    pub common: Common,
    /// The image of an init container that makes virtual functions. When empty, they are made by other means, or not at all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub init_image: String,
}
