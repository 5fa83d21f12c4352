//! Keeps one resource registered with the kubelet, whatever the kubelet does.
//!
//! ```text
//!        ┌──────────► wait for devices, wait for kubelet.sock
//!        │                         │
//!        │                    bind and serve          (first, for the kubelet dials back inside Register)
//!        │                         │
//!        │  kubelet.sock gone, ┌───▼────┐ refused, hung:
//!        ├─────────────────────┤register│◄──┐ again, ever more slowly
//!        │                     └───┬─┬──┘   │ or when the folder changes
//!        │                         │ └──────┘
//!        │                    registered
//!        │                         │ kubelet.sock new, own socket gone, list stream lost
//!        └────────── close ◄───────┘
//! ```
//!
//! Every wait looks at the folder's state and not at what an event said, so a lost or late event only delays.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Endpoint, Server};

use crate::api::device_plugin_server::DevicePluginServer;
use crate::api::registration_client::RegistrationClient;
use crate::kubelet_folder::SocketIdentity;
use crate::server::{ResourceService, Shared};
use crate::{DevicePlugin, Resource, api, error_chain};

/// The kubelet dials back inside Register and waits 10 s for that.
const REGISTER_DEADLINE: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// A kubelet that has just made its socket listens on it a moment later.
const NO_NEWS: Duration = Duration::from_millis(150);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The kubelet opens the list right after Register.
const STREAM_EXPECTED: Duration = Duration::from_secs(10);
/// A kubelet that goes away ends the stream before its socket changes.
const STREAM_GRACE: Duration = Duration::from_secs(1);
/// Between registrations that the kubelet accepts and then drops.
const LONGEST_DROP_PAUSE: Duration = Duration::from_mins(2);
/// For calls in flight when a server closes.
const CLOSE_DEADLINE: Duration = Duration::from_millis(300);

/// One resource to be kept registered.
pub(crate) struct Registration<P> {
    pub(crate) shared: Arc<Shared<P>>,
    /// The name after the slash.
    pub(crate) name: Arc<str>,
    pub(crate) kubelet_folder: PathBuf,
    pub(crate) devices: watch::Receiver<Arc<Resource>>,
    /// Changes when something may have changed in the kubelet's folder.
    pub(crate) folder: watch::Receiver<u64>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// Why a served resource has to be served anew.
#[derive(Debug)]
enum Lost {
    Stopped,
    KubeletGone,
    KubeletRestarted,
    SocketRemoved,
    StreamEnded,
}

impl<P: DevicePlugin> Registration<P> {
    /// Runs until told to stop; then the resource's socket is gone.
    pub(crate) async fn run(mut self) {
        let mut stop = self.stop.clone();
        let mut drop_pause = STREAM_GRACE;
        let mut bind_error = String::new();
        while !*stop.borrow() {
            tokio::select! {
                () = self.wanted() => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            let socket = match ServedSocket::open(&self, self.socket()) {
                Ok(socket) => socket,
                // A kubelet that starts removes all sockets, also one that has just been made.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.pause(FIRST_PAUSE).await;
                    continue;
                }
                Err(error) => {
                    let error = error.to_string();
                    if error != bind_error {
                        let socket = self.socket();
                        tracing::error!(
                            "{}: cannot listen on {}: {error}",
                            self.full_name(),
                            socket.display()
                        );
                        bind_error = error;
                    }
                    self.pause(LONGEST_PAUSE).await;
                    continue;
                }
            };
            bind_error.clear();
            let began = Instant::now();
            let lost = self.register_and_hold(&socket).await;
            self.shared.status.unregistered(&self.name);
            socket.close().await;
            if began.elapsed() > LONGEST_DROP_PAUSE {
                drop_pause = STREAM_GRACE;
            }
            match lost {
                Lost::Stopped => break,
                Lost::KubeletGone => {}
                Lost::KubeletRestarted => tracing::info!("{}: the kubelet was restarted", self.full_name()),
                Lost::SocketRemoved => tracing::info!("{}: the socket was removed", self.full_name()),
                Lost::StreamEnded => {
                    tracing::warn!(
                        "{}: the kubelet does not listen any more; registering again",
                        self.full_name()
                    );
                    self.pause(drop_pause).await;
                    drop_pause = (drop_pause * 2).min(LONGEST_DROP_PAUSE);
                }
            }
        }
    }

    fn full_name(&self) -> String {
        self.shared.full_name(&self.name)
    }

