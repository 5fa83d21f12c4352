//! What an object's status says.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ResourceSummary;

/// How the DaemonSet of an object is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The DaemonSet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controlled_daemon_set: Option<Reference>,
    /// The nodes that have a pod of it, in the order of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_names: Vec<String>,
    /// How many nodes are to have one.
    pub desired_number_scheduled: i32,
    /// How many have one that is ready.
    pub number_ready: i32,
    /// What the nodes of nodeNames offer, by the resource's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceSummary>,
    /// Whether the plugin is available on all nodes, whether it is being rolled out, and what is wrong: Available, Progressing,
    /// Degraded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation of the object that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// An object of the API. All may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct Reference {
    /// Its API's group and version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// A part of it, if not all of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field_path: String,
    /// What it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Its unique id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}
