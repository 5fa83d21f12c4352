//! The plugin's arguments, and what stands beside it.

use controller::{IMAGE_VERSION, Template, init};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ResourceRequirements, SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::spec::{ByPath, GpuDevicePluginSpec, HealthManagement, HealthSource, MonitoringMode, Policy};

/// The folder that plugin and sidecar share.
const LEVELZERO_FOLDER: &str = "/var/lib/levelzero";
const XPUMD_FOLDER: &str = "/run/xpumd";

/// The arguments after `-v`, in the Go implementation's order; then what it has no fields for.
pub(crate) fn args(spec: &GpuDevicePluginSpec) -> Vec<String> {
    let mut args = Vec::new();
    let mut add = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
    if spec.enable_monitoring {
        add(&["-enable-monitoring"]);
        match spec.monitoring_mode {
            Some(MonitoringMode::Single) => add(&["-monitoring-mode=single"]),
            Some(MonitoringMode::Split) => add(&["-monitoring-mode=split"]),
            None => {}
        }
    }
    add(&["-shared-dev-num", &spec.shared_dev_num.unwrap_or(1).max(1).to_string()]);
    let policy = match spec.preferred_allocation_policy {
        Some(Policy::Balanced) => "balanced",
        Some(Policy::Packed) => "packed",
        Some(Policy::None) | None => "none",
    };
    add(&["-allocation-policy", policy]);
    if !spec.allow_ids.is_empty() {
        add(&["-allow-ids", &spec.allow_ids]);
    }
    if !spec.deny_ids.is_empty() {
        add(&["-deny-ids", &spec.deny_ids]);
    }
    match spec.bypath_mode {
        Some(ByPath::Single) => add(&["-bypath", "single"]),
        Some(ByPath::All) => add(&["-bypath", "all"]),
        Some(ByPath::None) => add(&["-bypath", "none"]),
        None => {}
    }
    if let Some(health) = &spec.health_management {
        match health.source {
            HealthSource::LevelZero => add(&["-health-management"]),
            HealthSource::Xpumd => add(&[&format!("-xpumd-endpoint={XPUMD_FOLDER}/intelxpuinfo.sock")]),
        }
        for (flag, limit) in [
            ("-temp-limit", health.temperature_limit),
            ("-gpu-temp-limit", health.gpu_temperature_limit),
            ("-memory-temp-limit", health.memory_temperature_limit),
        ] {
            if let Some(limit) = limit {
                add(&[&format!("{flag}={limit}")]);
            }
        }
    }
    args
}

pub(crate) fn shape(spec: &GpuDevicePluginSpec, template: &mut Template) {
    if !spec.init_image.is_empty() {
        init::install_label_hook(template, "intel-gpu-initcontainer", &spec.init_image, "nfd-sources");
    }
    match &spec.health_management {
        Some(health) if health.source == HealthSource::LevelZero => {
            let socket = template.add_empty_folder("levelzerosocket", LEVELZERO_FOLDER);
            template.plugin().volume_mounts.get_or_insert_default().push(socket.clone());
            template.sidecars().push(sidecar(health, socket));
        }
        Some(_xpumd) => {
            let socket = template.add_host_path("xpumdsocket", XPUMD_FOLDER, Some("DirectoryOrCreate"));
            let socket = VolumeMount { read_only: Some(true), ..socket };
            template.plugin().volume_mounts.get_or_insert_default().push(socket);
        }
        None => {}
    }
}

/// As in `deployments/gpu_plugin/overlays/levelzero`.
fn sidecar(health: &HealthManagement, socket: VolumeMount) -> Container {
    let image = if health.image.is_empty() {
        format!("intel/intel-gpu-levelzero:{IMAGE_VERSION}")
    } else {
        health.image.clone()
    };
    let amounts = |cpu: &str, memory: &str| {
        let amounts = [("cpu", cpu), ("memory", memory)];
        Some(amounts.map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned()))).into())
    };
    Container {
        name: "intel-gpu-levelzero".to_owned(),
        image: Some(image),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(vec!["-v=2".to_owned()]),
        resources: Some(ResourceRequirements {
            requests: amounts("25m", "50Mi"),
            limits: amounts("50m", "100Mi"),
            ..ResourceRequirements::default()
        }),
        security_context: Some(SecurityContext {
            // The GPUs' device nodes, which Kubernetes gives to nobody else in the plugin's own pod.
            privileged: Some(true),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(vec![socket]),
        ..Container::default()
    }
}
