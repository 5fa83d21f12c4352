//! `GpuDevicePlugin`: what an administrator says of a cluster's Intel GPUs, and the DaemonSet that it stands for.

mod daemonset;
mod spec;

use controller::{Common, DevicePlugin, Family, ImageField, Template};

pub use spec::*;

/// The operator's line.
pub const FAMILY: Family = Family::of::<GpuDevicePlugin>();

impl DevicePlugin for GpuDevicePlugin {
    type Spec = GpuDevicePluginSpec;

    const NAME: &'static str = "gpu";
    const TEMPLATE: &'static str =
        include_str!("../../../../deployments/gpu_plugin/base/intel-gpu-plugin.yaml");
    // As ever, nobody looks at the init container's image: it only copies a hook.
    const IMAGES: &'static [ImageField] = &[
        ImageField::of_plugin(&["intel-gpu-plugin"]),
        ImageField { is_checked: false, ..ImageField::of_init(&["intel-gpu-initcontainer"]) },
        ImageField { pointer: "/healthManagement/image", ..ImageField::of_init(&["intel-gpu-levelzero"]) },
    ];
    const OFFERING: &'static [(&'static str, &'static str)] = &[
        ("-shared-dev-num", "1"),
        ("-allow-ids", ""),
        ("-deny-ids", ""),
        ("-enable-monitoring", "false"),
        ("-monitoring-mode", "single"),
    ];

    fn common(spec: &GpuDevicePluginSpec) -> &Common {
        &spec.common
    }

    fn check(spec: &GpuDevicePluginSpec) -> Result<(), String> {
        spec.check()
    }

    fn args(spec: &GpuDevicePluginSpec) -> Vec<String> {
        daemonset::args(spec)
    }

    fn check_flags(flags: &[String]) -> Result<(), String> {
        gpu_plugin::check(flags)
    }

    fn shape(spec: &GpuDevicePluginSpec, template: &mut Template) {
        daemonset::shape(spec, template);
    }
}
