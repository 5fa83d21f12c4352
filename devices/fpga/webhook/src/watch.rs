//! Keeps the table as the cluster has the objects.

use std::fmt::Debug;

use api_server::{Follow, Hints};
use kube::runtime::watcher::{Config, Event};
use kube::{Api, Client};
use serde::de::DeserializeOwned;

use crate::mapping::Object;
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
    let hints = Hints {
        what: format!("{}s", O::KIND),
        unknown: "apply deployments/fpga_admissionwebhook/crd; none of their names means anything until then"
            .to_owned(),
        forbidden: "bind it to a ClusterRole that may (get, list, watch), in all namespaces".to_owned(),
    };
    let mut events = Follow::new(Api::<O>::all(client), Config::default(), hints);
    let mut listed = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(object) if listed.len() <= MAX_OBJECTS => listed.push(slim(object)),
            Event::InitApply(_) => {}
            Event::InitDone => mappings.replace(std::mem::take(&mut listed)),
            Event::Apply(object) => mappings.apply(&object),
            Event::Delete(object) => mappings.delete(&object),
        }
    }
}

/// The object without what the table does not need.
fn slim<O: Object>(mut object: O) -> O {
    let meta = object.meta_mut();
    (meta.managed_fields, meta.annotations, meta.labels) = (None, None, None);
    object
}
