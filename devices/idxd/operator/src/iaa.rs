//! IAA.
#![expect(unreachable_pub, reason = "of what is derived")]

use controller::{Common, DevicePlugin, ImageField, Status, Template, init};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::Queues;

/// What the IAA plugin is to do.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "deviceplugin.intel.com",
    version = "v1",
    kind = "IaaDevicePlugin",
    plural = "iaadeviceplugins",
    status = "Status",
    doc = "IaaDevicePlugin has the Intel In-Memory Analytics Accelerators of a cluster's nodes offered to its pods."
)]
#[x_kube(validation = init::config_rule())]
#[serde(rename_all = "camelCase")]
pub struct IaaDevicePluginSpec {
    /// What all plugins have.
    #[serde(flatten)]
    pub common: Common,
    /// How work queues are made and shared.
    #[serde(flatten)]
    pub queues: Queues,
}

impl DevicePlugin for IaaDevicePlugin {
    type Spec = IaaDevicePluginSpec;

    const NAME: &'static str = "iaa";
    const TEMPLATE: &'static str =
        include_str!("../../../../deployments/iaa_plugin/base/intel-iaa-plugin.yaml");
    const IMAGES: &'static [ImageField] = &[
        ImageField::of_plugin(&["intel-iaa-plugin"]),
        ImageField::of_init(&["intel-idxd-config-initcontainer"]),
    ];
    const OFFERING: &'static [(&'static str, &'static str)] = &[("-shared-dev-num", "1")];

    fn common(spec: &IaaDevicePluginSpec) -> &Common {
        &spec.common
    }

    fn config_map(spec: &IaaDevicePluginSpec) -> Option<&str> {
        spec.queues.config_map()
    }

    fn check(spec: &IaaDevicePluginSpec) -> Result<(), String> {
        spec.queues.check()
    }

    fn args(spec: &IaaDevicePluginSpec) -> Vec<String> {
        spec.queues.args().into()
    }

    fn check_flags(flags: &[String]) -> Result<(), String> {
        idxd_plugin::iaa::check(flags)
    }

    fn shape(spec: &IaaDevicePluginSpec, template: &mut Template) {
        let folders = [("sys-bus-dsa", "/sys/bus/dsa"), ("sys-devices", "/sys/devices")];
        let env = [init::variable("DEVICE_TYPE", "iaa")];
        let (name, config) = ("intel-iaa-initcontainer", "intel-iaa-config-volume");
        spec.queues.configure(template, name, &folders, env, config);
    }
}
