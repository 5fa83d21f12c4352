//! Runs a plugin: looks at the hardware when something changes, and keeps the kubelet's view of it right.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use host::Host;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cdi::CdiFolder;
use crate::metrics::Status;
use crate::registration::Registration;
use crate::server::Shared;
use crate::wakeups::{self, Wakeups};
use crate::{
    CdiDevice, DevicePlugin, DeviceSpec, Inventory, Rescan, Resource, changes, error_chain, kubelet_folder,
    offer,
};

/// For the kubelet to take a list that was just published.
const LAST_WORD: Duration = Duration::from_millis(500);

/// The folders of the node that a plugin writes to. These are real paths, also for a simulated node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Where the kubelet and the plugins have their sockets.
    pub kubelet: PathBuf,
    /// Where container runtimes look for CDI files.
    pub cdi: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self { kubelet: "/var/lib/kubelet/device-plugins".into(), cdi: "/var/run/cdi".into() }
    }
}

/// Runs one plugin.
#[derive(Debug)]
pub struct Manager<P> {
    shared: Arc<Shared<P>>,
    kubelet_folder: PathBuf,
}

impl<P: DevicePlugin> Manager<P> {
    /// Nothing happens before [`Manager::run`].
    pub fn new(plugin: P, host: Host, paths: Paths, rescan: Rescan) -> Self {
        let shared = Shared::new(plugin, host, CdiFolder::new(paths.cdi), rescan);
        Self { shared: Arc::new(shared), kubelet_folder: paths.kubelet }
    }

    /// How the plugin is, for a status server.
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.shared.status)
    }

    /// Runs until `shutdown` is done; then the plugin's sockets are gone and its streams ended. Nothing that the
    /// hardware or the kubelet does ends it before, but for one thing: see [`DeadMount`]. Must run in a tokio runtime
    /// with I/O and time.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), DeadMount> {
        let mut running = Running::new(self);
        let ended = tokio::select! {
            dead = running.follow() => Err(dead),
            () = shutdown => Ok(()),
        };
        running.stop().await;
        ended
    }
}

/// A folder that the plugin watches was removed on the node, and the container has a mount of what it was. When a node's
/// last device goes, the kernel removes the folder of its kind below `/dev`; one that it makes later does not show here.
/// Only a new container sees it, so the process must end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} was removed on the node and is only mounted here: ending, so that it is mounted anew", .0.display())]
pub struct DeadMount(pub PathBuf);

/// A plugin that runs.
struct Running<P> {
    shared: Arc<Shared<P>>,
    kubelet_folder: PathBuf,
    folder: watch::Receiver<u64>,
    wakeups: Wakeups,
    resources: BTreeMap<String, Offered>,
    cdi_devices: BTreeMap<String, CdiDevice>,
    warnings: BTreeSet<String>,
    failure: Option<String>,
    resync: Option<Duration>,
    stop: watch::Sender<bool>,
}

/// A resource that the kubelet knows or will know.
struct Offered {
    devices: watch::Sender<Arc<Resource>>,
    task: JoinHandle<()>,
}

impl<P: DevicePlugin> Running<P> {
    fn new(manager: Manager<P>) -> Self {
        let Manager { shared, kubelet_folder } = manager;
        let wakeups = Wakeups::new(&shared.host, &shared.plugin.triggers(), shared.rescan.clone());
        Self {
            folder: kubelet_folder::follow(&kubelet_folder),
            shared,
            kubelet_folder,
            wakeups,
            resources: BTreeMap::new(),
            cdi_devices: BTreeMap::new(),
            warnings: BTreeSet::new(),
            failure: None,
            resync: None,
            stop: watch::Sender::new(false),
        }
    }

    async fn follow(&mut self) -> DeadMount {
        let folders = self.shared.plugin.triggers().folders.iter().map(|folder| wakeups::folder_of(folder));
        let folders: BTreeSet<&str> = folders.collect();
        loop {
            self.look().await;
            if let Some(folder) = folders.iter().find(|folder| self.shared.host.is_removed_folder(folder)) {
                // The kubelet should hear that the devices are gone before the streams end.
                tokio::time::sleep(LAST_WORD).await;
                return DeadMount(folder.into());
            }
            self.wakeups.next(self.resync).await;
        }
    }

