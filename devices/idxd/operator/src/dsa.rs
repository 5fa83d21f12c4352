//! DSA.
#![expect(unreachable_pub, reason = "of what is derived")]

use controller::{Common, DevicePlugin, ImageField, Status, Template, init};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Queues;

/// What the DSA plugin is to do.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "deviceplugin.intel.com",
    version = "v1",
    kind = "DsaDevicePlugin",
    plural = "dsadeviceplugins",
    status = "Status",
    doc = "DsaDevicePlugin has the Intel Data Streaming Accelerators of a cluster's nodes offered to its pods."
)]
#[x_kube(validation = init::config_rule())]
#[serde(rename_all = "camelCase")]
pub struct DsaDevicePluginSpec {
    /// What all plugins have.
    #[serde(flatten)]
    pub common: Common,
    /// How work queues are made and shared.
    #[serde(flatten)]
    pub queues: Queues,
    /// The kernel's driver of the accelerators: idxd, whose work queues are offered, or vfio-pci, by which whole accelerators are.
    #[serde(default)]
    pub driver: Driver,
}

/// The kernel's driver of the accelerators: idxd, whose work queues are offered, or vfio-pci, by which whole accelerators are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Driver {
    /// Work queues.
    #[default]
    #[serde(rename = "idxd")]
    Idxd,
    /// Whole accelerators.
    #[serde(rename = "vfio-pci")]
    VfioPci,
}

impl Driver {
    /// Its name, as plugin and init container take it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idxd => "idxd",
            Self::VfioPci => "vfio-pci",
        }
    }
}

impl DevicePlugin for DsaDevicePlugin {
    type Spec = DsaDevicePluginSpec;

    const NAME: &'static str = "dsa";
    const TEMPLATE: &'static str =
        include_str!("../../../../deployments/dsa_plugin/base/intel-dsa-plugin.yaml");
    const IMAGES: &'static [ImageField] = &[
        ImageField::of_plugin(&["intel-dsa-plugin"]),
        ImageField::of_init(&["intel-idxd-config-initcontainer"]),
    ];
    const OFFERING: &'static [(&'static str, &'static str)] =
        &[("-driver", "idxd"), ("-shared-dev-num", "1")];

    fn common(spec: &DsaDevicePluginSpec) -> &Common {
        &spec.common
    }

    fn config_map(spec: &DsaDevicePluginSpec) -> Option<&str> {
        spec.queues.config_map()
    }

    fn check(spec: &DsaDevicePluginSpec) -> Result<(), String> {
        spec.queues.check()
    }

    fn args(spec: &DsaDevicePluginSpec) -> Vec<String> {
        let driver = ["-driver".to_owned(), spec.driver.name().to_owned()];
        driver.into_iter().chain(spec.queues.args()).collect()
    }

    fn check_flags(flags: &[String]) -> Result<(), String> {
        idxd_plugin::dsa::check(flags)
    }

    fn shape(spec: &DsaDevicePluginSpec, template: &mut Template) {
        if spec.driver == Driver::VfioPci {
            use_vfio(template);
        }
        let folders = [
            ("sys-bus-dsa", "/sys/bus/dsa"),
            ("sys-bus-pci", "/sys/bus/pci"),
            ("sys-devices", "/sys/devices"),
        ];
        let env = [init::variable("DEVICE_TYPE", "dsa"), init::variable("DSA_DRIVER", spec.driver.name())];
        let (name, config) = ("intel-idxd-config-initcontainer", "intel-dsa-config-volume");
        spec.queues.configure(template, name, &folders, env, config);
    }
}

/// Has the plugin see VFIO's device nodes instead of those of idxd, at the node's path: that is where it looks for them.
fn use_vfio(template: &mut Template) {
    const NODES: (&str, &str) = ("devfs", "/dev/vfio");
    for volume in template.volumes().iter_mut().filter(|volume| volume.name == NODES.0) {
        if let Some(source) = &mut volume.host_path {
            NODES.1.clone_into(&mut source.path);
        }
    }
    let mounts = template.plugin().volume_mounts.iter_mut().flatten();
    for mount in mounts.filter(|mount| mount.name == NODES.0) {
        NODES.1.clone_into(&mut mount.mount_path);
    }
}
