//! The plugins that run, and how one takes another's place without a resource being lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use device_plugin::{
    Capabilities, ContainerEdits, DeadMount, Device, DevicePlugin, DiscoverError, Inventory, Manager, Paths,
    Refusal, Rescan, STREAM_GRACE, Status, Triggers, policy::Choice,
};
use host::Host;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::config::Wanted;

/// The plugins of the process.
pub(super) struct Fleet {
    host: Host,
    paths: Paths,
    running: BTreeMap<&'static str, Running>,
    statuses: Statuses,
    dead_mount: watch::Sender<Option<DeadMount>>,
}

struct Running {
    flags: Vec<String>,
    plugin: Arc<Current>,
    rescan: Rescan,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// How the plugins that run are, for the status pages.
#[derive(Debug, Clone, Default)]
pub(super) struct Statuses(Arc<Mutex<BTreeMap<&'static str, Arc<Status>>>>);

impl Fleet {
    pub(super) fn new(host: Host, paths: Paths) -> Self {
        Self {
            host,
            paths,
            running: BTreeMap::new(),
            statuses: Statuses::default(),
            dead_mount: watch::Sender::new(None),
        }
    }

    pub(super) fn statuses(&self) -> Statuses {
        self.statuses.clone()
    }

    /// Tells when a plugin has ended for this reason, and with it the process must.
    pub(super) fn dead_mounts(&self) -> watch::Receiver<Option<DeadMount>> {
        self.dead_mount.subscribe()
    }

    /// Makes the plugins those that are wanted. One whose flags are as they were is not touched.
    pub(super) async fn follow(&mut self, mut wanted: Wanted) {
        let off: Vec<&str> =
            self.running.keys().filter(|name| !wanted.contains_key(*name)).copied().collect();
        for name in off {
            tracing::info!("{name} is off now");
            self.end(name).await;
        }
        let mut anew = Vec::new();
        for name in wanted.keys().copied().collect::<Vec<_>>() {
            let Some((flags, start)) = wanted.remove(name) else { continue };
            let rescan = match self.running.get(name) {
                Some(running) if running.flags == flags => continue,
                Some(running) => running.rescan.clone(),
                None => Rescan::default(),
            };
            let plugin = start(&self.host, &rescan);
            if let Some(running) = self.running.get(name) {
                plugin.take_over(&*running.plugin.get());
            }
            match self.running.get_mut(name) {
                Some(running) if running.plugin.is_like(&*plugin) => {
                    tracing::info!("{name} has other flags now: {}", flags.join(" "));
                    running.plugin.replace(plugin);
                    running.flags = flags;
                    running.rescan.request();
                }
                Some(_) => {
                    tracing::info!("{name} starts anew with other flags: {}", flags.join(" "));
                    self.end(name).await;
                    anew.push((name, flags, plugin, rescan));
                }
                None => self.begin(name, flags, plugin, rescan),
            }
        }
        if !anew.is_empty() {
            tokio::time::sleep(STREAM_GRACE).await;
        }
        for (name, flags, plugin, rescan) in anew {
            self.begin(name, flags, plugin, rescan);
        }
    }

    fn begin(
        &mut self,
        name: &'static str,
        flags: Vec<String>,
        plugin: Arc<dyn DevicePlugin>,
        rescan: Rescan,
    ) {
        let plugin = Arc::new(Current::new(plugin));
        let shared: Arc<dyn DevicePlugin> = Arc::<Current>::clone(&plugin);
        let (stop, stopped) = watch::channel(false);
        let manager = Manager::new(shared, self.host.clone(), self.paths.clone(), rescan.clone());
        let (status, plugin_task) = cli::plugin::spawn(manager, stopped);
        let dead_mount = self.dead_mount.clone();
        let task = tokio::spawn(async move {
            match plugin_task.await {
                Ok(Ok(())) => {}
                Ok(Err(dead)) => drop(dead_mount.send_replace(Some(dead))),
                Err(error) => tracing::error!("{name}: {error}"),
            }
        });
        self.statuses.guard().insert(name, status);
        self.running.insert(name, Running { flags, plugin, rescan, stop, task });
    }

    /// Its sockets are gone then.
    async fn end(&mut self, name: &'static str) {
        self.statuses.guard().remove(name);
        if let Some(running) = self.running.remove(name) {
            running.stop.send_replace(true);
            join(name, running.task).await;
        }
    }

    /// Ends all of them, at the same time.
    pub(super) async fn stop(self) {
        for running in self.running.values() {
            running.stop.send_replace(true);
        }
        for (name, running) in self.running {
            join(name, running.task).await;
        }
    }
}

async fn join(name: &str, task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!("{name}: {error}");
    }
}

impl Statuses {
    /// All of them, by family.
    pub(super) fn all(&self) -> Vec<Arc<Status>> {
        self.guard().values().cloned().collect()
    }

    fn guard(&self) -> MutexGuard<'_, BTreeMap<&'static str, Arc<Status>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The plugin of a family at this moment: its flags may change while the kubelet has its resources.
struct Current {
    namespace: String,
    plugin: RwLock<Arc<dyn DevicePlugin>>,
}

impl Current {
    fn new(plugin: Arc<dyn DevicePlugin>) -> Self {
        Self { namespace: plugin.namespace().to_owned(), plugin: RwLock::new(plugin) }
    }

    fn get(&self) -> Arc<dyn DevicePlugin> {
        Arc::clone(&self.plugin.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the framework asks once, at the start, must stay.
    fn is_like(&self, plugin: &dyn DevicePlugin) -> bool {
        let now = self.get();
        now.triggers() == plugin.triggers() && now.capabilities() == plugin.capabilities()
    }

    fn replace(&self, plugin: Arc<dyn DevicePlugin>) {
        *self.plugin.write().unwrap_or_else(PoisonError::into_inner) = plugin;
    }
}

impl DevicePlugin for Current {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn triggers(&self) -> Triggers {
        self.get().triggers()
    }

    fn prepare(&self, host: &Host) -> Vec<String> {
        self.get().prepare(host)
    }

    fn discover(&self, host: &Host) -> Result<Inventory, DiscoverError> {
        self.get().discover(host)
    }

    fn capabilities(&self) -> Capabilities {
        self.get().capabilities()
    }

    fn allocate(
        &self,
        resource: &str,
        devices: &[(&str, &Device)],
        edits: ContainerEdits,
    ) -> Result<ContainerEdits, Refusal> {
        self.get().allocate(resource, devices, edits)
    }

    fn prefer(&self, resource: &str, choice: &Choice<'_>) -> Vec<String> {
        self.get().prefer(resource, choice)
    }

    fn pre_start(&self, resource: &str, devices: &[(&str, &Device)]) -> Result<(), Refusal> {
        self.get().pre_start(resource, devices)
    }

    fn list_size_flag(&self) -> Option<&'static str> {
        self.get().list_size_flag()
    }
}

#[cfg(test)]
mod tests;
