//! A DaemonSet in the making.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, EmptyDirVolumeSource, HostPathVolumeSource, LocalObjectReference,
    PodSpec, Volume, VolumeMount,
};

use crate::{Common, Metrics, Settings};

/// Why a template is none.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It is no DaemonSet.
    #[error("it is no DaemonSet")]
    Yaml(#[from] serde_saphyr::Error),
    /// It has no pods, or pods without containers.
    #[error("it has no container")]
    NoContainer,
}

/// The DaemonSet of a plugin, before it is an object's. The plugin is its first container.
#[derive(Debug, Clone)]
pub struct Template {
    daemonset: DaemonSet,
    pod: PodSpec,
    plugin: Container,
    /// Containers beside the plugin.
    sidecars: Vec<Container>,
}

impl Template {
    pub(crate) fn read(yaml: &str) -> Result<Self, TemplateError> {
        let mut daemonset: DaemonSet = serde_saphyr::from_str(yaml)?;
        let spec = daemonset.spec.as_mut().and_then(|spec| spec.template.spec.take());
        let mut pod = spec.ok_or(TemplateError::NoContainer)?;
        let mut containers = std::mem::take(&mut pod.containers).into_iter();
        let plugin = containers.next().ok_or(TemplateError::NoContainer)?;
        Ok(Self { daemonset, pod, plugin, sidecars: containers.collect() })
    }

    /// The plugin's container.
    pub fn plugin(&mut self) -> &mut Container {
        &mut self.plugin
    }

    /// The init containers of the template itself and those that were added.
    pub fn init_containers(&mut self) -> &mut Vec<Container> {
        self.pod.init_containers.get_or_insert_default()
    }

    /// Containers beside the plugin.
    pub fn sidecars(&mut self) -> &mut Vec<Container> {
        &mut self.sidecars
    }

    /// All volumes.
    pub fn volumes(&mut self) -> &mut Vec<Volume> {
        self.pod.volumes.get_or_insert_default()
    }

    /// Adds a folder or file of the node, to be mounted at the same path; `kind` such as `DirectoryOrCreate`.
    pub fn add_host_path(&mut self, name: &str, path: &str, kind: Option<&str>) -> VolumeMount {
        let source = HostPathVolumeSource { path: path.to_owned(), type_: kind.map(str::to_owned) };
        self.add_volume(name, path, Volume { host_path: Some(source), ..Volume::default() })
    }

    /// Adds a folder that begins empty with each pod.
    pub fn add_empty_folder(&mut self, name: &str, path: &str) -> VolumeMount {
        self.add_volume(
            name,
            path,
            Volume { empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() },
        )
    }

    /// Adds the files of a ConfigMap, which has to be there; with this mode instead of 0644.
    pub fn add_config_map(
        &mut self,
        name: &str,
        path: &str,
        config_map: &str,
        mode: Option<i32>,
    ) -> VolumeMount {
        let source = ConfigMapVolumeSource {
            name: config_map.to_owned(),
            default_mode: mode,
            ..ConfigMapVolumeSource::default()
        };
        self.add_volume(name, path, Volume { config_map: Some(source), ..Volume::default() })
    }

    fn add_volume(&mut self, name: &str, path: &str, volume: Volume) -> VolumeMount {
        self.volumes().push(Volume { name: name.to_owned(), ..volume });
        VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
    }

    /// Makes it the DaemonSet of an object.
    pub(crate) fn finish(
        mut self,
        name: &str,
        common: &Common,
        image: &str,
        settings: &Settings,
    ) -> DaemonSet {
        let image = if common.image.is_empty() { image } else { &common.image };
        self.plugin.image = Some(image.to_owned());
        if let Some(resources) = &common.resources {
            self.plugin.resources = Some(resources.into());
        }
        if !common.env.is_empty() {
            self.plugin.env.get_or_insert_default().extend(common.env.iter().map(Into::into));
        }
        serve_metrics(&mut self.plugin, common.metrics);
        let mut pod = self.pod;
        pod.containers = std::iter::once(self.plugin).chain(self.sidecars).collect();
        if let Some(policy) = common.image_pull_policy {
            let all = pod.containers.iter_mut().chain(pod.init_containers.iter_mut().flatten());
            all.for_each(|container| container.image_pull_policy = Some(policy.as_str().to_owned()));
        }
        if !common.node_selector.is_empty() {
            pod.node_selector = Some(common.node_selector.clone());
        }
        if !common.tolerations.is_empty() {
            pod.tolerations = Some(common.tolerations.clone());
        }
        if !common.priority_class_name.is_empty() {
            pod.priority_class_name = Some(common.priority_class_name.clone());
        }
        // Plugins that ask nothing refuse a token in their manifest.
        if pod.automount_service_account_token != Some(false) {
            pod.service_account_name.clone_from(&settings.service_account);
            pod.automount_service_account_token = Some(settings.service_account.is_some());
        }
        let mut secrets: Vec<LocalObjectReference> = Vec::new();
        secrets.extend(settings.pull_secret.iter().map(|name| LocalObjectReference { name: name.clone() }));
        secrets.extend(common.image_pull_secrets.iter().cloned());
        pod.image_pull_secrets = Some(secrets).filter(|secrets| !secrets.is_empty());
        let metadata = &mut self.daemonset.metadata;
        let base = metadata.name.take().unwrap_or_default();
        metadata.name = Some(format!("{base}-{name}"));
        metadata.namespace = Some(settings.namespace.clone());
        if let Some(spec) = &mut self.daemonset.spec {
            spec.template.spec = Some(pod);
        }
        self.daemonset
    }
}

/// Has the plugin serve its pages on a port, where the manifest's probes look; or nowhere, and without probes.
fn serve_metrics(plugin: &mut Container, metrics: Option<Metrics>) {
    // The manifest's way to say where the pages are. What runs is the image's own program.
    plugin.command = None;
    let Some(Metrics { port }) = metrics else {
        (plugin.ports, plugin.liveness_probe, plugin.readiness_probe) = (None, None, None);
        return;
    };
    plugin.args.get_or_insert_default().push(format!("-metrics-address=:{port}"));
    for declared in plugin.ports.iter_mut().flatten() {
        declared.container_port = port;
    }
}
