//! What is known of the cluster, as the watches tell it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;

use crate::Family;
use crate::nodes::{Node, Nodes};
use crate::object::Object;
use crate::pods::{Pod, Pods};

/// An object: its family's place in the table, and its name.
pub(crate) type Key = (usize, String);

/// What a watch says.
#[derive(Debug)]
pub(crate) enum Change {
    Object(usize, Event<DynamicObject>),
    DaemonSet(Event<DynamicObject>),
    Pod(Event<Pod>),
    ConfigMap(Event<PartialObjectMeta<ConfigMap>>),
    Node(Event<Node>),
}

/// Which objects are to be looked at after a change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    None,
    One(Key),
    /// One that an admin has made or changed.
    New(Key),
    /// All of a family.
    Family(usize),
    /// All of these families, but there is no hurry: more of this kind is to come.
    Later(Vec<usize>),
    All,
}

#[derive(Default)]
pub(crate) struct Stores {
    objects: BTreeMap<Key, Arc<Object>>,
    daemonsets: BTreeMap<String, DynamicObject>,
    pub(crate) pods: Pods,
    /// The version of each ConfigMap.
    config_maps: BTreeMap<String, String>,
    nodes: Nodes,
    /// Whether nodes were listed, which may not be allowed.
    nodes_are_known: bool,
    listing: Listing,
}

/// Lists that are still coming.
#[derive(Default)]
struct Listing {
    objects: BTreeMap<usize, BTreeMap<Key, Arc<Object>>>,
    daemonsets: BTreeMap<String, DynamicObject>,
    config_maps: BTreeMap<String, String>,
    /// Which of the watches that all families share have listed everything once.
    done: BTreeSet<usize>,
}

impl Stores {
    /// Whether everything was listed that has to be known before anything is done. A family whose objects cannot be listed, such as one
    /// whose definition the cluster does not have yet, holds up no other; nor do nodes.
    pub(crate) fn is_complete(&self) -> bool {
        self.listing.done.len() == SHARED
    }

    pub(crate) fn object(&self, key: &Key) -> Option<&Arc<Object>> {
        self.objects.get(key)
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.objects.keys().cloned().collect()
    }

    pub(crate) fn keys_of(&self, family: usize) -> Vec<Key> {
        self.objects.keys().filter(|(place, _)| *place == family).cloned().collect()
    }

    pub(crate) fn daemonset(&self, name: &str) -> Option<&DynamicObject> {
        self.daemonsets.get(name)
    }

    /// The DaemonSets with this value of the label `app`.
    pub(crate) fn daemonsets_of(&self, app: &str) -> impl Iterator<Item = &DynamicObject> {
        self.daemonsets.values().filter(move |daemonset| app_of(&daemonset.metadata) == Some(app))
    }

    /// What all nodes offer, if that is known.
    pub(crate) fn nodes(&self) -> Option<&Nodes> {
        self.nodes_are_known.then_some(&self.nodes)
    }

    pub(crate) fn config_map_version(&self, name: &str) -> Option<&str> {
        self.config_maps.get(name).map(String::as_str)
    }

    /// Takes the answer to a write, before the watch tells of it.
    pub(crate) fn put_object(&mut self, key: &Key, object: Arc<Object>) {
        put(&mut self.objects, key.clone(), object, |object| &object.metadata);
    }

    /// Takes the answer to a write, before the watch tells of it.
    pub(crate) fn put_daemonset(&mut self, name: &str, daemonset: DynamicObject) {
        put(&mut self.daemonsets, name.to_owned(), daemonset, |daemonset| &daemonset.metadata);
    }

    pub(crate) fn take(&mut self, change: Change, families: &[Family]) -> Touched {
        match change {
            Change::Object(family, event) => self.take_object(family, event),
            Change::DaemonSet(event) => self.take_daemonset(event, families),
            Change::Pod(event) => self.take_pod(&event, families),
            Change::ConfigMap(event) => self.take_config_map(event),
            Change::Node(event) => self.take_node(&event, families),
        }
    }

