//! The plugins' pods, of which there may be tens of thousands: no more of each is kept than where it runs, its address and
//! whether it is ready.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use serde::{Deserialize, Deserializer};

/// A pod as it comes from the API server, without what nobody asks for.
#[derive(Debug, Clone, Deserialize, Resource)]
#[resource(inherit = core::Pod)]
pub(crate) struct Pod {
    #[serde(deserialize_with = "little")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct PodStatus {
    conditions: Vec<Condition>,
    #[serde(rename = "podIP")]
    pod_ip: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
}

/// The metadata that a watch needs, and the owner.
fn little<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Little {
        name: Option<String>,
        namespace: Option<String>,
        resource_version: Option<String>,
        owner_references: Option<Vec<OwnerReference>>,
        labels: Option<BTreeMap<String, String>>,
    }
    let Little { name, namespace, resource_version, owner_references, labels } =
        Little::deserialize(deserializer)?;
    Ok(ObjectMeta { name, namespace, resource_version, owner_references, labels, ..ObjectMeta::default() })
}

impl Pod {
    fn owner(&self) -> Option<&str> {
        let mut owners = self.metadata.owner_references.iter().flatten();
        let owner = owners.find(|owner| owner.controller == Some(true) && owner.kind == "DaemonSet");
        owner.map(|owner| owner.uid.as_str())
    }

    fn is_ready(&self) -> bool {
        self.status
            .conditions
            .iter()
            .any(|condition| condition.r#type == "Ready" && condition.status == "True")
    }
}

/// All pods, by the DaemonSet that made them.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    owners: BTreeMap<Box<str>, Group>,
    /// The names of nodes, each once.
    nodes: HashSet<Arc<str>>,
    /// How many lists have begun. A new one is taken into what is known, so that there are never two of it.
    list: u32,
}

/// The pods of one DaemonSet, by name.
#[derive(Debug, Default)]
struct Group {
    pods: HashMap<Box<str>, Placed>,
    /// Where they are, once somebody has asked.
    nodes: OnceLock<Arc<[Arc<str>]>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Placed {
    node: Arc<str>,
    is_ready: bool,
    address: Option<IpAddr>,
    /// The last list that had it.
    list: u32,
}

impl Pods {
    /// A list of all begins.
    pub(crate) fn begin_list(&mut self) {
        self.list = self.list.wrapping_add(1);
    }

    /// Forgets what the list did not have.
    pub(crate) fn end_list(&mut self) {
        let list = self.list;
        for group in self.owners.values_mut() {
            group.pods.retain(|_, placed| placed.list == list);
            group.nodes.take();
        }
        self.owners.retain(|_, group| !group.pods.is_empty());
        self.nodes.retain(|node| Arc::strong_count(node) > 1);
    }

    /// Takes a pod that is new or has changed. Gives its owner's unique id if something of it is different now.
    pub(crate) fn apply<'a>(&mut self, pod: &'a Pod) -> Option<&'a str> {
        let (owner, name) = (pod.owner()?, pod.metadata.name.as_deref()?);
        let node = once(&mut self.nodes, &pod.spec.node_name);
        let address = pod.status.pod_ip.parse().ok();
        let placed = Placed { node, is_ready: pod.is_ready(), address, list: self.list };
        let group = match self.owners.get_mut(owner) {
            Some(group) => group,
            None => self.owners.entry(owner.into()).or_default(),
        };
        let old = group.pods.get(name);
        if old == Some(&placed) {
            return None;
        }
        if old.is_none_or(|old| old.node != placed.node) {
            group.nodes.take();
        }
        group.pods.insert(name.into(), placed);
        Some(owner)
    }

    /// Forgets a pod. Gives its owner's unique id if it was known.
    pub(crate) fn delete<'a>(&mut self, pod: &'a Pod) -> Option<&'a str> {
        let (owner, name) = (pod.owner()?, pod.metadata.name.as_deref()?);
        let group = self.owners.get_mut(owner)?;
        group.pods.remove(name)?;
        group.nodes.take();
        if group.pods.is_empty() {
            self.owners.remove(owner);
        }
        Some(owner)
    }

    /// The nodes that have pods of this DaemonSet, in the order of their names.
    pub(crate) fn nodes(&self, owner: &str) -> Arc<[Arc<str>]> {
        let Some(group) = self.owners.get(owner) else { return Arc::default() };
        let nodes = group.nodes.get_or_init(|| sorted(group.pods.values()));
        nodes.clone()
    }

    /// The nodes on which a pod of this DaemonSet is not ready, in the order of their names.
    pub(crate) fn unready(&self, owner: &str) -> Arc<[Arc<str>]> {
        let pods = self.owners.get(owner).into_iter().flat_map(|group| group.pods.values());
        sorted(pods.filter(|placed| !placed.is_ready))
    }

    /// The addresses of this DaemonSet's pods on some nodes, by node: of several on one, that of a ready one.
    pub(crate) fn addresses(&self, owner: &str, nodes: &BTreeSet<&str>) -> BTreeMap<Arc<str>, IpAddr> {
        let pods = self.owners.get(owner).into_iter().flat_map(|group| group.pods.values());
        let mut found = BTreeMap::new();
        for placed in pods.filter(|placed| nodes.contains(&*placed.node)) {
            let Some(address) = placed.address else { continue };
            let candidate = (!placed.is_ready, address);
            let best = found.entry(placed.node.clone()).or_insert(candidate);
            *best = candidate.min(*best);
        }
        found.into_iter().map(|(node, (_, address))| (node, address)).collect()
    }
}

/// A name that many things have, kept once for all of them.
pub(crate) fn once(names: &mut HashSet<Arc<str>>, name: &str) -> Arc<str> {
    if let Some(known) = names.get(name) {
        return known.clone();
    }
    let new: Arc<str> = name.into();
    names.insert(new.clone());
    new
}

