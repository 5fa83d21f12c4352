//! What discovery returns: the resources of a node, their devices, and what a container gets with each.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use host::{Host, HostError};

use crate::error_chain;

/// All that a plugin found on a node. Two inventories are equal when nothing changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// By the name after the slash: `red` of `color.example.com/red`.
    pub resources: BTreeMap<String, Resource>,
    /// What was left out, and why. Each is logged when it appears and when it goes, not at every discovery.
    pub warnings: Vec<String>,
    /// How soon to look again though nothing told to; `None`: after a minute. Less is for hardware that is there and changes
    /// without telling.
    pub resync: Option<Duration>,
}

/// One extended resource of the node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource {
    /// By device id: at most 63 characters, the same after a reboot if at all possible.
    pub devices: BTreeMap<String, Device>,
}

/// One unit that the kubelet can hand out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Whether it may be handed out.
    pub health: Health,
    /// What a container gets; shared by all units of one piece of hardware.
    pub spec: Arc<DeviceSpec>,
}

/// Whether a device may be handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It may.
    Healthy,
    /// It may not, for this reason. The reason goes to logs and metrics; the kubelet's API has no field for it.
    Unhealthy(String),
}

/// What a container gets with a device, where the device sits, and what must hold when it is handed out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceSpec {
    /// Handed to the container.
    pub edits: ContainerEdits,
    /// NUMA nodes near the device, sorted. `None` gives the kubelet no hint at all; an empty list says that the device
    /// has no place.
    pub numa: Option<Vec<u32>>,
    /// The same edits as a Container Device Interface device, for runtimes and users that want it.
    pub cdi: Option<CdiDevice>,
    /// Checked at the moment of allocation.
    pub expects: Vec<Expectation>,
}

/// Changes to a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerEdits {
    /// Device nodes.
    pub nodes: Vec<DeviceNode>,
    /// Bind mounts.
    pub mounts: Vec<Mount>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Annotations, for the container runtime.
    pub annotations: BTreeMap<String, String>,
}

/// A device node in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    /// Where the node is for the container runtime.
    pub host_path: PathBuf,
    /// Where the container sees it.
    pub container_path: PathBuf,
    /// Any of `r`, `w` and `m` (mknod).
    pub permissions: &'static str,
}

/// A bind mount in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where the file or folder is for the container runtime.
    pub host_path: PathBuf,
    /// Where the container sees it.
    pub container_path: PathBuf,
    /// Not writable in the container.
    pub read_only: bool,
}

/// A device of the Container Device Interface. The framework writes `<kind>-<name>.yaml` in the CDI folder and hands out
/// `<kind>=<name>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CdiDevice {
    /// `vendor/class`, such as `example.com/color`.
    pub kind: String,
    /// The device's name within its kind.
    pub name: String,
    /// What the runtime does for a container that asks for it.
    pub edits: ContainerEdits,
    /// OCI hooks that the runtime runs, if any.
    pub hooks: Vec<CdiHook>,
    /// File systems that the runtime mounts, if any.
    pub filesystems: Vec<Filesystem>,
}

/// A file system of the kernel's in a CDI device, such as `tmpfs`, which is mounted and not bound from the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// What `/proc/filesystems` calls it.
    pub kind: &'static str,
    /// Where the container sees it.
    pub container_path: PathBuf,
    /// Mount options, such as `nosuid`.
    pub options: &'static [&'static str],
}

/// An OCI hook in a CDI device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdiHook {
    /// Such as `createRuntime`.
    pub name: String,
    /// The program on the host.
    pub path: PathBuf,
    /// Its arguments, the program's name first.
    pub args: Vec<String>,
}

/// Something that must hold when a device is handed out, as a path of the node (not of the root's outside).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// There is a device node.
    DeviceNode(PathBuf),
    /// There is something.
    Exists(PathBuf),
    /// The attribute holds this value: `/sys/.../state` still says `enabled`.
    Value {
        /// The attribute.
        path: PathBuf,
        /// What it must hold.
        value: String,
    },
    /// The last part of what the link points to: `/sys/.../driver` still leads to `vfio-pci`.
    Link {
        /// The link.
        path: PathBuf,
        /// The name it must lead to.
        name: String,
    },
}

impl Inventory {
    /// Adds a device to a resource, which is made if need be. A second device of the same id replaces the first.
    pub fn add(&mut self, resource: &str, id: impl Into<String>, device: Device) {
        match self.resources.get_mut(resource) {
            Some(found) => found.devices.insert(id.into(), device),
            None => self.resources.entry(resource.to_owned()).or_default().devices.insert(id.into(), device),
        };
    }

    /// Says that something was left out and why; name the path.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }
}

impl Device {
    /// A device that may be handed out.
    pub fn healthy(spec: impl Into<Arc<DeviceSpec>>) -> Self {
        Self { health: Health::Healthy, spec: spec.into() }
    }

    /// Whether it may be handed out.
    pub fn is_healthy(&self) -> bool {
        self.health == Health::Healthy
    }
}

impl DeviceSpec {
    /// Hands out the device node at `path`, readable and writable, at the same path in the container, and expects it to
    /// be there when it is.
    pub fn add_node(&mut self, host: &Host, path: impl AsRef<Path>) {
        let path = path.as_ref();
        self.edits.nodes.push(DeviceNode::same_path(host, path));
        self.expects.push(Expectation::DeviceNode(path.to_owned()));
    }
}

/// What goes into [`DeviceSpec::numa`] of `device`: `nodes`, or no place where they cannot be read, which `warn` is told. That is
/// no reason to leave a device out.
pub fn numa_or_nowhere(
    device: impl Display,
    nodes: Result<Vec<u32>, HostError>,
    warn: impl FnOnce(String),
) -> Vec<u32> {
    nodes.unwrap_or_else(|error| {
        warn(format!("{device}: NUMA nodes are not known: {}", error_chain(&error)));
        Vec::new()
    })
}

impl DeviceNode {
    /// The node at `path`, readable and writable, at the same path in the container.
    pub fn same_path(host: &Host, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        Self { host_path: host.outside(path), container_path: path.to_owned(), permissions: "rw" }
    }
}

impl Mount {
    /// The file or folder at `path`, read-only, at the same path in the container.
    pub fn read_only(host: &Host, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        Self { host_path: host.outside(path), container_path: path.to_owned(), read_only: true }
    }
}

impl ContainerEdits {
    /// Adds what is not there yet; of variables and annotations of one name, the later stays.
    pub fn merge(&mut self, other: &Self) {
        for node in &other.nodes {
            if !self.nodes.contains(node) {
                self.nodes.push(node.clone());
            }
        }
        for mount in &other.mounts {
            if !self.mounts.contains(mount) {
                self.mounts.push(mount.clone());
            }
        }
        self.env.extend(other.env.clone());
        self.annotations.extend(other.annotations.clone());
    }
}
