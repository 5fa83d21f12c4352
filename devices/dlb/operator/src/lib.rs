//! `DlbDevicePlugin`: what an administrator says of a cluster's Intel Dynamic Load Balancers, and the DaemonSet that it stands for.

mod spec;

use controller::{Common, DevicePlugin, Family, ImageField, Template, init};
use k8s_openapi::api::core::v1::SecurityContext;

pub use spec::*;

/// The operator's line.
pub const FAMILY: Family = Family::of::<DlbDevicePlugin>();

impl DevicePlugin for DlbDevicePlugin {
    type Spec = DlbDevicePluginSpec;

    const NAME: &'static str = "dlb";
    const TEMPLATE: &'static str =
        include_str!("../../../../deployments/dlb_plugin/base/intel-dlb-plugin.yaml");
    const IMAGES: &'static [ImageField] = &[
        ImageField::of_plugin(&["intel-dlb-plugin"]),
        // The second is what the Go implementation asks for, though it has no such image.
        ImageField::of_init(&["intel-dlb-initcontainer", "intel-dlb-initimage"]),
    ];

    fn common(spec: &DlbDevicePluginSpec) -> &Common {
        &spec.common
    }

    fn check_flags(flags: &[String]) -> Result<(), String> {
        dlb_plugin::check(flags)
    }

    fn shape(spec: &DlbDevicePluginSpec, template: &mut Template) {
        if spec.init_image.is_empty() {
            return;
        }
        let mounts = [("sysfs-devices", "/sys/devices"), ("sysfs-driver-dlb2", "/sys/bus/pci/drivers/dlb2")]
            .map(|(name, path)| template.add_host_path(name, path, Some("DirectoryOrCreate")));
        // The plugin has no SELinux type either.
        let security = SecurityContext { se_linux_options: None, ..init::privileged() };
        let container = init::container("enable-vfs", &spec.init_image, security, mounts.to_vec());
        template.init_containers().push(container);
    }
}
