//! `SgxDevicePlugin`: what an administrator says of a cluster's Intel SGX, and the DaemonSet that it stands for.

mod spec;

use controller::{Common, DevicePlugin, Family, ImageField, Template, init};

pub use spec::*;

/// The operator's line.
pub const FAMILY: Family = Family::of::<SgxDevicePlugin>();

impl DevicePlugin for SgxDevicePlugin {
    type Spec = SgxDevicePluginSpec;

    const NAME: &'static str = "sgx";
    const TEMPLATE: &'static str =
        include_str!("../../../../deployments/sgx_plugin/base/intel-sgx-plugin.yaml");
    const IMAGES: &'static [ImageField] =
        &[ImageField::of_plugin(&["intel-sgx-plugin"]), ImageField::of_init(&["intel-sgx-initcontainer"])];
    const OFFERING: &'static [(&'static str, &'static str)] =
        &[("-enclave-limit", ""), ("-provision-limit", ""), ("-dcap-infra-resources", "false")];

    fn common(spec: &SgxDevicePluginSpec) -> &Common {
        &spec.common
    }

    fn args(spec: &SgxDevicePluginSpec) -> Vec<String> {
        let limit = |limit: Option<i64>| limit.unwrap_or(1).to_string();
        let mut args = vec!["-enclave-limit".to_owned(), limit(spec.enclave_limit)];
        args.extend(["-provision-limit".to_owned(), limit(spec.provision_limit)]);
        if spec.dcap_infra_resources {
            args.push("-dcap-infra-resources".to_owned());
        }
        args
    }

    fn check_flags(flags: &[String]) -> Result<(), String> {
        sgx_plugin::check(flags)
    }

    fn shape(spec: &SgxDevicePluginSpec, template: &mut Template) {
        if !spec.init_image.is_empty() {
            init::install_label_hook(template, "intel-sgx-initcontainer", &spec.init_image, "nfd-features");
        }
    }
}
