//! The custom resource.
#![expect(unreachable_pub, reason = "of what is derived")]

use controller::{Common, Status};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the GPU plugin is to do.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "deviceplugin.intel.com",
    version = "v1",
    kind = "GpuDevicePlugin",
    plural = "gpudeviceplugins",
    status = "Status",
    doc = "GpuDevicePlugin has the Intel GPUs of a cluster's nodes offered to its pods."
)]
#[x_kube(
    validation = Rule::new("!has(self.allowIDs) || self.allowIDs == '' || !has(self.denyIDs) || self.denyIDs == ''")
        .message("allowIDs and denyIDs cannot be used at the same time"),
    validation = Rule::new("[has(self.allowIDs) ? self.allowIDs : '', has(self.denyIDs) ? self.denyIDs : ''].all(list, list.matches('^(0x[0-9a-f]{4}(,0x[0-9a-f]{4})*)?$'))")
        .message("allowIDs and denyIDs are comma lists of PCI device ids such as 0x56c0,0x56c1"),
    validation = Rule::new("!has(self.preferredAllocationPolicy) || self.preferredAllocationPolicy == 'none' || (has(self.sharedDevNum) && self.sharedDevNum > 1)")
        .message("preferredAllocationPolicy says how to share: make sharedDevNum 2 or more")
)]
#[serde(rename_all = "camelCase")]
pub struct GpuDevicePluginSpec {
    /// What all plugins have.
    #[serde(flatten)]
    pub common: Common,
    /// The image of an init container that installs a hook for node-feature-discovery, which labels nodes with what GPUs they have.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub init_image: String,
    /// Offer only GPUs of these PCI device ids, a comma list such as 0x56c0,0x56c1. Not together with denyIDs.
    #[serde(default, rename = "allowIDs", skip_serializing_if = "String::is_empty")]
    pub allow_ids: String,
    /// Offer all GPUs but those of these PCI device ids.
    #[serde(default, rename = "denyIDs", skip_serializing_if = "String::is_empty")]
    pub deny_ids: String,
    /// Which free shares of GPUs are handed out: balanced (of the least used GPU), packed (of one GPU until it is full), none (of
    /// different GPUs). When empty, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_allocation_policy: Option<Policy>,
    /// What containers see in /dev/dri/by-path: the links of their GPUs, nothing, or the whole folder. When empty, single.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bypath_mode: Option<ByPath>,
    /// With enableMonitoring: one resource for all GPUs, or one for each driver. When empty, single.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring_mode: Option<MonitoringMode>,
    /// How many containers may share a GPU.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_dev_num: Option<i64>,
    /// Offer a resource that gives access to all GPUs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enable_monitoring: bool,
    /// Keep GPUs from new pods that are too hot or broken. When empty, all GPUs count as healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_management: Option<HealthManagement>,
}

/// Which free shares of GPUs are handed out: balanced (of the least used GPU), packed (of one GPU until it is full), none (of
/// different GPUs). When empty, none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Of the least used GPU.
    Balanced,
    /// Of one GPU until it is full.
    Packed,
    /// Of different GPUs.
    None,
}

/// What containers see in /dev/dri/by-path: the links of their GPUs, nothing, or the whole folder. When empty, single.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ByPath {
    /// Nothing.
    None,
    /// The links of their GPUs.
    Single,
    /// The whole folder.
    All,
}

/// With enableMonitoring: one resource for all GPUs, or one for each driver. When empty, single.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MonitoringMode {
    /// One for each driver.
    Split,
    /// One.
    Single,
}

/// Keep GPUs from new pods that are too hot or broken. When empty, all GPUs count as healthy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("self.source == 'levelzero' || !(has(self.image) || has(self.temperatureLimit) || has(self.gpuTemperatureLimit) || has(self.memoryTemperatureLimit))")
        .message("XPU Manager has limits of its own and needs no image of a sidecar")
)]
#[serde(rename_all = "camelCase")]
pub struct HealthManagement {
    /// levelzero: a sidecar that asks Level Zero, privileged since it needs the GPUs' device nodes; xpumd: XPU Manager's daemon, which
    /// has to run on the nodes.
    pub source: HealthSource,
    /// The sidecar's image. When empty, the one that belongs to the operator.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// A GPU whose global sensor shows more degrees Celsius is unhealthy. When empty, 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_limit: Option<i64>,
    /// The same for the GPU's own sensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_temperature_limit: Option<i64>,
    /// The same for its memory's sensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_temperature_limit: Option<i64>,
}

/// levelzero: a sidecar that asks Level Zero, privileged since it needs the GPUs' device nodes; xpumd: XPU Manager's daemon, which has
/// to run on the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthSource {
    /// A sidecar that asks Level Zero.
    LevelZero,
    /// XPU Manager's daemon.
    Xpumd,
}

impl GpuDevicePluginSpec {
    /// What is wrong, in the Go implementation's order.
    pub(crate) fn check(&self) -> Result<(), String> {
        let shares = self.shared_dev_num.unwrap_or(1);
        if let (..=1, Some(policy @ (Policy::Balanced | Policy::Packed))) =
            (shares, self.preferred_allocation_policy)
        {
            let policy = format!("{policy:?}").to_lowercase();
            return Err(format!(
                "preferredAllocationPolicy is {policy}, which says how to share, but sharedDevNum is {shares}: make that 2 or more"
            ));
        }
        check_ids("allowIDs", &self.allow_ids)?;
        check_ids("denyIDs", &self.deny_ids)?;
        if !self.allow_ids.is_empty() && !self.deny_ids.is_empty() {
            return Err("allowIDs and denyIDs cannot be used at the same time".to_owned());
        }
        Ok(())
    }
}

/// A comma list of PCI device ids, exactly as sysfs writes them: what the plugin takes.
fn check_ids(field: &str, list: &str) -> Result<(), String> {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let is_id = |id: &str| id.strip_prefix("0x").is_some_and(|hex| hex.len() == 4 && hex.bytes().all(is_hex));
    let wrong = list.split(',').find(|id| !list.is_empty() && !is_id(id));
    wrong.map_or(Ok(()), |id| Err(format!("{field}: {id:?} is no PCI device id such as 0x56c0")))
}
