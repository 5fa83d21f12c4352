//! What both kinds have.

use controller::{Template, init};
use k8s_openapi::api::core::v1::EnvVar;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How work queues are made and shared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Queues {
    /// The image of an init container that configures work queues. When empty, that is done by other means.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub init_image: String,
    /// The ConfigMap, in the operator's namespace, that says how work queues are configured, as files of accel-config: dsa.conf or iaa.conf,
    /// or dsa-NODE.conf or iaa-NODE.conf for one node. When empty, as the init container has it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provisioning_config: String,
    /// How many containers may share a work queue. When empty, 1.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_dev_num: Option<i64>,
}

impl Queues {
    pub(crate) fn config_map(&self) -> Option<&str> {
        init::config_map(&self.provisioning_config, &self.init_image)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        init::check_config(&self.provisioning_config, &self.init_image)
    }

    pub(crate) fn args(&self) -> [String; 2] {
        ["-shared-dev-num".to_owned(), self.shared_dev_num.unwrap_or(1).to_string()]
    }

    /// Adds the init container, if there is an image of it. It sees these folders of the node, which are volumes by name and path.
    pub(crate) fn configure(
        &self,
        template: &mut Template,
        name: &str,
        folders: &[(&str, &str)],
        env: impl IntoIterator<Item = EnvVar>,
        config_volume: &str,
    ) {
        if self.init_image.is_empty() {
            return;
        }
        let mut mounts: Vec<_> =
            folders.iter().map(|(volume, path)| template.add_host_path(volume, path, None)).collect();
        mounts.push(template.add_empty_folder("scratch", "/idxd-init/scratch"));
        if !self.provisioning_config.is_empty() {
            let config = &self.provisioning_config;
            mounts.push(template.add_config_map(config_volume, "/idxd-init/conf", config, None));
        }
        let mut container = init::container(name, &self.init_image, init::privileged(), mounts);
        container.env = Some(std::iter::once(init::node_name()).chain(env).collect());
        template.init_containers().push(container);
    }
}
