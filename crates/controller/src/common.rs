//! What all kinds of objects say.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVar, LocalObjectReference, ResourceRequirements, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The fields that every kind has; a kind's own ones are beside them (`#[serde(flatten)]`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Common {
    /// The plugin's image, with a version not below the operator's. When empty, the one that belongs to the operator.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// The labels of the nodes that the plugin runs on. When empty, all nodes of the amd64 architecture.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// The taints of nodes that do not keep the plugin away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// How much the plugin logs: its flag -v.
    #[schemars(range(min = 0))]
    #[serde(skip_serializing_if = "is_zero")]
    pub log_level: i64,
    /// What the plugin's container requests and may use, instead of what was measured to be enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// More environment variables of the plugin's container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvironmentVariable>,
    /// The priority class of the plugin's pods. When empty, system-node-critical.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub priority_class_name: String,
    /// When nodes pull the images. When empty, IfNotPresent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<PullPolicy>,
    /// The Secrets, in the operator's namespace, by which nodes pull the images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Has the plugin serve its metrics and health over HTTP: the kubelet looks at the latter, the operator for why devices are unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
}

/// What the plugin's container requests and may use, instead of what was measured to be enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Resources {
    /// The most that it may use, such as memory: 40Mi.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, IntOrString>,
    /// What is kept for it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, IntOrString>,
}

impl From<&Resources> for ResourceRequirements {
    fn from(resources: &Resources) -> Self {
        let amounts = |amounts: &BTreeMap<String, IntOrString>| {
            let amounts = amounts.iter().map(|(name, amount)| {
                let text = match amount {
                    IntOrString::Int(number) => number.to_string(),
                    IntOrString::String(text) => text.clone(),
                };
                (name.clone(), Quantity(text))
            });
            Some(amounts.collect::<BTreeMap<_, _>>()).filter(|amounts| !amounts.is_empty())
        };
        Self { limits: amounts(&resources.limits), requests: amounts(&resources.requests), claims: None }
    }
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentVariable {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
}

impl From<&EnvironmentVariable> for EnvVar {
    fn from(variable: &EnvironmentVariable) -> Self {
        Self { name: variable.name.clone(), value: Some(variable.value.clone()), value_from: None }
    }
}

/// When nodes pull the images. When empty, IfNotPresent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// For each pod.
    Always,
    /// Not when the node has it.
    IfNotPresent,
    /// The node has to have it.
    Never,
}

impl PullPolicy {
    /// As pods write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// Has the plugin serve its metrics and health over HTTP: the kubelet looks at the latter, the operator for why devices are unhealthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Metrics {
    /// The port of the plugin's pods.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}