    fn take_object(&mut self, family: usize, event: Event<DynamicObject>) -> Touched {
        let key = |object: &DynamicObject| (family, object.metadata.name.clone().unwrap_or_default());
        match event {
            Event::Init => {
                self.listing.objects.remove(&family);
            }
            Event::InitApply(object) => {
                let listing = self.listing.objects.entry(family).or_default();
                listing.insert(key(&object), Arc::new(object.into()));
            }
            Event::InitDone => {
                let listed = self.listing.objects.remove(&family).unwrap_or_default();
                let mut gone = self.keys_of(family);
                gone.retain(|key| !listed.contains_key(key));
                for key in gone {
                    self.objects.remove(&key);
                }
                for (key, object) in listed {
                    put(&mut self.objects, key, object, |object| &object.metadata);
                }
                return Touched::Family(family);
            }
            Event::Apply(object) => {
                let key = key(&object);
                let generation = self.objects.get(&key).map(|known| known.metadata.generation);
                let is_new = generation != Some(object.metadata.generation);
                self.put_object(&key, Arc::new(object.into()));
                return if is_new { Touched::New(key) } else { Touched::One(key) };
            }
            Event::Delete(object) => {
                self.objects.remove(&key(&object));
                return Touched::Family(family);
            }
        }
        Touched::None
    }

    fn take_daemonset(&mut self, event: Event<DynamicObject>, families: &[Family]) -> Touched {
        let name = |object: &DynamicObject| object.metadata.name.clone().unwrap_or_default();
        let (touched, daemonset) = match event {
            Event::Init => {
                self.listing.daemonsets.clear();
                return Touched::None;
            }
            Event::InitApply(daemonset) => {
                self.listing.daemonsets.insert(name(&daemonset), daemonset);
                return Touched::None;
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listing.daemonsets);
                self.daemonsets.retain(|name, _| listed.contains_key(name));
                for (name, daemonset) in listed {
                    self.put_daemonset(&name, daemonset);
                }
                self.listing.done.insert(DAEMONSETS);
                return Touched::All;
            }
            Event::Apply(daemonset) => {
                let touched = touched_by(&daemonset, families);
                (touched, Some(daemonset))
            }
            Event::Delete(daemonset) => {
                self.daemonsets.remove(&name(&daemonset));
                // It is in the way of nobody any more.
                let touched = match touched_by(&daemonset, families) {
                    Touched::One((family, _)) => Touched::Family(family),
                    touched => touched,
                };
                (touched, None)
            }
        };
        if let Some(daemonset) = daemonset {
            self.put_daemonset(&name(&daemonset), daemonset);
        }
        touched
    }

    fn take_pod(&mut self, event: &Event<Pod>, families: &[Family]) -> Touched {
        let (pod, owner) = match event {
            Event::Init => {
                self.pods.begin_list();
                return Touched::None;
            }
            Event::InitApply(pod) => {
                self.pods.apply(pod);
                return Touched::None;
            }
            Event::InitDone => {
                self.pods.end_list();
                self.listing.done.insert(PODS);
                return Touched::All;
            }
            Event::Apply(pod) => (pod, self.pods.apply(pod)),
            Event::Delete(pod) => (pod, self.pods.delete(pod)),
        };
        let app = owner.and_then(|_| app_of(kube::Resource::meta(pod)));
        let family = families.iter().position(|family| app == Some(family.app().as_str()));
        family.map_or(Touched::None, |family| Touched::Later(vec![family]))
    }

    fn take_node(&mut self, event: &Event<Node>, families: &[Family]) -> Touched {
        let domains: Vec<String> = families.iter().map(Family::domain).collect();
        let resources = match event {
            Event::Init => {
                self.nodes.begin_list();
                return Touched::None;
            }
            Event::InitApply(node) => {
                self.nodes.apply(node, &domains);
                return Touched::None;
            }
            Event::InitDone => {
                self.nodes.end_list();
                self.nodes_are_known = true;
                return Touched::All;
            }
            Event::Apply(node) => self.nodes.apply(node, &domains),
            Event::Delete(node) => self.nodes.delete(node),
        };
        let is_touched =
            |domain: &String| resources.iter().any(|resource| resource.starts_with(domain.as_str()));
        let touched = domains.iter().enumerate().filter(|(_, domain)| is_touched(domain));
        let touched: Vec<usize> = touched.map(|(family, _)| family).collect();
        if touched.is_empty() { Touched::None } else { Touched::Later(touched) }
    }

    fn take_config_map(&mut self, event: Event<PartialObjectMeta<ConfigMap>>) -> Touched {
        let named = |map: PartialObjectMeta<ConfigMap>| {
            (map.metadata.name.unwrap_or_default(), map.metadata.resource_version.unwrap_or_default())
        };
        match event {
            Event::Init => {
                self.listing.config_maps.clear();
                return Touched::None;
            }
            Event::InitApply(map) => {
                self.listing.config_maps.extend([named(map)]);
                return Touched::None;
            }
            Event::InitDone => {
                self.config_maps = std::mem::take(&mut self.listing.config_maps);
                self.listing.done.insert(CONFIG_MAPS);
            }
            Event::Apply(map) => self.config_maps.extend([named(map)]),
            Event::Delete(map) => drop(self.config_maps.remove(&named(map).0)),
        }
        Touched::All
    }
}