    fn kubelet_socket(&self) -> PathBuf {
        self.kubelet_folder.join(api::KUBELET_SOCKET)
    }

    /// Socket file names are the reference's: users and other tools know them.
    fn socket_name(&self) -> String {
        format!("{}-{}.sock", self.shared.plugin.namespace(), self.name)
    }

    fn socket(&self) -> PathBuf {
        self.kubelet_folder.join(self.socket_name())
    }

    /// Waits until there is something to register and somebody to register with.
    async fn wanted(&mut self) {
        // The sender lives as long as the manager, which stops this task before.
        let _ = self.devices.wait_for(|resource| !resource.devices.is_empty()).await;
        let socket = self.kubelet_socket();
        let mut said = false;
        loop {
            self.folder.borrow_and_update();
            if SocketIdentity::of(&socket).is_some() {
                return;
            }
            if !said {
                tracing::info!(
                    "{}: waiting for the kubelet: there is no {}",
                    self.full_name(),
                    socket.display()
                );
                said = true;
            }
            if self.folder.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits, but no longer than until the kubelet is another one or this is to stop.
    async fn pause(&mut self, pause: Duration) {
        let kubelet = self.kubelet_socket();
        let before = SocketIdentity::of(&kubelet);
        let mut stop = self.stop.clone();
        let other_kubelet =
            async { while self.folder.changed().await.is_ok() && SocketIdentity::of(&kubelet) == before {} };
        tokio::select! {
            () = sleep(pause) => {}
            () = other_kubelet => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn register_and_hold(&mut self, socket: &ServedSocket) -> Lost {
        let mut stop = self.stop.clone();
        tokio::select! {
            lost = async {
                match self.register(socket).await {
                    Ok(kubelet) => self.hold(socket, kubelet).await,
                    Err(lost) => lost,
                }
            } => lost,
            _ = stop.wait_for(|stop| *stop) => Lost::Stopped,
        }
    }

    /// Registers, however often it takes. The answer tells which kubelet it was.
    async fn register(&mut self, socket: &ServedSocket) -> Result<SocketIdentity, Lost> {
        let mut pause = FIRST_PAUSE;
        let mut began = Instant::now();
        let mut last_error = String::new();
        let mut last_kubelet = None;
        let mut said = false;
        loop {
            self.folder.borrow_and_update();
            let kubelet = SocketIdentity::of(&self.kubelet_socket()).ok_or(Lost::KubeletGone)?;
            match socket.standing().await {
                Standing::Ours => {}
                Standing::Gone => return Err(Lost::SocketRemoved),
                Standing::TakenOver => {
                    self.say_taken_over(&mut said);
                    // If this fails the manager is gone, and the task with it.
                    let _ = self.folder.changed().await;
                    continue;
                }
            }
            if last_kubelet.replace(kubelet) != Some(kubelet) {
                pause = FIRST_PAUSE;
                began = Instant::now();
            }
            let mut folder = self.folder.clone();
            let outdated = async {
                while socket.is_in_place() && SocketIdentity::of(&self.kubelet_socket()) == Some(kubelet) {
                    if folder.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            };
            let answer = tokio::select! {
                biased;
                answer = self.register_once() => answer,
                // A kubelet that dials a socket that was removed meanwhile does so for 10 s.
                () = outdated => continue,
            };
            self.shared.status.registration(&self.name, answer.is_ok());
            match answer {
                Ok(()) => {
                    let devices = self.devices.borrow().devices.len();
                    tracing::info!("registered {} with {devices} devices", self.full_name());
                    return Ok(kubelet);
                }
                Err(error) if began.elapsed() < NO_NEWS => {
                    tracing::debug!("{}: cannot register yet: {error}", self.full_name());
                }
                Err(error) if error != last_error => {
                    tracing::warn!("{}: cannot register, will try on: {error}", self.full_name());
                    last_error = error;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = sleep(pause) => {}
                _ = self.folder.changed() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn register_once(&self) -> Result<(), String> {
        let request = api::RegisterRequest {
            version: api::VERSION.to_owned(),
            endpoint: self.socket_name(),
            resource_name: self.full_name(),
            options: Some(self.shared.options()),
        };
        let call = async {
            let uri = format!("unix://{}", self.kubelet_socket().display());
            let channel = Endpoint::from_shared(uri)
                .map_err(|error| error_chain(&error))?
                .connect()
                .await
                .map_err(|error| error_chain(&error))?;
            let answer = RegistrationClient::new(channel).register(request).await;
            answer.map(drop).map_err(|status| format!("the kubelet says: {}", status.message()))
        };
        match timeout(REGISTER_DEADLINE, call).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("the kubelet gave no answer within {REGISTER_DEADLINE:?}")),
        }
    }

    fn say_taken_over(&self, said: &mut bool) {
        if !*said {
            tracing::warn!("{}: a newer instance of this plugin has taken over", self.full_name());
            self.shared.status.unregistered(&self.name);
            *said = true;
        }
    }

    /// Stays until the registration is worth nothing any more.
    async fn hold(&mut self, socket: &ServedSocket, kubelet: SocketIdentity) -> Lost {
        let mut streams = socket.streams.subscribe();
        let mut patience = STREAM_EXPECTED;
        let mut said = false;
        loop {
            self.folder.borrow_and_update();
            let open = *streams.borrow_and_update() > 0;
            match socket.standing().await {
                Standing::Gone => return Lost::SocketRemoved,
                // This one goes on serving for as long as the kubelet still listens to it.
                Standing::TakenOver => self.say_taken_over(&mut said),
                Standing::Ours => match SocketIdentity::of(&self.kubelet_socket()) {
                    // It leaves its socket behind when it stops and removes it when it starts.
                    None => return Lost::KubeletGone,
                    Some(found) if found != kubelet => return Lost::KubeletRestarted,
                    Some(_) => {}
                },
            }
            if open {
                patience = STREAM_GRACE;
            }
            let silence = async {
                if open || said {
                    std::future::pending::<()>().await;
                }
                sleep(patience).await;
            };
            tokio::select! {
                _ = self.folder.changed() => {}
                _ = streams.changed() => {}
                () = silence => return Lost::StreamEnded,
            }
        }
    }
}

/// Who listens at a socket's path.
enum Standing {
    Ours,
    TakenOver,
    Gone,
}

/// A socket that is served.
struct ServedSocket {
    path: PathBuf,
    identity: Option<SocketIdentity>,
    streams: watch::Sender<usize>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl ServedSocket {
    /// Takes the place of whatever is at `path`, a leftover or an older instance's socket, in one step: an instance that finds
    /// nothing there would take it back.
    fn open<P: DevicePlugin>(registration: &Registration<P>, path: PathBuf) -> io::Result<Self> {
        // No longer than the name itself, for a socket's path has 107 bytes at most. Two instances must not meet here.
        let chance = RandomState::new().hash_one(()) & 0xffff;
        let new = path.with_extension(format!("{chance:04x}"));
        let listener = UnixListener::bind(&new)?;
        let identity = SocketIdentity::of(&new);
        std::fs::rename(&new, &path).inspect_err(|_| {
            // The error that counts is the one of renaming.
            let _ = std::fs::remove_file(&new);
        })?;
        let (stop, stopped) = watch::channel(false);
        let streams = watch::Sender::new(0);
        let service = ResourceService {
            shared: Arc::clone(&registration.shared),
            name: Arc::clone(&registration.name),
            devices: registration.devices.clone(),
            streams: streams.clone(),
            stop: stopped.clone(),
        };
        let name = registration.full_name();
        let server = tokio::spawn(async move {
            let mut stopped = stopped;
            let closing = async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            let served = Server::builder()
                .serve_with_incoming_shutdown(
                    DevicePluginServer::new(service),
                    UnixListenerStream::new(listener),
                    closing,
                )
                .await;
            if let Err(error) = served {
                tracing::error!("{name}: serving ended: {}", error_chain(&error));
            }
        });
        Ok(Self { path, identity, streams, stop, server })
    }

    /// The file at the path is this socket.
    fn is_in_place(&self) -> bool {
        self.identity.is_some() && SocketIdentity::of(&self.path) == self.identity
    }

    /// Who listens at the path. Two instances that both took the path back would do so for ever, so the newer one wins.
    async fn standing(&self) -> Standing {
        if self.is_in_place() {
            Standing::Ours
        } else if UnixStream::connect(&self.path).await.is_ok() {
            Standing::TakenOver
        } else {
            Standing::Gone
        }
    }

    /// Ends the streams and the server, and removes the socket unless it is somebody else's by now.
    async fn close(mut self) {
        if self.is_in_place() {
            // If it can't be removed, the next instance replaces it.
            let _ = std::fs::remove_file(&self.path);
        }
        self.stop.send_replace(true);
        if timeout(CLOSE_DEADLINE, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}
