//! `NpuDevicePlugin`: what an administrator says of a cluster's Intel NPUs, and the DaemonSet that it stands for.

mod spec;

use controller::{Common, DevicePlugin, Family, ImageField};

pub use spec::*;

/// The operator's line.
pub const FAMILY: Family = Family::of::<NpuDevicePlugin>();

impl DevicePlugin for NpuDevicePlugin {
    type Spec = NpuDevicePluginSpec;

    const NAME: &'static str = "npu";
    const TEMPLATE: &'static str =
        include_str!("../../../../deployments/npu_plugin/base/intel-npu-plugin.yaml");
    const IMAGES: &'static [ImageField] = &[ImageField::of_plugin(&["intel-npu-plugin"])];
    const OFFERING: &'static [(&'static str, &'static str)] = &[("-shared-dev-num", "1")];

    fn common(spec: &NpuDevicePluginSpec) -> &Common {
        &spec.common
    }

    fn args(spec: &NpuDevicePluginSpec) -> Vec<String> {
        vec!["-shared-dev-num".to_owned(), spec.shared_dev_num.unwrap_or(1).to_string()]
    }

    fn check_flags(flags: &[String]) -> Result<(), String> {
        npu_plugin::check(flags)
    }
}
