//! What a container gets: the answers of its devices' plugins, merged as the kubelet merges them for the runtime.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use device_plugin::api;
use serde::{Deserialize, Serialize};

/// What the container runtime is told about a container's devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerOptions {
    /// Device nodes, one for each path in the container.
    pub devices: Vec<ContainerDevice>,
    /// Bind mounts, one for each path in the container.
    pub mounts: Vec<ContainerMount>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Annotations for the runtime.
    pub annotations: BTreeMap<String, String>,
    /// Full names of Container Device Interface devices.
    pub cdi_devices: Vec<String>,
}

/// A device node in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerDevice {
    /// Where the node is on the host.
    pub host_path: String,
    /// Where the container sees it.
    pub container_path: String,
    /// Any of `r`, `w` and `m` (mknod).
    pub permissions: String,
}

/// A bind mount in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerMount {
    /// Where the file or folder is on the host.
    pub host_path: String,
    /// Where the container sees it.
    pub container_path: String,
    /// Not writable in the container.
    pub read_only: bool,
}

impl ContainerOptions {
    /// Adds what is not there yet. As in the kubelet, the first of two contradicting answers stays and the other is only
    /// worth a line in the log.
    pub(super) fn merge(&mut self, other: Self) {
        for device in other.devices {
            match self.devices.iter().find(|found| found.container_path == device.container_path) {
                None => self.devices.push(device),
                Some(found) => {
                    contradiction("device", &device.container_path, &found.host_path, &device.host_path);
                }
            }
        }
        for mount in other.mounts {
            match self.mounts.iter().find(|found| found.container_path == mount.container_path) {
                None => self.mounts.push(mount),
                Some(found) => {
                    contradiction("mount", &mount.container_path, &found.host_path, &mount.host_path);
                }
            }
        }
        merge_map("variable", &mut self.env, other.env);
        merge_map("annotation", &mut self.annotations, other.annotations);
        for name in other.cdi_devices {
            if !self.cdi_devices.contains(&name) {
                self.cdi_devices.push(name);
            }
        }
    }
}

/// One plugin's answer. It is merged with nothing, which drops what it says twice.
impl From<api::ContainerAllocateResponse> for ContainerOptions {
    fn from(answer: api::ContainerAllocateResponse) -> Self {
        let device = |api::DeviceSpec { host_path, container_path, permissions }| ContainerDevice {
            host_path,
            container_path,
            permissions,
        };
        let mount = |api::Mount { host_path, container_path, read_only }| ContainerMount {
            host_path,
            container_path,
            read_only,
        };
        let mut options = Self::default();
        options.merge(Self {
            devices: answer.devices.into_iter().map(device).collect(),
            mounts: answer.mounts.into_iter().map(mount).collect(),
            env: answer.envs,
            annotations: answer.annotations,
            cdi_devices: answer.cdi_devices.into_iter().map(|device| device.name).collect(),
        });
        options
    }
}

fn merge_map(kind: &str, into: &mut BTreeMap<String, String>, from: BTreeMap<String, String>) {
    for (key, value) in from {
        match into.entry(key) {
            Entry::Vacant(entry) => drop(entry.insert(value)),
            Entry::Occupied(entry) => contradiction(kind, entry.key(), entry.get(), &value),
        }
    }
}

fn contradiction(kind: &str, name: &str, stays: &str, dropped: &str) {
    if stays != dropped {
        tracing::warn!("{kind} {name} of a container is {stays} and shall be {dropped}; the first stays");
    }
}
