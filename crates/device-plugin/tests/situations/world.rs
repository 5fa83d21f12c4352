//! A node with a plugin and, if it is started, a kubelet.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use device_plugin::{DeadMount, Manager, Paths, Rescan, Status, api};
use host::Host;
use simulator::kubelet::{DeviceState, Kubelet, Options, PluginClient, ResourceState, State};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::colors::{Colors, Controls, FOLDER, look};
use super::log::Log;

pub(super) const PAINT: &str = "color.example.com/paint";
pub(super) const INK: &str = "color.example.com/ink";

/// Shorter than any of the framework's looks that no event has asked for, but for one: a list stream that ended.
pub(super) const AN_EVENT: Duration = Duration::from_millis(900);

/// A node.
pub(super) struct World {
    root: TempDir,
    pub(super) host: Host,
    pub(super) controls: Arc<Controls>,
    pub(super) log: Log,
}

/// A plugin that runs.
pub(super) struct Running {
    pub(super) rescan: Rescan,
    pub(super) status: Arc<Status>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), DeadMount>>,
}

impl World {
    /// A node with no colours, no plugin and no kubelet.
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path()).unwrap();
        fs::create_dir_all(host.outside(FOLDER)).unwrap();
        Self { root, host, controls: Arc::default(), log: Log::start() }
    }

    /// A node with these colours.
    pub(super) fn with<const N: usize>(colors: [(&str, &str); N]) -> Self {
        let world = Self::new();
        for (name, text) in colors {
            world.set(name, text);
        }
        world
    }

    /// Makes a colour or changes it, at one stroke.
    pub(super) fn set(&self, name: &str, text: &str) {
        let new = self.root.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.color(name)).unwrap();
    }

    /// Removes a colour.
    pub(super) fn remove(&self, name: &str) {
        fs::remove_file(self.color(name)).unwrap();
    }

    fn color(&self, name: &str) -> PathBuf {
        self.host.outside(Path::new(FOLDER).join(name))
    }

    /// Makes a file anywhere on the node.
    pub(super) fn file(&self, path: &str, text: &str) {
        let path = self.host.outside(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The kubelet's folder.
    pub(super) fn folder(&self) -> PathBuf {
        self.root.path().join("device-plugins")
    }

    /// The socket of a resource.
    pub(super) fn socket(&self, resource: &str) -> PathBuf {
        self.folder().join(format!("{}.sock", resource.replace('/', "-")))
    }

    pub(super) fn kubelet_socket(&self) -> PathBuf {
        self.folder().join(api::KUBELET_SOCKET)
    }

    /// The CDI folder.
    pub(super) fn cdi(&self) -> PathBuf {
        self.root.path().join("cdi")
    }

    pub(super) fn kubelet(&self) -> Kubelet {
        self.kubelet_with(Options::default())
    }

    pub(super) fn kubelet_with(&self, options: Options) -> Kubelet {
        // More than all of the framework's pauses.
        let options = Options { patience: Duration::from_mins(10), ..options };
        Kubelet::start(self.folder(), options).unwrap()
    }

    /// Starts the plugin.
    pub(super) fn start(&self) -> Running {
        let (stop, stopped) = oneshot::channel();
        let paths = Paths { kubelet: self.folder(), cdi: self.cdi() };
        let colors = Colors { controls: Arc::clone(&self.controls) };
        let rescan = Rescan::default();
        let manager = Manager::new(colors, self.host.clone(), paths, rescan.clone());
        let status = manager.status();
        let task = tokio::spawn(manager.run(async { drop(stopped.await) }));
        Running { rescan, status, stop, task }
    }

    /// A kubelet and a plugin that has registered.
    pub(super) async fn running(&self) -> (Kubelet, Running) {
        let kubelet = self.kubelet();
        let plugin = self.start();
        self.agrees(&kubelet).await;
        (kubelet, plugin)
    }

    /// Connects to the plugin as another kubelet would.
    pub(super) async fn connect(&self, resource: &str) -> PluginClient {
        PluginClient::connect(self.socket(resource)).await.unwrap()
    }

    /// Waits until the kubelet knows what the files say.
    pub(super) async fn agrees(&self, kubelet: &Kubelet) {
        kubelet.wait_until(|state| self.is_known(state)).await.unwrap();
    }

    /// Waits until the kubelet knows what the files say; fails when it was not an event that brought it about.
    pub(super) async fn agrees_by_events(&self, kubelet: &Kubelet) {
        let began = Instant::now();
        self.agrees(kubelet).await;
        assert!(began.elapsed() < AN_EVENT, "it took a look that no event asked for: {:?}", began.elapsed());
    }

    /// Waits for a discovery that somebody asked for: one after the first `looks`.
    pub(super) async fn looks_again(&self, looks: usize) {
        let began = Instant::now();
        until("another look", || self.controls.script(|script| script.discoveries) > looks).await;
        assert!(began.elapsed() < AN_EVENT, "nobody asked for it");
    }

    fn is_known(&self, state: &State) -> bool {
        let inventory = look(&self.host).unwrap();
        let mut expected: BTreeMap<String, BTreeMap<String, DeviceState>> = BTreeMap::new();
        for (name, resource) in inventory.resources {
            let devices = resource.devices.into_iter().map(|(id, device)| {
                let numa = device.spec.numa.iter().flatten().map(|node| i64::from(*node)).collect();
                (id, DeviceState { healthy: device.is_healthy(), numa })
            });
            expected.insert(format!("color.example.com/{name}"), devices.collect());
        }
        let known = |(name, state): (&String, &ResourceState)| {
            expected.remove(name).unwrap_or_default() == state.devices
                && (state.connected || state.devices.is_empty())
        };
        state.resources.iter().all(known) && expected.is_empty()
    }
}

impl Running {
    /// Stops the plugin as SIGTERM does.
    pub(super) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }

    /// Drops the future of [`Manager::run`].
    pub(super) async fn abort(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// The resource, which the kubelet must have heard of.
pub(super) fn known(kubelet: &Kubelet, resource: &str) -> ResourceState {
    kubelet.resources().remove(resource).unwrap()
}

/// Lets time pass. On the paused clock that is no time.
pub(super) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Waits for what makes no event in a test.
pub(super) async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let began = Instant::now();
    while !reached() {
        assert!(began.elapsed() < Duration::from_mins(10), "never: {what}");
        pass(Duration::from_millis(2)).await;
    }
}
