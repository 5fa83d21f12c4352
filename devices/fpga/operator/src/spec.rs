//! The custom resource.
#![expect(unreachable_pub, reason = "of what is derived")]

use controller::{Common, Status};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the FPGA plugin is to do.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "deviceplugin.intel.com",
    version = "v1",
    kind = "FpgaDevicePlugin",
    plural = "fpgadeviceplugins",
    status = "Status",
    doc = "FpgaDevicePlugin has the Intel FPGAs of a cluster's nodes offered to its pods."
)]
#[x_kube(
    validation = Rule::new("has(self.initImage) && self.initImage != ''")
        .message("initImage is needed: its container installs what programs FPGAs")
)]
#[serde(rename_all = "camelCase")]
pub struct FpgaDevicePluginSpec {
    /// What all plugins have.
    #[serde(flatten)]
    pub common: Common,
    /// The image of the init container that installs what programs FPGAs before a container starts. It is needed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub init_image: String,
    /// What is offered: af (programmed functions), region (regions, programmed before the container starts), regiondevel (regions that
    /// the container programs). When empty, af. An annotation of a node may say otherwise for that node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
}

/// What is offered: af (programmed functions), region (regions, programmed before the container starts), regiondevel (regions that
/// the container programs). When empty, af. An annotation of a node may say otherwise for that node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Programmed functions.
    Af,
    /// Regions, programmed before the container starts.
    Region,
    /// Regions that the container programs.
    RegionDevel,
}