/// The watches that all families share.
const DAEMONSETS: usize = 0;
const PODS: usize = 1;
const CONFIG_MAPS: usize = 2;
const SHARED: usize = 3;

fn app_of(metadata: &ObjectMeta) -> Option<&str> {
    metadata.labels.as_ref()?.get("app").map(String::as_str)
}

/// The object that a DaemonSet is of; and all of a family when it is of none, since it may be in the way of any.
fn touched_by(daemonset: &DynamicObject, families: &[Family]) -> Touched {
    let owners = daemonset.metadata.owner_references.iter().flatten();
    let mut owners = owners.filter(|owner| owner.controller == Some(true));
    let of_object = owners.find_map(|owner| {
        let family = families.iter().position(|family| family.kind() == owner.kind)?;
        Some((family, owner.name.clone()))
    });
    let app = app_of(&daemonset.metadata);
    let family = || families.iter().position(|family| app == Some(family.app().as_str()));
    match of_object {
        Some(key) => Touched::One(key),
        None => family().map_or(Touched::None, Touched::Family),
    }
}

/// Keeps the newer one. Versions can be compared: <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>.
fn put<K: Ord, T>(store: &mut BTreeMap<K, T>, key: K, new: T, metadata: fn(&T) -> &ObjectMeta) {
    let version = |one: &T| metadata(one).resource_version.as_ref()?.parse::<u128>().ok();
    let is_older = store.get(&key).is_some_and(|known| version(known) > version(&new));
    if !is_older {
        store.insert(key, new);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn daemonset(version: &str) -> DynamicObject {
        serde_json::from_value(json!({"metadata": {"name": "d", "resourceVersion": version}})).unwrap()
    }

    #[test]
    fn an_event_that_is_late_does_not_undo_what_is_known() {
        let mut stores = Stores::default();
        let version =
            |stores: &Stores| stores.daemonset("d").unwrap().metadata.resource_version.clone().unwrap();
        stores.put_daemonset("d", daemonset("10"));
        stores.take(Change::DaemonSet(Event::Apply(daemonset("9"))), &[]);
        assert_eq!(version(&stores), "10");
        stores.take(Change::DaemonSet(Event::Init), &[]);
        stores.take(Change::DaemonSet(Event::InitApply(daemonset("8"))), &[]);
        stores.take(Change::DaemonSet(Event::InitDone), &[]);
        assert_eq!(version(&stores), "10");
        stores.take(Change::DaemonSet(Event::Apply(daemonset("11"))), &[]);
        assert_eq!(version(&stores), "11");
    }

    #[test]
    fn what_a_new_list_does_not_have_is_gone() {
        let mut stores = Stores::default();
        stores.put_daemonset("d", daemonset("1"));
        stores.take(Change::DaemonSet(Event::Init), &[]);
        assert!(stores.daemonset("d").is_some(), "the list may fail");
        stores.take(Change::DaemonSet(Event::InitDone), &[]);
        assert!(stores.daemonset("d").is_none());
    }
}
