//! The custom resource.
#![expect(unreachable_pub, reason = "of what is derived")]

use controller::{Common, Status};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// What the SGX plugin is to do.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "deviceplugin.intel.com",
    version = "v1",
    kind = "SgxDevicePlugin",
    plural = "sgxdeviceplugins",
    status = "Status",
    doc = "SgxDevicePlugin has the Intel SGX of a cluster's nodes offered to its pods."
)]
#[serde(rename_all = "camelCase")]
pub struct SgxDevicePluginSpec {
    /// What all plugins have.
    #[serde(flatten)]
    pub common: Common,
    /// The image of an init container that installs a hook for node-feature-discovery, which tells how much enclave memory nodes have.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub init_image: String,
    /// How many containers of a node may have enclaves at a time. When empty, 1.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enclave_limit: Option<i64>,
    /// How many containers of a node may prove by the provisioning key that they run on this node, at a time. When empty, 1.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provision_limit: Option<i64>,
    /// Offer two more resources, for what a node needs of DCAP attestation itself. Deprecated: enclave and provision do as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dcap_infra_resources: bool,
}
