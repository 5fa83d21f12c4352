//! Which pod has which device, by the kubelet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use device_plugin::error_chain;
use device_plugin::pod_resources::pod_resources_lister_client::PodResourcesListerClient;
use device_plugin::pod_resources::{
    AllocatableResourcesRequest, ContainerDevices, ListPodResourcesRequest, MAX_MESSAGE_BYTES,
};
use tokio::time::timeout;
use tonic::transport::{Endpoint, Uri};

/// A kubelet that works answers at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// A container that has a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Holder {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
}

/// The devices of a node.
#[derive(Debug, Default)]
pub(super) struct Devices {
    /// By resource and id. More than one container has it where the first was an init container.
    pub(super) held: BTreeMap<(String, String), BTreeSet<Holder>>,
    /// The healthy ones that nobody has, by resource.
    pub(super) free: BTreeMap<String, BTreeSet<String>>,
}

/// Whether this is a resource of the families' plugins.
fn is_ours(resource: &str) -> bool {
    resource.split_once('/').is_some_and(|(domain, _)| domain.ends_with(".intel.com"))
}

impl Devices {
    /// Asks the kubelet at this socket.
    pub(super) async fn ask(socket: &Path) -> Result<Self, String> {
        let answer = timeout(PATIENCE, Self::ask_at_leisure(socket)).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
        answer.map_err(|why| {
            let hint = "is the kubelet running, is its folder mounted, is this run as root?";
            format!(
                "cannot ask the kubelet at {} which pod has which device: {why}; {hint}",
                socket.display()
            )
        })
    }

    async fn ask_at_leisure(socket: &Path) -> Result<Self, String> {
        let channel = Endpoint::from_shared(format!("unix://{}", socket.display()))
            .map_err(|error| error_chain(&error))?
            .origin(Uri::from_static("http://localhost"))
            .connect()
            .await
            .map_err(|error| error_chain(&error))?;
        let mut kubelet = PodResourcesListerClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let said = |status: tonic::Status| format!("it says: {}", status.message());
        let pods = kubelet.list(ListPodResourcesRequest {}).await.map_err(said)?.into_inner();
        let all = kubelet.get_allocatable_resources(AllocatableResourcesRequest {}).await.map_err(said)?;
        let mut devices = Self::default();
        for pod in pods.pod_resources {
            for container in pod.containers {
                let holder = Holder {
                    namespace: pod.namespace.clone(),
                    pod: pod.name.clone(),
                    container: container.name,
                };
                for key in keys(container.devices) {
                    devices.held.entry(key).or_default().insert(holder.clone());
                }
            }
        }
        for (resource, id) in keys(all.into_inner().devices) {
            let free = devices.free.entry(resource.clone()).or_default();
            if !devices.held.contains_key(&(resource, id.clone())) {
                free.insert(id);
            }
        }
        Ok(devices)
    }
}

fn keys(devices: Vec<ContainerDevices>) -> impl Iterator<Item = (String, String)> {
    devices.into_iter().filter(|devices| is_ours(&devices.resource_name)).flat_map(|devices| {
        let resource = devices.resource_name;
        devices.device_ids.into_iter().map(move |id| (resource.clone(), id))
    })
}
