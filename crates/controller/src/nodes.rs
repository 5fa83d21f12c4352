//! What the cluster's nodes offer: the sums of what plugins report through the kubelet to the Node objects.
//!
//! Of a Node only the amounts of extended resources are kept, and those of the families' domains alone, so that thousands of nodes
//! cost little memory. Why a device is unhealthy is not in the API: see `reasons.rs`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use webhook::Quantity;

use crate::pods::once;

/// A Node as it comes from the API server, without what nobody asks for.
#[derive(Debug, Clone, Deserialize, Resource)]
#[resource(inherit = core::Node)]
pub(crate) struct Node {
    #[serde(deserialize_with = "little")]
    metadata: ObjectMeta,
    #[serde(default)]
    status: NodeStatus,
}

/// Quantities by the resource's name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct NodeStatus {
    /// Of all devices.
    capacity: BTreeMap<String, String>,
    /// Of the healthy ones.
    allocatable: BTreeMap<String, String>,
}

/// The metadata that a watch needs.
fn little<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Little {
        name: Option<String>,
        resource_version: Option<String>,
    }
    let Little { name, resource_version } = Little::deserialize(deserializer)?;
    Ok(ObjectMeta { name, resource_version, ..ObjectMeta::default() })
}

/// What nodes have of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSummary {
    /// Its name, such as example.com/device.
    pub name: String,
    /// How many nodes have devices.
    pub nodes: i64,
    /// How many devices these have together: the sum of their capacity.
    pub devices: i64,
    /// How many of the devices are unhealthy: what is not allocatable.
    pub unhealthy: i64,
    /// Nodes with unhealthy devices: the first ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unhealthy_nodes: Vec<String>,
    /// Why devices of unhealthyNodes are unhealthy, as NODE DEVICE: REASON; the first ten. Only with the spec's metrics; the plugin's
    /// log has the reasons, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// So many nodes with unhealthy devices are named.
const NAMED: usize = 10;

/// What one node has of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Amount {
    resource: Arc<str>,
    devices: i64,
    unhealthy: i64,
}

/// All nodes that offer something.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    /// By the node's name.
    nodes: BTreeMap<Box<str>, Offer>,
    /// The names of resources, each once.
    resources: HashSet<Arc<str>>,
    /// How many lists have begun. A new one is taken into what is known, so that there are never two of it.
    list: u32,
}

/// What a node offers.
#[derive(Debug, Default)]
struct Offer {
    /// Sorted by the resource's name.
    amounts: Box<[Amount]>,
    /// The last list that had it.
    list: u32,
}

impl Nodes {
    /// A list of all begins.
    pub(crate) fn begin_list(&mut self) {
        self.list = self.list.wrapping_add(1);
    }

    /// Forgets what the list did not have.
    pub(crate) fn end_list(&mut self) {
        let list = self.list;
        self.nodes.retain(|_, offer| offer.list == list);
    }

    /// Takes what a Node says now. Gives the resources of which it says something else than before; `domains` are like `example.com/`.
    pub(crate) fn apply(&mut self, node: &Node, domains: &[String]) -> BTreeSet<Arc<str>> {
        let amounts = self.amounts(&node.status, domains);
        let name = node.metadata.name.as_deref().unwrap_or_default();
        let before = if amounts.is_empty() {
            self.nodes.remove(name)
        } else {
            self.nodes.insert(name.into(), Offer { amounts: amounts.clone(), list: self.list })
        };
        let before = before.unwrap_or_default().amounts;
        let differs = |amount: &&Amount| !(before.contains(amount) && amounts.contains(amount));
        before.iter().chain(&amounts).filter(differs).map(|amount| amount.resource.clone()).collect()
    }

    /// Forgets a node. Gives the resources that it had.
    pub(crate) fn delete(&mut self, node: &Node) -> BTreeSet<Arc<str>> {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        let gone = self.nodes.remove(name).unwrap_or_default();
        gone.amounts.into_iter().map(|amount| amount.resource).collect()
    }

    /// The sums of a domain's resources, of these nodes.
    pub(crate) fn of<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        domain: &str,
    ) -> Vec<ResourceSummary> {
        let nodes = names.into_iter().filter_map(|name| Some((name, self.nodes.get(name)?)));
        sums(nodes, domain)
    }

    /// The sums of all resources, of all nodes.
    pub(crate) fn all(&self) -> Vec<ResourceSummary> {
        sums(self.nodes.iter().map(|(name, offer)| (&**name, offer)), "")
    }

    fn amounts(&mut self, status: &NodeStatus, domains: &[String]) -> Box<[Amount]> {
        let number = |amounts: &BTreeMap<String, String>, name: &str| {
            amounts.get(name).and_then(|text| text.parse::<Quantity>().ok()).map_or(0, Quantity::rounded_up)
        };
        let is_ours = |name: &&String| domains.iter().any(|domain| name.starts_with(domain.as_str()));
        let amounts = status.capacity.keys().filter(is_ours).filter_map(|name| {
            let devices = number(&status.capacity, name);
            if devices <= 0 {
                return None;
            }
            let healthy = number(&status.allocatable, name).clamp(0, devices);
            let resource = once(&mut self.resources, name);
            Some(Amount { resource, devices, unhealthy: devices - healthy })
        });
        amounts.collect()
    }
}

