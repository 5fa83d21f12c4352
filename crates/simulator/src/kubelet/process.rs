//! One life of the kubelet: from a start to the next stop. What one life knows of plugins is gone with it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use device_plugin::api;
use device_plugin::api::registration_server::RegistrationServer;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use super::checkpoint::{self, Checkpoint};
use super::connection::Connection;
use super::event::EventKind;
use super::registration::RegistrationService;
use super::state::{ResourceState, State};
use super::{Faults, KubeletError, Options, PluginClient, RegisterFault, pod_resources};

/// What survives the kubelet's restarts.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) folder: PathBuf,
    pub(super) options: Options,
    pub(super) faults: watch::Sender<Faults>,
    pub(super) state: watch::Sender<State>,
}

/// One life of the kubelet.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) shared: Arc<Shared>,
    /// The plugins that registered last, by resource.
    pub(super) endpoints: Mutex<BTreeMap<String, Endpoint>>,
    /// The kubelet admits one pod after the other.
    pub(super) admitting: tokio::sync::Mutex<()>,
    alive: AtomicBool,
    /// Cuts all connections to the kubelet's socket.
    cut: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

/// A plugin that registered.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) client: PluginClient,
    /// Reads its lists.
    pub(super) reader: AbortHandle,
    /// Kubelets that do not tell instances apart lose track of a plugin when another fails to register.
    pub(super) tracked: bool,
    /// It is listened to and never asked: they held it for another whose list had ended.
    pub(super) stopped: bool,
}

impl Process {
    /// Starts as the kubelet starts: removes all sockets, makes its own, remembers allocations.
    pub(super) fn start(shared: Arc<Shared>) -> Result<Arc<Self>, KubeletError> {
        let folder = &shared.folder;
        fs::create_dir_all(folder).map_err(|e| KubeletError::new("make the folder", folder, e))?;
        remove_sockets(folder)?;
        let socket = folder.join(api::KUBELET_SOCKET);
        let listener = UnixListener::bind(&socket).map_err(|e| KubeletError::new("listen on", &socket, e))?;
        let pod_resources = shared.options.pod_resources.as_deref().map(pod_resources::listen).transpose()?;
        let checkpoint = Checkpoint::read(folder);
        let process = Arc::new(Self {
            shared,
            endpoints: Mutex::default(),
            admitting: tokio::sync::Mutex::default(),
            alive: AtomicBool::new(true),
            cut: watch::Sender::new(false),
            tasks: Mutex::default(),
        });
        let now = Instant::now();
        let resources = checkpoint.registered.into_keys().map(|name| {
            process.forget_later(&name, now);
            (name, ResourceState { stopped: Some(now), ..ResourceState::default() })
        });
        let resources: BTreeMap<String, ResourceState> = resources.collect();
        process.update(|state| {
            state.running = true;
            state.resources = resources;
            state.pods = checkpoint.pods;
            state.log(EventKind::Started);
        });
        process.listen(listener);
        if let Some(listener) = pod_resources {
            pod_resources::serve(&process, listener);
        }
        Ok(process)
    }

    fn listen(self: &Arc<Self>, listener: UnixListener) {
        let (sender, incoming) = mpsc::channel(1);
        let (mut faults, cut) = (self.shared.faults.subscribe(), self.cut.subscribe());
        self.spawn(async move {
            while faults.wait_for(|faults| !faults.accepts_nothing).await.is_ok() {
                let connection = tokio::select! {
                    accepted = listener.accept() => accepted.map(|(stream, _)| Connection::new(stream, cut.clone())),
                    _ = faults.wait_for(|faults| faults.accepts_nothing) => continue,
                };
                if sender.send(connection).await.is_err() {
                    break;
                }
            }
        });
        let service = RegistrationServer::new(RegistrationService { process: Arc::clone(self) });
        self.spawn(async move {
            if let Err(error) =
                Server::builder().serve_with_incoming(service, ReceiverStream::new(incoming)).await
            {
                tracing::error!("the embedded kubelet serves no more: {error}");
            }
        });
    }

    /// Runs `task` as long as this life lasts.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        self.alive.load(Ordering::Acquire).then(|| tasks.spawn(task))
    }

    /// Changes the state, unless this life is over: then the state is another's.
    pub(super) fn update(&self, change: impl FnOnce(&mut State)) {
        self.shared.state.send_if_modified(|state| {
            let alive = self.alive.load(Ordering::Acquire);
            if alive {
                change(state);
            }
            alive
        });
    }

    /// Changes the state and saves it.
    pub(super) fn record(&self, change: impl FnOnce(&mut State)) {
        self.update(|state| {
            change(state);
            checkpoint::write(&self.shared.folder, state);
        });
    }

    /// Stops as a process stops that is killed: connections are cut, and the socket's file stays.
    pub(super) fn kill(&self) {
        self.shared.state.send_if_modified(|state| {
            // Under the state's lock, so that no update comes after it.
            let was_alive = self.alive.swap(false, Ordering::AcqRel);
            if was_alive {
                state.running = false;
                for resource in state.resources.values_mut() {
                    resource.connected = false;
                }
                state.log(EventKind::Stopped);
            }
            was_alive
        });
        self.cut.send_replace(true);
        lock(&self.tasks).abort_all();
        lock(&self.endpoints).clear();
    }

    /// Stops, and waits until nothing is left.
    pub(super) async fn stop(&self) {
        self.kill();
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        while tasks.join_next().await.is_some() {}
    }

    /// True when connections are to be cut.
    pub(super) fn cut(&self) -> watch::Receiver<bool> {
        self.cut.subscribe()
    }

    /// Waits until this life is over.
    pub(super) async fn over(&self) {
        let _ = self.cut.subscribe().wait_for(|cut| *cut).await;
    }

    pub(super) fn next_register_fault(&self) -> Option<RegisterFault> {
        let mut fault = None;
        self.shared.faults.send_modify(|faults| fault = faults.register.pop_front());
        fault
    }

    /// Forgets the resource after the grace period, unless somebody registers it.
    pub(super) fn forget_later(self: &Arc<Self>, resource: &str, stopped: Instant) {
        let (process, resource) = (Arc::clone(self), resource.to_owned());
        self.spawn(async move {
            tokio::time::sleep(process.shared.options.grace_period).await;
            process.forget(&resource, stopped);
        });
    }

    fn forget(&self, resource: &str, stopped: Instant) {
        self.update(|state| {
            let Some(known) =
                state.resources.get_mut(resource).filter(|known| known.stopped == Some(stopped))
            else {
                return;
            };
            let ResourceState { registrations, lists, .. } = *known;
            *known = ResourceState { forgotten: true, registrations, lists, ..ResourceState::default() };
            state.log(EventKind::Forgotten { resource: resource.to_owned() });
            checkpoint::write(&self.shared.folder, state);
        });
    }
}

/// A panic elsewhere leaves nothing half done that these locks guard.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove_sockets(folder: &Path) -> Result<(), KubeletError> {
    let unreadable = |e| KubeletError::new("read the folder", folder, e);
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        // Followed, as the kubelet does: a link to a socket goes, too; one to nowhere stays.
        if fs::metadata(&path).is_ok_and(|found| found.file_type().is_socket()) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(KubeletError::new("remove the socket", &path, error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
