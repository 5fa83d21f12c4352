//! The custom resources by which an administrator names what pods of a namespace may use: `fpga.intel.com/v2`.
//!
//! Fields are texts, so that objects which clusters have already can be read, whatever is in them; what they mean is
//! [`Mapping`](crate::Mapping)'s matter.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A function that pods of the namespace may ask for by this object's name, as fpga.intel.com/NAME.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "fpga.intel.com",
    version = "v2",
    kind = "AcceleratorFunction",
    namespaced,
    shortname = "af",
    status = "Status",
    doc = "AcceleratorFunction is a function that pods of its namespace may ask for by its name, as fpga.intel.com/NAME."
)]
#[serde(rename_all = "camelCase")]
pub struct AcceleratorFunctionSpec {
    /// The function's id, 32 hexadecimal digits; in mode region also the 40 of a program's hash.
    #[schemars(regex(pattern = r"^[0-9a-f]{8,40}$"))]
    pub afu_id: String,
    /// The id of the interface that the function is built for, 32 hexadecimal digits.
    #[schemars(regex(pattern = r"^[0-9a-f]{8,32}$"))]
    pub interface_id: String,
    /// "af" if the function is in its card already, "region" if it is programmed before the container starts.
    #[schemars(regex(pattern = r"^(af|region)$"))]
    pub mode: String,
}

/// A region that pods of the namespace may ask for by this object's name, to program it themselves.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "fpga.intel.com",
    version = "v2",
    kind = "FpgaRegion",
    namespaced,
    shortname = "fpga",
    status = "Status",
    doc = "FpgaRegion is a region that pods of its namespace may ask for by its name, as fpga.intel.com/NAME, and program themselves."
)]
#[serde(rename_all = "camelCase")]
pub struct FpgaRegionSpec {
    /// The id of the region's interface, 32 hexadecimal digits.
    #[schemars(regex(pattern = r"^[0-9a-f]{8,32}$"))]
    pub interface_id: String,
}

/// Always empty: Go clients write one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {}

/// The definitions of both resources.
pub fn definitions() -> [CustomResourceDefinition; 2] {
    [AcceleratorFunction::crd(), FpgaRegion::crd()].map(|mut definition| {
        for version in &mut definition.spec.versions {
            // Nobody writes a status by itself.
            version.subresources = None;
        }
        definition
    })
}
