//! What the cluster's nodes offer of each family: the sums of what plugins report through the kubelet to the Node objects.
//!
//! Of a Node only the amounts of extended resources are kept, and those of the families' domains alone, so that thousands of nodes
//! cost little memory. Why a device is unhealthy is not in the API: the plugin's log and its metrics have the reason.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Node, as far as it is of interest.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Node {
    /// As of every object.
    pub metadata: Metadata,
    /// What the kubelet says.
    pub status: Amounts,
}

/// The name of an object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// It.
    pub name: String,
}

/// Amounts by the resource's name, as quantities.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Amounts {
    /// Of all devices.
    pub capacity: BTreeMap<String, String>,
    /// Of the healthy ones.
    pub allocatable: BTreeMap<String, String>,
}

/// What nodes have of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSummary {
    /// Its name, such as example.com/device.
    pub name: String,
    /// How many nodes have devices.
    pub nodes: i64,
    /// How many devices these have together.
    pub devices: i64,
    /// How many of the devices are unhealthy.
    pub unhealthy: i64,
    /// Nodes with unhealthy devices: the first ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unhealthy_nodes: Vec<String>,
}

/// So many nodes with unhealthy devices are named.
const NAMED: usize = 10;

/// All nodes that offer something.
#[derive(Debug, Default)]
pub struct Nodes {
    /// By the node's name and the resource's: all devices, and the healthy ones.
    nodes: BTreeMap<String, BTreeMap<String, (i64, i64)>>,
}

impl Nodes {
    /// Takes what a Node says now; true if that is news. `domains` are like `example.com/`.
    pub fn update(&mut self, node: &Node, domains: &[String]) -> bool {
        let is_ours = |name: &str| domains.iter().any(|domain| name.starts_with(domain.as_str()));
        let number = |amounts: &BTreeMap<String, String>, name: &str| {
            // Extended resources are whole numbers; the API server writes thousands as 1k.
            amounts.get(name).map_or(0, |text| whole(text).unwrap_or(0))
        };
        let amounts: BTreeMap<String, (i64, i64)> = node
            .status
            .capacity
            .keys()
            .filter(|name| is_ours(name))
            .map(|name| {
                let (all, healthy) =
                    (number(&node.status.capacity, name), number(&node.status.allocatable, name));
                (name.clone(), (all, healthy.min(all)))
            })
            .filter(|(_, (all, _))| *all > 0)
            .collect();
        if amounts.is_empty() {
            return self.remove(&node.metadata.name);
        }
        self.nodes.insert(node.metadata.name.clone(), amounts.clone()) != Some(amounts)
    }

    /// Forgets a node; true if it was known.
    pub fn remove(&mut self, name: &str) -> bool {
        self.nodes.remove(name).is_some()
    }

    /// Forgets all nodes but these.
    pub fn retain(&mut self, names: &BTreeSet<String>) {
        self.nodes.retain(|name, _| names.contains(name));
    }

    /// The sums of all resources of a domain, of all nodes or of these.
    pub fn summary(&self, domain: &str, of: Option<&BTreeSet<&str>>) -> Vec<ResourceSummary> {
        let mut sums: BTreeMap<&str, ResourceSummary> = BTreeMap::new();
        let nodes = self.nodes.iter().filter(|(name, _)| of.is_none_or(|of| of.contains(name.as_str())));
        for (node, amounts) in nodes {
            for (name, (all, healthy)) in amounts.iter().filter(|(name, _)| name.starts_with(domain)) {
                let sum = sums.entry(name).or_default();
                sum.nodes += 1;
                sum.devices += all;
                sum.unhealthy += all - healthy;
                if healthy < all && sum.unhealthy_nodes.len() < NAMED {
                    sum.unhealthy_nodes.push(node.clone());
                }
            }
        }
        let named = |(name, sum): (&str, ResourceSummary)| ResourceSummary { name: name.to_owned(), ..sum };
        sums.into_iter().map(named).collect()
    }
}

/// A quantity of whole devices: digits, and maybe a decimal suffix.
fn whole(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..)? {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(factor).filter(|number| *number >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, amounts: &[(&str, &str, &str)]) -> Node {
        let of = |pick: fn(&(&str, &str, &str)) -> String| {
            amounts.iter().map(|amount| (amount.0.to_owned(), pick(amount))).collect()
        };
        Node {
            metadata: Metadata { name: name.to_owned() },
            status: Amounts { capacity: of(|it| it.1.to_owned()), allocatable: of(|it| it.2.to_owned()) },
        }
    }

    fn domains() -> Vec<String> {
        vec!["color.example.com/".to_owned()]
    }

    #[test]
    fn devices_of_all_nodes_are_summed_and_nodes_with_unhealthy_ones_named() {
        let mut nodes = Nodes::default();
        let red = "color.example.com/red";
        assert!(nodes.update(&node("b", &[(red, "8", "6"), ("cpu", "4", "4")]), &domains()));
        assert!(
            nodes.update(&node("a", &[(red, "2k", "2k"), ("other.example.com/x", "1", "1")]), &domains())
        );
        let expected = ResourceSummary {
            name: red.to_owned(),
            nodes: 2,
            devices: 2008,
            unhealthy: 2,
            unhealthy_nodes: vec!["b".to_owned()],
        };
        assert_eq!(nodes.summary("color.example.com/", None), [expected]);
        assert_eq!(nodes.summary("other.example.com/", None), []);
        assert_eq!(nodes.summary("color.example.com/", Some(&BTreeSet::from(["a"])))[0].devices, 2000);
    }

    #[test]
    fn only_changes_are_news() {
        let mut nodes = Nodes::default();
        let it = node("a", &[("color.example.com/red", "8", "8")]);
        assert!(!nodes.update(&node("a", &[("cpu", "4", "4")]), &domains()));
        assert!(nodes.update(&it, &domains()));
        assert!(!nodes.update(&it, &domains()));
        assert!(nodes.update(&node("a", &[("color.example.com/red", "8", "7")]), &domains()));
        assert!(nodes.update(&node("a", &[("color.example.com/red", "0", "0")]), &domains()));
        assert!(!nodes.remove("a"));
    }

    #[test]
    fn at_most_ten_nodes_are_named_and_nonsense_counts_for_nothing() {
        let mut nodes = Nodes::default();
        for number in 10..30 {
            nodes.update(&node(&format!("n{number}"), &[("color.example.com/red", "1", "0")]), &domains());
        }
        nodes.update(
            &node("x", &[("color.example.com/red", "many", "1"), ("color.example.com/blue", "-1", "1")]),
            &domains(),
        );
        nodes.update(&node("y", &[("color.example.com/red", "9223372036854775807G", "1")]), &domains());
        let summary = nodes.summary("color.example.com/", None);
        assert_eq!(summary.len(), 1);
        assert_eq!((summary[0].nodes, summary[0].unhealthy, summary[0].unhealthy_nodes.len()), (20, 20, 10));
    }

    #[test]
    fn a_node_is_read_whatever_else_it_says() {
        let text = r#"{"metadata": {"name": "a", "labels": {"x": "y"}}, "spec": {}, "status":
            {"capacity": {"cpu": "4", "color.example.com/red": "3"}, "images": [{"names": []}]}}"#;
        let read: Node = serde_json::from_str(text).unwrap();
        let mut nodes = Nodes::default();
        nodes.update(&read, &domains());
        assert_eq!(nodes.summary("color.example.com/", None)[0].unhealthy, 3);
    }
}