fn sums<'a>(nodes: impl Iterator<Item = (&'a str, &'a Offer)>, domain: &str) -> Vec<ResourceSummary> {
    let mut sums: BTreeMap<&str, ResourceSummary> = BTreeMap::new();
    for (node, offer) in nodes {
        for Amount { resource, devices, unhealthy } in &offer.amounts {
            if !resource.starts_with(domain) {
                continue;
            }
            let sum = sums.entry(resource).or_default();
            sum.nodes += 1;
            sum.devices = sum.devices.saturating_add(*devices);
            sum.unhealthy = sum.unhealthy.saturating_add(*unhealthy);
            if *unhealthy > 0 && sum.unhealthy_nodes.len() < NAMED {
                sum.unhealthy_nodes.push(node.to_owned());
            }
        }
    }
    let named = |(name, sum): (&str, ResourceSummary)| ResourceSummary { name: name.to_owned(), ..sum };
    sums.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const RED: &str = "color.example.com/red";

    /// Resources with capacity and allocatable.
    fn node(name: &str, amounts: &[(&str, &str, &str)]) -> Node {
        let of = |pick: fn(&(&str, &str, &str)) -> String| -> Value {
            amounts.iter().map(|amount| (amount.0.to_owned(), Value::from(pick(amount)))).collect()
        };
        let status = json!({"capacity": of(|it| it.1.to_owned()), "allocatable": of(|it| it.2.to_owned()),
            "images": [{"names": []}]});
        let metadata = json!({"name": name, "labels": {"x": "y"}});
        serde_json::from_value(json!({"metadata": metadata, "spec": {}, "status": status})).unwrap()
    }

    fn apply(nodes: &mut Nodes, node: &Node) -> Vec<String> {
        let touched = nodes.apply(node, &["color.example.com/".to_owned()]);
        touched.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn devices_of_all_nodes_are_summed_and_nodes_with_unhealthy_ones_named() {
        let mut nodes = Nodes::default();
        apply(&mut nodes, &node("b", &[(RED, "8", "6"), ("cpu", "4", "4")]));
        apply(&mut nodes, &node("a", &[(RED, "2k", "2k"), ("other.example.com/x", "1", "1")]));
        let expected = ResourceSummary {
            name: RED.to_owned(),
            nodes: 2,
            devices: 2008,
            unhealthy: 2,
            unhealthy_nodes: vec!["b".to_owned()],
            reasons: Vec::new(),
        };
        assert_eq!(nodes.all(), std::slice::from_ref(&expected));
        assert_eq!(nodes.of(["a", "b", "c"], "color.example.com/"), [expected]);
        assert_eq!(nodes.of(["a"], "color.example.com/")[0].devices, 2000);
        assert_eq!(nodes.of(["a"], "other.example.com/"), []);
    }

    #[test]
    fn only_resources_that_changed_are_news() {
        let mut nodes = Nodes::default();
        let blue = "color.example.com/blue";
        let it = |red, blues| node("a", &[(RED, "8", red), (blue, blues, blues)]);
        assert_eq!(apply(&mut nodes, &node("a", &[("cpu", "4", "4")])), [""; 0]);
        assert_eq!(apply(&mut nodes, &it("8", "1")), [blue, RED]);
        assert_eq!(apply(&mut nodes, &it("8", "1")), [""; 0]);
        assert_eq!(apply(&mut nodes, &it("7", "1")), [RED]);
        assert_eq!(apply(&mut nodes, &it("7", "0")), [blue]);
        assert_eq!(nodes.delete(&it("7", "0")).len(), 1);
        assert_eq!(nodes.delete(&it("7", "0")).len(), 0);
        assert_eq!(nodes.all(), []);
    }

    #[test]
    fn a_list_adds_what_is_new_and_ends_what_it_does_not_have() {
        let mut nodes = Nodes::default();
        apply(&mut nodes, &node("a", &[(RED, "1", "1")]));
        apply(&mut nodes, &node("b", &[(RED, "2", "2")]));
        nodes.begin_list();
        apply(&mut nodes, &node("b", &[(RED, "2", "2")]));
        apply(&mut nodes, &node("c", &[(RED, "4", "4")]));
        assert_eq!(nodes.all()[0].devices, 7);
        nodes.end_list();
        assert_eq!(nodes.all()[0].devices, 6);
    }

    #[test]
    fn at_most_ten_nodes_are_named_and_nonsense_counts_for_nothing() {
        let mut nodes = Nodes::default();
        for number in 10..30 {
            apply(&mut nodes, &node(&format!("n{number}"), &[(RED, "1", "0")]));
        }
        apply(&mut nodes, &node("x", &[(RED, "many", "1"), ("color.example.com/blue", "-1", "1")]));
        apply(&mut nodes, &node("y", &[(RED, "3", "9")]));
        let all = nodes.all();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].nodes, all[0].devices, all[0].unhealthy), (21, 23, 20));
        assert_eq!(all[0].unhealthy_nodes.len(), 10);
    }
}
