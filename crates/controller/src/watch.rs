//! Follows what the reconciler has to know, for ever.

use std::fmt::Debug;

use api_server::{Follow, Hints};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::{PartialObjectMeta, Resource};
use kube::runtime::watcher::{Config, Event};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Family;
use crate::ask::{daemonsets, objects_of};
use crate::stores::Change;

/// How many changes may wait; watches wait meanwhile.
const WAITING: usize = 64;
/// How many objects are asked for at once. A pod has some kilobytes and a Node tens, most of which is dropped at once.
const PAGE: u32 = 100;

/// Follows the objects of all families, all Nodes and, in one namespace, DaemonSets and pods of the families and the version of each
/// ConfigMap. It ends when the second of what it gives is dropped.
pub(crate) fn follow_all(
    client: &Client,
    families: &[Family],
    namespace: &str,
) -> (mpsc::Receiver<Change>, JoinSet<()>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let mut watches = JoinSet::new();
    let apps: Vec<String> = families.iter().map(Family::app).collect();
    let all = Config::default().page_size(PAGE);
    let ours = all.clone().labels(&format!("app in ({})", apps.join(",")));
    for (place, family) in families.iter().enumerate() {
        let api = Api::all_with(client.clone(), &objects_of(family));
        let wrap = move |event| Change::Object(place, event);
        watches.spawn(follow(api, all.clone(), family.plural(), wrap, sender.clone()));
    }
    let api = Api::namespaced_with(client.clone(), namespace, &daemonsets());
    watches.spawn(follow(api, ours.clone(), "daemonsets".to_owned(), Change::DaemonSet, sender.clone()));
    let api = Api::namespaced(client.clone(), namespace);
    watches.spawn(follow(api, ours, "pods".to_owned(), Change::Pod, sender.clone()));
    let api: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(client.clone(), namespace);
    watches.spawn(follow(api, all.clone(), "configmaps".to_owned(), Change::ConfigMap, sender.clone()));
    let api = Api::all(client.clone());
    watches.spawn(follow(api, all, "nodes".to_owned(), Change::Node, sender));
    (receiver, watches)
}

async fn follow<K>(
    api: Api<K>,
    config: Config,
    what: String,
    wrap: impl Fn(Event<K>) -> Change,
    sender: mpsc::Sender<Change>,
) where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let hints = Hints {
        what,
        unknown: "apply deployments/operator/crd, or leave the device out by the flag --devices".to_owned(),
        forbidden: "give the operator's service account that right, see docs/operator.md#rights".to_owned(),
    };
    let mut events = Follow::new(api, config, hints);
    while let Some(event) = events.next().await {
        // Who takes them ends before their watches do.
        drop(sender.send(wrap(event)).await);
    }
}
