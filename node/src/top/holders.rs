//! Which pod has which device, by the kubelet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use device_plugin::error_chain;
use device_plugin::pod_resources::pod_resources_lister_client::PodResourcesListerClient;
use device_plugin::pod_resources::{
    AllocatableResourcesRequest, ContainerDevices, ListPodResourcesRequest, MAX_MESSAGE_BYTES,
};
use host::Host;
use serde_json::Value;
use tokio::time::timeout;
use tonic::transport::{Endpoint, Uri};

/// Where the kubelet remembers devices.
const CHECKPOINT: &str = "/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint";
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

/// The healthy devices that the kubelet remembers. It does not tell of those that are near no NUMA node (up to 1.36,
/// `containerDevicesFromResourceDeviceInstances`), which on machines with one node are all.
fn remembered(host: &Host) -> impl Iterator<Item = (String, String)> {
    let text = host.read(CHECKPOINT).unwrap_or_default();
    let mut file: Value = serde_json::from_str(&text).unwrap_or_default();
    let resources = file.pointer_mut("/Data/RegisteredDevices").map(Value::take).unwrap_or_default();
    let resources: BTreeMap<String, Vec<String>> = serde_json::from_value(resources).unwrap_or_default();
    keys(resources.into_iter())
}

impl Devices {
    /// Asks the kubelet of the node at this socket.
    pub(super) async fn ask(host: &Host, socket: &Path) -> Result<Self, String> {
        let mut devices = Self::told(socket).await?;
        devices.add(remembered(host));
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
    let ours = resources.filter(|(resource, _)| is_ours(resource));
    ours.flat_map(|(resource, ids)| ids.into_iter().map(move |id| (resource.clone(), id)))
}

#[cfg(test)]
mod tests {
    use simulator::{Profile, SimulatedNode};

    use super::*;

    fn remembered_in(file: &str) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile::parse("test", &format!("file {CHECKPOINT} {file}")).unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path(), &profile).unwrap();
        remembered(&node.host()).collect()
    }

    #[test]
    fn the_kubelets_file_tells_of_healthy_devices() {
        let found = remembered_in(
            r#"{"Data":{"PodDeviceEntries":null,"RegisteredDevices":{"gpu.intel.com/xe":["card1-0","card1-1"],"example.com/a":["b"]}},"Checksum":1}"#,
        );
        let id = |id: &str| ("gpu.intel.com/xe".to_owned(), id.to_owned());
        assert_eq!(found, [id("card1-0"), id("card1-1")]);
    }

    #[test]
    fn a_file_of_another_kind_tells_of_none() {
        for file in ["", "[]", "{}", "no json", r#"{"Data":{"RegisteredDevices":7}}"#] {
            assert_eq!(remembered_in(file), [], "{file}");
        }
    }
}
