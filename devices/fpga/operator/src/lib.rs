//! `FpgaDevicePlugin`: what an administrator says of a cluster's Intel FPGAs, and the DaemonSet that it stands for.

mod spec;

use controller::{Common, DevicePlugin, Family, ImageField, Template};

pub use spec::*;

/// The operator's line.
pub const FAMILY: Family = Family::of::<FpgaDevicePlugin>();

impl DevicePlugin for FpgaDevicePlugin {
    type Spec = FpgaDevicePluginSpec;

    const NAME: &'static str = "fpga";
    const TEMPLATE: &'static str =
        include_str!("../../../../deployments/fpga_plugin/base/intel-fpga-plugin-daemonset.yaml");
    const IMAGES: &'static [ImageField] = &[
        ImageField::of_plugin(&["intel-fpga-plugin"]),
        ImageField {
            is_required: true,
            // The second is what the Go implementation asks for, though it has no such image.
            ..ImageField::of_init(&["intel-fpga-initcontainer", "intel-fpga-initimage"])
        },
    ];
    const OFFERING: &'static [(&'static str, &'static str)] = &[("-mode", "af")];

    fn common(spec: &FpgaDevicePluginSpec) -> &Common {
        &spec.common
    }

    fn args(spec: &FpgaDevicePluginSpec) -> Vec<String> {
        let mode = match spec.mode {
            Some(Mode::Af) | None => "af",
            Some(Mode::Region) => "region",
            Some(Mode::RegionDevel) => "regiondevel",
        };
        vec!["-mode".to_owned(), mode.to_owned()]
    }

    fn check_flags(flags: &[String]) -> Result<(), String> {
        fpga_plugin::check(flags)
    }

    fn shape(spec: &FpgaDevicePluginSpec, template: &mut Template) {
        for container in template.init_containers() {
            container.image = Some(spec.init_image.clone());
        }
    }
}
