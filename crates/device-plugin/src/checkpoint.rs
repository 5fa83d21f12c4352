//! What the kubelet remembers of devices over its restarts: the file `kubelet_internal_checkpoint` in the folder of the
//! device plugins' sockets. Its format is that of `pkg/kubelet/cm/devicemanager/checkpoint` in Kubernetes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use host::{Host, HostError};
use serde::Deserialize;

use crate::{Health, Offer};

const FILE: &str = "kubelet_internal_checkpoint";

/// Each list that the kubelet takes has up to 4 MiB, and there are a few of them.
const MAX_BYTES: u64 = 64 << 20;

/// What the kubelet remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The devices of all plugins, of other vendors too, as of the last list that the kubelet was sent. All are healthy: it does
    /// not remember others. A resource whose plugin is gone has none.
    pub offer: Offer,
    /// What containers were given, sorted. Those of pods that have ended are there until another pod needs devices.
    pub held: Vec<Held>,
}

/// What one container was given of one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// The resource's full name.
    pub resource: String,
    /// The pod's UID.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// The ids of the devices.
    pub devices: BTreeSet<String>,
}

// Go writes what is empty as `null`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    pod_device_entries: Option<Vec<Entry>>,
    registered_devices: Option<BTreeMap<String, Option<Vec<String>>>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "PodUID")]
    pod: String,
    #[serde(rename = "ContainerName")]
    container: String,
    #[serde(rename = "ResourceName")]
    resource: String,
    /// By NUMA node.
    #[serde(rename = "DeviceIDs")]
    devices: Option<BTreeMap<String, Option<Vec<String>>>>,
}

impl Checkpoint {
    /// Reads the file in `folder` of the node. Its checksum is over memory of a Go program and is not looked at.
    ///
    /// # Errors
    /// There is none, it cannot be read (most kubelets let only root), or it is damaged.
    pub fn read(host: &Host, folder: impl AsRef<Path>) -> Result<Self, HostError> {
        let path = folder.as_ref().join(FILE);
        let text = host.read_up_to(&path, MAX_BYTES)?;
        let file: File = serde_json::from_str(&text).map_err(|error| HostError {
            operation: "understand",
            path,
            source: io::Error::new(io::ErrorKind::InvalidData, error),
        })?;
        let registered = file.data.registered_devices.unwrap_or_default();
        let resources = registered.into_iter().map(|(name, ids)| {
            let devices = ids.unwrap_or_default().into_iter().map(|id| (id, Health::Healthy));
            (name, devices.collect())
        });
        let held = file.data.pod_device_entries.unwrap_or_default().into_iter().map(|entry| Held {
            resource: entry.resource,
            pod: entry.pod,
            container: entry.container,
            devices: entry.devices.unwrap_or_default().into_values().flatten().flatten().collect(),
        });
        let mut held: Vec<Held> = held.collect();
        held.sort_unstable();
        Ok(Self { offer: Offer { resources: resources.collect() }, held })
    }
}
