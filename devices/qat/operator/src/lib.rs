//! `QatDevicePlugin`: what an administrator says of a cluster's Intel QAT devices, and the DaemonSet that it stands for.

mod spec;

use controller::{Common, DevicePlugin, Family, ImageField, Template, init};

pub use spec::*;

/// The operator's line.
pub const FAMILY: Family = Family::of::<QatDevicePlugin>();

impl DevicePlugin for QatDevicePlugin {
    type Spec = QatDevicePluginSpec;

    const NAME: &'static str = "qat";
    const TEMPLATE: &'static str =
        include_str!("../../../../deployments/qat_plugin/base/intel-qat-plugin.yaml");
    const IMAGES: &'static [ImageField] =
        &[ImageField::of_plugin(&["intel-qat-plugin"]), ImageField::of_init(&["intel-qat-initcontainer"])];
    const OFFERING: &'static [(&'static str, &'static str)] =
        &[("-kernel-vf-drivers", ""), ("-max-num-devices", "")];

    fn common(spec: &QatDevicePluginSpec) -> &Common {
        &spec.common
    }

    fn config_map(spec: &QatDevicePluginSpec) -> Option<&str> {
        init::config_map(&spec.provisioning_config, &spec.init_image)
    }

    fn check(spec: &QatDevicePluginSpec) -> Result<(), String> {
        init::check_config(&spec.provisioning_config, &spec.init_image)?;
        if spec.provisioning_config.is_empty()
            || spec.kernel_vf_drivers.iter().any(|driver| driver.is_configurable())
        {
            return Ok(());
        }
        let drivers: Vec<&str> = spec.kernel_vf_drivers.iter().map(|driver| driver.name()).collect();
        Err(format!(
            "provisioningConfig is for devices whose kernelVfDrivers are 4xxxvf, 420xxvf or 6xxxvf, which are not among {drivers:?}"
        ))
    }

    fn args(spec: &QatDevicePluginSpec) -> Vec<String> {
        let dpdk_driver = match spec.dpdk_driver {
            Some(DpdkDriver::IgbUio) => "igb_uio",
            Some(DpdkDriver::VfioPci) | None => "vfio-pci",
        };
        let drivers: Vec<&str> = spec.kernel_vf_drivers.iter().map(|driver| driver.name()).collect();
        let drivers = if drivers.is_empty() { "c6xxvf,4xxxvf".to_owned() } else { drivers.join(",") };
        let max = spec.max_num_devices.unwrap_or(32).to_string();
        let mut args =
            vec!["-dpdk-driver", dpdk_driver, "-kernel-vf-drivers", &drivers, "-max-num-devices", &max];
        match spec.preferred_allocation_policy {
            Some(Policy::Balanced) => args.extend(["-allocation-policy", "balanced"]),
            Some(Policy::Packed) => args.extend(["-allocation-policy", "packed"]),
            None => {}
        }
        args.into_iter().map(str::to_owned).collect()
    }

    fn check_flags(flags: &[String]) -> Result<(), String> {
        qat_plugin::check(flags)
    }

    fn shape(spec: &QatDevicePluginSpec, template: &mut Template) {
        if spec.init_image.is_empty() {
            return;
        }
        let mut mounts = vec![template.add_host_path("sysfs", "/sys", Some("DirectoryOrCreate"))];
        if !spec.provisioning_config.is_empty() {
            mounts.push(template.add_config_map(
                "intel-qat-config-volume",
                "/qat-init/conf",
                &spec.provisioning_config,
                Some(0o440),
            ));
        }
        let ids: Vec<&str> =
            spec.kernel_vf_drivers.iter().map(|driver| driver.physical_functions()).collect();
        let mut container =
            init::container("intel-qat-initcontainer", &spec.init_image, init::privileged(), mounts);
        container.env =
            Some(vec![init::variable("ENABLED_QAT_PF_PCIIDS", &ids.join(" ")), init::node_name()]);
        template.init_containers().push(container);
    }
}
