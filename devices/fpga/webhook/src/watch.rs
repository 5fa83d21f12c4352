//! Keeps the table as the cluster has the objects.

use std::fmt::Debug;
use std::pin::pin;

use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as follow_from};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use tokio_stream::StreamExt;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use crate::mapping::{Kind, Object};
use crate::mappings::{MAX_OBJECTS, Mappings};
use crate::types::{AcceleratorFunction, FpgaRegion};

/// Follows the objects of all namespaces for ever. Whatever fails is tried again, up to twice a minute; what the table has stays
/// until there is a new list.
pub async fn watch(client: Client, mappings: Mappings) {
    tokio::join!(
        follow::<AcceleratorFunction>(client.clone(), &mappings),
        follow::<FpgaRegion>(client, &mappings),
    );
}

async fn follow<O>(client: Client, mappings: &Mappings)
where
    O: Object + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let events = follow_from(Api::<O>::all(client), watcher::Config::default());
    let mut events = pin!(events.default_backoff());
    let mut listed = Vec::new();
    let mut trouble = String::new();
    // kube itself says each time what fails: here it is said once.
    while let Some(event) = events.next().with_subscriber(NoSubscriber::default()).await {
        match event {
            // The list is still to come, and may fail.
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::InitApply(object)) if listed.len() <= MAX_OBJECTS => listed.push(slim(object)),
            Ok(Event::InitApply(_)) => {}
            Ok(Event::InitDone) => mappings.replace(std::mem::take(&mut listed)),
            Ok(Event::Apply(object)) => mappings.apply(&object),
            Ok(Event::Delete(object)) => mappings.delete(&object),
            Err(error) => {
                if let Some(line) = said(O::KIND, &error).filter(|line| *line != trouble) {
                    tracing::warn!("{line}");
                    trouble = line;
                }
                continue;
            }
        }
        if !std::mem::take(&mut trouble).is_empty() {
            tracing::info!("{}s are followed again", O::KIND);
        }
    }
}

/// What the log says of a failure, with what to do; none for one that is part of the protocol.
fn said(kind: Kind, error: &watcher::Error) -> Option<String> {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    let status = match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status))
        | WatchError(status) => Some(status),
        _ => None,
    };
    Some(match status.map(|status| status.code) {
        // What was seen last is too long ago: a new list follows.
        Some(410) => return None,
        Some(404) => format!(
            "the cluster has no {kind}s of fpga.intel.com/v2: apply deployments/fpga_admissionwebhook/crd; none of their names is known until then"
        ),
        Some(403) => format!(
            "this account may not list and watch {kind}s in all namespaces: bind it to a ClusterRole that may (get, list, watch): {error}"
        ),
        _ => format!("cannot follow {kind}s, which is tried again; what was known stays: {error}"),
    })
}

/// The object without what the table does not need.
fn slim<O: Object>(mut object: O) -> O {
    let meta = object.meta_mut();
    (meta.managed_fields, meta.annotations, meta.labels) = (None, None, None);
    object
}