    async fn look(&mut self) {
        let shared = Arc::clone(&self.shared);
        shared.status.discovery_started();
        // On a thread of its own: a driver that hangs in a read must not keep the kubelet waiting.
        let discovered = tokio::task::spawn_blocking(move || {
            let warnings = shared.plugin.prepare(&shared.host);
            shared.plugin.discover(&shared.host).map(|mut inventory| {
                inventory.warnings.extend(warnings);
                inventory
            })
        });
        let discovered = discovered.await;
        let (failure, is_early) = match discovered {
            Ok(Ok(inventory)) => {
                self.shared.status.discovery_ended(None, inventory.warnings.len());
                if self.failure.take().is_some() {
                    tracing::info!("{}: discovery works again", self.shared.plugin.namespace());
                }
                return self.publish(inventory);
            }
            Ok(Err(error)) => (error_chain(&error), error.is_early()),
            // Not the JoinError: it has a number that differs each time. The panic itself has been printed.
            Err(_) => ("the plugin has a bug, it panicked".to_owned(), false),
        };
        self.shared.status.discovery_ended(Some(failure.clone()), 0);
        if self.failure.as_ref() != Some(&failure) {
            let namespace = self.shared.plugin.namespace();
            if is_early {
                tracing::info!("{namespace}: nothing is changed yet: {failure}");
            } else {
                tracing::error!(
                    "{namespace}: discovery failed, nothing is changed until it works again: {failure}"
                );
            }
        }
        self.failure = Some(failure);
    }

    fn publish(&mut self, inventory: Inventory) {
        let Inventory { mut resources, warnings, resync } = inventory;
        self.resync = resync;
        let mut warnings: BTreeSet<String> = warnings.into_iter().collect();
        for name in self.resources.keys() {
            // A resource whose last device went stays, empty, so that the kubelet hears of it at once.
            resources.entry(name.clone()).or_default();
        }
        resources.retain(|name, resource| offer::check(name, resource, &mut warnings));
        self.write_cdi(&resources, &mut warnings);
        for (name, resource) in resources {
            self.offer(name, resource, &mut warnings);
        }
        self.say(warnings);
    }

    fn offer(&mut self, name: String, resource: Resource, warnings: &mut BTreeSet<String>) {
        let known = self.resources.get(&name);
        if known.is_some_and(|known| **known.devices.borrow() == resource) {
            return;
        }
        let full_name = self.shared.full_name(&name);
        let bytes = match offer::list_bytes(&full_name, &resource, &self.shared.plugin) {
            Ok(bytes) => bytes,
            Err(too_long) => {
                warnings.insert(too_long);
                return;
            }
        };
        self.shared.status.published(&name, &resource, bytes);
        let resource = Arc::new(resource);
        if let Some(known) = known {
            changes::log(&full_name, &known.devices.borrow(), &resource);
            known.devices.send_replace(resource);
            return;
        }
        changes::log(&full_name, &Resource::default(), &resource);
        let devices = watch::Sender::new(resource);
        let registration = Registration {
            shared: Arc::clone(&self.shared),
            name: name.as_str().into(),
            kubelet_folder: self.kubelet_folder.clone(),
            devices: devices.subscribe(),
            folder: self.folder.clone(),
            stop: self.stop.subscribe(),
        };
        let task = tokio::spawn(registration.run());
        self.resources.insert(name, Offered { devices, task });
    }

    /// Makes the CDI files say what is there now: after a reboot the folder is empty, and pods that are started again
    /// refer to devices without asking for them anew.
    fn write_cdi(&mut self, resources: &BTreeMap<String, Resource>, warnings: &mut BTreeSet<String>) {
        let mut devices = BTreeMap::new();
        let mut last: Option<&Arc<DeviceSpec>> = None;
        for device in resources.values().flat_map(|resource| resource.devices.values()) {
            // Thousands of units share a spec.
            let seen = last.replace(&device.spec).is_some_and(|last| Arc::ptr_eq(last, &device.spec));
            if let Some(device) = device.spec.cdi.as_ref().filter(|_| !seen) {
                devices.insert(CdiFolder::qualified_name(device), device.clone());
            }
        }
        let mut gone = std::mem::take(&mut self.cdi_devices);
        gone.retain(|name, device| {
            let removed = if devices.contains_key(name) { Ok(()) } else { self.shared.cdi.remove(device) };
            warnings.extend(removed.as_ref().err().map(|error| error_chain(error)));
            removed.is_err()
        });
        for device in devices.values() {
            warnings.extend(self.shared.cdi.write(device).err().map(|error| error_chain(&error)));
        }
        // What could not be removed is tried again at the next look.
        devices.extend(gone);
        self.cdi_devices = devices;
    }

    /// Says each warning once when it comes and once when it goes.
    fn say(&mut self, warnings: BTreeSet<String>) {
        let namespace = self.shared.plugin.namespace();
        for warning in warnings.difference(&self.warnings) {
            tracing::warn!("{namespace}: {warning}");
        }
        for warning in self.warnings.difference(&warnings) {
            tracing::info!("{namespace}: no more: {warning}");
        }
        self.warnings = warnings;
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        for (name, offered) in self.resources {
            if let Err(error) = offered.task.await {
                tracing::error!("{}: {error}", self.shared.full_name(&name));
            }
        }
    }
}
