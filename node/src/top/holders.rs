//! Which pod has which device, by the kubelet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use ::doctor::kubelet::FOLDER;
use device_plugin::pod_resources::pod_resources_lister_client::PodResourcesListerClient;
use device_plugin::pod_resources::{
    AllocatableResourcesRequest, ContainerDevices, ListPodResourcesRequest, MAX_MESSAGE_BYTES,
};
use device_plugin::{Checkpoint, error_chain};
use host::Host;
use tokio::time::timeout;
use tonic::transport::{Endpoint, Uri};

use crate::families;

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
    /// What cannot be seen of them, and why.
    pub(super) unseen: Option<String>,
}

impl Devices {
    /// Asks the kubelet of the node at this socket, and reads what it remembers: it does not tell of devices that are near no
    /// NUMA node (up to 1.36, `containerDevicesFromResourceDeviceInstances`), which on machines with one node are all.
    pub(super) async fn ask(host: &Host, socket: &Path) -> Result<Self, String> {
        let mut devices = Self::told(socket).await?;
        match Checkpoint::read(host, FOLDER) {
            Ok(Checkpoint { offer, .. }) => {
                let resources = offer.resources.into_iter();
                devices.add(keys(resources.map(|(name, ids)| (name, ids.into_keys().collect()))));
            }
            Err(error) => {
                let why = error_chain(&error);
                devices.unseen = Some(format!("free devices that are near no NUMA node: {why}"));
            }
        }
        Ok(devices)
    }

    /// Those that are not held are free.
    fn add(&mut self, all: impl Iterator<Item = (String, String)>) {
        for (resource, id) in all {
            let free = self.free.entry(resource.clone()).or_default();
            if !self.held.contains_key(&(resource, id.clone())) {
                free.insert(id);
            }
        }
    }

    async fn told(socket: &Path) -> Result<Self, String> {
        let answer = timeout(PATIENCE, Self::ask_at_leisure(socket)).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
        answer.map_err(|why| {
            let hint = "is the kubelet running, is its folder mounted, is this run as root, and in a pod with -root?";
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
                for key in keys(named(container.devices)) {
                    devices.held.entry(key).or_default().insert(holder.clone());
                }
            }
        }
        devices.add(keys(named(all.into_inner().devices)));
        Ok(devices)
    }
}

fn named(devices: Vec<ContainerDevices>) -> impl Iterator<Item = (String, Vec<String>)> {
    devices.into_iter().map(|devices| (devices.resource_name, devices.device_ids))
}

fn keys(resources: impl Iterator<Item = (String, Vec<String>)>) -> impl Iterator<Item = (String, String)> {
    let ours = resources.filter(|(resource, _)| families::of_resource(resource).is_some());
    ours.flat_map(|(resource, ids)| ids.into_iter().map(move |id| (resource.clone(), id)))
}
