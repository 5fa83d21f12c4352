//! Init containers: what prepares a node before the plugin starts.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, EnvVarSource, ObjectFieldSelector, ResourceRequirements, SELinuxOptions,
    SeccompProfile, SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use kube::core::Rule;

use crate::Template;

/// Where node-feature-discovery looks for programs that print labels.
const LABEL_HOOKS: &str = "/etc/kubernetes/node-feature-discovery/source.d/";

/// An init container; it is pulled like the plugin, and needs no more than that.
pub fn container(name: &str, image: &str, security: SecurityContext, mounts: Vec<VolumeMount>) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(image.to_owned()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        resources: Some(resources()),
        security_context: Some(security),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// What each of them needs at most: docs/kustomize.md.
fn resources() -> ResourceRequirements {
    let amounts = |cpu: &str, memory: &str| {
        Some(BTreeMap::from(
            [("cpu", cpu), ("memory", memory)]
                .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned()))),
        ))
    };
    ResourceRequirements {
        requests: amounts("10m", "15Mi"),
        limits: amounts("500m", "40Mi"),
        ..ResourceRequirements::default()
    }
}

/// Of containers that write to the kernel's device attributes.
pub fn privileged() -> SecurityContext {
    SecurityContext {
        se_linux_options: Some(se_linux_type()),
        read_only_root_filesystem: Some(true),
        privileged: Some(true),
        ..SecurityContext::default()
    }
}

/// Adds the container that puts a program where node-feature-discovery runs it; it has no more rights than the plugin.
pub fn install_label_hook(template: &mut Template, name: &str, image: &str, volume: &str) {
    let security = SecurityContext {
        se_linux_options: Some(se_linux_type()),
        read_only_root_filesystem: Some(true),
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        ..SecurityContext::default()
    };
    let hooks = template.add_host_path(volume, LABEL_HOOKS, Some("DirectoryOrCreate"));
    template.init_containers().push(container(name, image, security, vec![hooks]));
}

/// `NODE_NAME`, by which a container finds what is meant for its node alone.
pub fn node_name() -> EnvVar {
    let field =
        ObjectFieldSelector { field_path: "spec.nodeName".to_owned(), ..ObjectFieldSelector::default() };
    EnvVar {
        name: "NODE_NAME".to_owned(),
        value_from: Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() }),
        ..EnvVar::default()
    }
}

/// A variable with this value.
pub fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), value_from: None }
}

/// The ConfigMap that an init container reads, if there are both.
pub fn config_map<'a>(provisioning_config: &'a str, init_image: &str) -> Option<&'a str> {
    Some(provisioning_config).filter(|name| !name.is_empty() && !init_image.is_empty())
}

/// Why a ConfigMap alone does nothing.
const CONFIG_WITHOUT_CONTAINER: &str = "provisioningConfig is for the init container: set initImage too";

/// Fails if there is a ConfigMap for an init container but no image of one.
pub fn check_config(provisioning_config: &str, init_image: &str) -> Result<(), String> {
    if provisioning_config.is_empty() || !init_image.is_empty() {
        Ok(())
    } else {
        Err(CONFIG_WITHOUT_CONTAINER.to_owned())
    }
}

/// The same for the schema of a spec with the fields `provisioningConfig` and `initImage`.
pub fn config_rule() -> Rule {
    let rule = "!has(self.provisioningConfig) || self.provisioningConfig == '' || (has(self.initImage) && self.initImage != '')";
    Rule::new(rule).message(CONFIG_WITHOUT_CONTAINER)
}

fn se_linux_type() -> SELinuxOptions {
    let type_ = Some("container_device_plugin_init_t".to_owned());
    SELinuxOptions { type_, ..SELinuxOptions::default() }
}