/// The nodes of pods, each once, without that of pods that have none yet.
fn sorted<'a>(pods: impl Iterator<Item = &'a Placed>) -> Arc<[Arc<str>]> {
    let nodes = pods.filter(|placed| !placed.node.is_empty()).map(|placed| placed.node.clone());
    let mut nodes: Vec<Arc<str>> = nodes.collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes.into()
}

/// What is in both of two sorted lists.
pub(crate) fn shared<'a>(one: &'a [Arc<str>], other: &[Arc<str>]) -> Vec<&'a str> {
    let mut other = other.iter().peekable();
    let is_there = |node: &&'a Arc<str>| {
        while other.next_if(|there| there < node).is_some() {}
        other.peek() == Some(node)
    };
    one.iter().filter(is_there).map(|node| &**node).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, owner: &str, node: &str, ready: &str) -> Pod {
        let owner = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": owner, "controller": true});
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"app": "x"}, "ownerReferences": [owner]},
            "spec": {"nodeName": node, "containers": []},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap()
    }

    #[test]
    fn nodes_are_sorted_and_unique_and_pods_that_no_node_has_yet_do_not_count() {
        let mut pods = Pods::default();
        for (name, node) in [("p1", "b"), ("p2", "a"), ("p3", "b"), ("p4", "")] {
            assert_eq!(pods.apply(&pod(name, "1", node, "True")), Some("1"));
        }
        pods.apply(&pod("q", "2", "c", "True"));
        assert_eq!(pods.nodes("1").iter().map(|node| &**node).collect::<Vec<_>>(), ["a", "b"]);
        assert!(pods.nodes("3").is_empty());
    }

    #[test]
    fn only_what_is_kept_counts_as_a_change() {
        let mut pods = Pods::default();
        let one = pod("p", "1", "a", "False");
        assert_eq!(pods.apply(&one), Some("1"));
        assert_eq!(pods.unready("1").len(), 1);
        assert_eq!(pods.apply(&one), None);
        assert_eq!(pods.apply(&pod("p", "1", "a", "True")), Some("1"));
        assert!(pods.unready("1").is_empty());
        assert_eq!(pods.delete(&one), Some("1"));
        assert_eq!(pods.delete(&one), None);
        assert!(pods.nodes("1").is_empty());
    }

    #[test]
    fn what_two_lists_share_is_found() {
        let list = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<Arc<str>>>();
        for (one, other, both) in [
            (&["a", "c", "d"][..], &["b", "c", "d", "e"][..], &["c", "d"][..]),
            (&["a"], &[], &[]),
            (&[], &["a"], &[]),
            (&["z"], &["a", "z"], &["z"]),
        ] {
            assert_eq!(shared(&list(one), &list(other)), both);
        }
    }

    #[test]
    fn a_list_adds_what_is_new_and_ends_what_it_does_not_have() {
        let mut pods = Pods::default();
        pods.apply(&pod("p1", "1", "a", "True"));
        pods.apply(&pod("p2", "1", "b", "True"));
        pods.apply(&pod("q", "2", "a", "True"));
        // One that breaks off.
        pods.begin_list();
        pods.apply(&pod("p1", "1", "a", "True"));
        pods.begin_list();
        pods.apply(&pod("p2", "1", "b", "False"));
        assert_eq!(pods.nodes("1").len(), 2);
        pods.end_list();
        assert_eq!(pods.nodes("1").iter().map(|node| &**node).collect::<Vec<_>>(), ["b"]);
        assert_eq!(pods.unready("1").len(), 1);
        assert!(pods.nodes("2").is_empty());
        assert_eq!(pods.nodes.len(), 1, "names that nobody needs are gone");
        assert_eq!(pods.apply(&pod("p2", "1", "b", "False")), None);
    }

    #[test]
    fn a_pod_that_moves_moves_the_node() {
        let mut pods = Pods::default();
        pods.apply(&pod("p", "1", "", "False"));
        assert!(pods.nodes("1").is_empty());
        pods.apply(&pod("p", "1", "a", "False"));
        assert_eq!(pods.nodes("1").len(), 1);
    }

    #[test]
    fn the_address_of_a_node_is_that_of_a_ready_pod() {
        let mut pods = Pods::default();
        let placed = |name: &str, node: &str, ready: &str, address: &str| {
            let mut pod = pod(name, "1", node, ready);
            pod.status.pod_ip = address.to_owned();
            pod
        };
        for pod in [
            placed("p1", "a", "False", "10.0.0.1"),
            placed("p2", "a", "True", "10.0.0.3"),
            placed("p3", "a", "True", "10.0.0.2"),
            placed("p4", "b", "False", "fd00::1"),
            placed("p5", "c", "True", "10.0.0.4"),
            placed("p6", "d", "True", "example.com"),
        ] {
            pods.apply(&pod);
        }
        let found = pods.addresses("1", &BTreeSet::from(["a", "b", "d", "e"]));
        let found: Vec<String> = found.iter().map(|(node, address)| format!("{node} {address}")).collect();
        assert_eq!(found, ["a 10.0.0.2", "b fd00::1"]);
        assert!(pods.addresses("2", &BTreeSet::from(["a"])).is_empty());
        assert_eq!(pods.apply(&placed("p5", "c", "True", "10.0.0.5")), Some("1"), "it has moved");
    }

    #[test]
    fn pods_of_nobody_are_not_kept() {
        let mut pods = Pods::default();
        let lone: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}})).unwrap();
        assert_eq!(pods.apply(&lone), None);
        assert_eq!(pods.delete(&lone), None);
    }
}
