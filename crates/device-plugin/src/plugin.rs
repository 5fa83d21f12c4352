//! The trait that a device plugin implements.

use std::any::Any;

use host::Host;

use crate::{ContainerEdits, Device, Inventory, policy};

/// A device plugin: a function from a node's hardware to a list of devices, and answers that differ from the defaults.
///
/// All methods are synchronous and quick: they read small files. [`crate::Manager`] asks on threads of their own, so one that
/// hangs in a driver holds up nothing else, and does the rest.
pub trait DevicePlugin: Any + Send + Sync {
    /// The part of the resource names before the slash, such as `color.example.com`.
    fn namespace(&self) -> &str;

    /// What tells that discovery has to run again.
    fn triggers(&self) -> Triggers {
        Triggers::default()
    }

    /// Runs before each discovery: what the plugin changes on the node so that its devices can be found, such as the
    /// driver of one. Most plugins change nothing. The answer is what could not be done and why, as warnings.
    ///
    /// What it changes may bring an event that leads here again, so it must not try in vain each time.
    fn prepare(&self, _host: &Host) -> Vec<String> {
        Vec::new()
    }

    /// What [`DevicePlugin::discover`] alone does not show of a plugin that runs, a line each: what
    /// [`DevicePlugin::prepare`] would change on the node, and what the plugin is told by others. It changes nothing and asks
    /// nobody.
    fn unseen(&self, _host: &Host) -> Vec<String> {
        Vec::new()
    }

    /// What this node has. A pure function of `host` and of the plugin's configuration: it keeps no state, and leaves out
    /// one bad device with a warning in the inventory.
    ///
    /// An error means that nothing can be said about the node; what was advertised before stays advertised.
    fn discover(&self, host: &Host) -> Result<Inventory, DiscoverError>;

    /// What the plugin does beyond the defaults.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// Changes what one container is about to get with `devices` (id and device, in the order in which the kubelet
    /// asks). `edits` holds the merged edits of all of them, which is the right answer for most plugins.
    fn allocate(
        &self,
        _resource: &str,
        _devices: &[(&str, &Device)],
        edits: ContainerEdits,
    ) -> Result<ContainerEdits, Refusal> {
        Ok(edits)
    }

    /// Which devices to hand out, asked only with [`Capabilities::prefers`]. Must return `size` of the available ids, the
    /// ones that must be included among them. The kubelet takes the answer as a hint.
    fn prefer(&self, _resource: &str, choice: &policy::Choice<'_>) -> Vec<String> {
        policy::first(choice)
    }

    /// Runs before each start of a container, asked only with [`Capabilities::pre_starts`]. The kubelet waits 30 s.
    fn pre_start(&self, _resource: &str, _devices: &[(&str, &Device)]) -> Result<(), Refusal> {
        Ok(())
    }

    /// Called before this plugin takes the place of `former`, one of the same namespace with other flags, while the kubelet
    /// has its resources: a plugin that is told things that it cannot discover keeps what `former` has been told.
    fn take_over(&self, _former: &dyn DevicePlugin) {}

    /// The flag that makes the list of devices shorter, for the message when it is longer than the kubelet takes.
    fn list_size_flag(&self) -> Option<&'static str> {
        None
    }
}

/// A plugin of any kind is a plugin.
impl DevicePlugin for std::sync::Arc<dyn DevicePlugin> {
    fn namespace(&self) -> &str {
        (**self).namespace()
    }
    fn triggers(&self) -> Triggers {
        (**self).triggers()
    }
    fn prepare(&self, host: &Host) -> Vec<String> {
        (**self).prepare(host)
    }
    fn unseen(&self, host: &Host) -> Vec<String> {
        (**self).unseen(host)
    }
    fn discover(&self, host: &Host) -> Result<Inventory, DiscoverError> {
        (**self).discover(host)
    }
    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }
    fn allocate(
        &self,
        resource: &str,
        devices: &[(&str, &Device)],
        edits: ContainerEdits,
    ) -> Result<ContainerEdits, Refusal> {
        (**self).allocate(resource, devices, edits)
    }
    fn prefer(&self, resource: &str, choice: &policy::Choice<'_>) -> Vec<String> {
        (**self).prefer(resource, choice)
    }
    fn pre_start(&self, resource: &str, devices: &[(&str, &Device)]) -> Result<(), Refusal> {
        (**self).pre_start(resource, devices)
    }
    fn take_over(&self, former: &dyn DevicePlugin) {
        (**self).take_over(former);
    }
    fn list_size_flag(&self) -> Option<&'static str> {
        (**self).list_size_flag()
    }
}

/// What a plugin does beyond the defaults; told to the kubelet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// [`DevicePlugin::prefer`] is to be asked.
    pub prefers: bool,
    /// [`DevicePlugin::pre_start`] is to be called.
    pub pre_starts: bool,
}

/// What tells that discovery has to run again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Triggers {
    /// Kernel subsystems whose uevents matter, such as `drm`. With the beginning of names after it, only devices that are
    /// called so: `misc/paint_*`.
    pub subsystems: &'static [&'static str],
    /// Of the uevents of the subsystem `pci`, only those of functions whose class begins like this matter, as the kernel
    /// writes it in `PCI_CLASS`, without leading zeros: `30000`. Empty: all.
    pub pci_classes: &'static [&'static str],
    /// Folders whose entries matter, such as `/dev/dri`; they need not exist. With a `*` at the end, only entries whose
    /// names begin like this: `/dev/dri/card*`. With an arrow, only links to what is in that folder, as their text says it:
    /// `/dev/char -> ../dri`.
    pub folders: &'static [&'static str],
}

/// Why nothing can be said about a node.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct DiscoverError {
    message: String,
    is_early: bool,
}

impl DiscoverError {
    /// An error with this message, which names the path.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_early: false }
    }

    /// Nothing is wrong, but the plugin waits to be told this. It asks for a new look then.
    pub fn not_yet(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_early: true }
    }

    pub(crate) fn is_early(&self) -> bool {
        self.is_early
    }
}

impl From<host::HostError> for DiscoverError {
    fn from(error: host::HostError) -> Self {
        Self::new(error_chain(&error))
    }
}

/// Why devices are not handed out: the text that the kubelet puts in the pod's events.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

impl Refusal {
    /// A refusal with this text.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// An error and all its causes on one line, for logs. A cause that only repeats what was said is left out.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
