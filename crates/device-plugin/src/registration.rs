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
//!        └──── close, pause ◄──────┘         (for a kubelet that stays, to hear of the end)
//! ```
//!
//! Every wait looks at the folder's state and not at what an event said, so a lost or late event only delays.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Endpoint;

use crate::api::registration_client::RegistrationClient;
use crate::kubelet_folder::SocketIdentity;
use crate::served_socket::{ServedSocket, Standing};
use crate::server::Shared;
use crate::{DevicePlugin, Resource, api, error_chain};

/// The kubelet dials back inside Register and waits 10 s for that.
const REGISTER_DEADLINE: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// A kubelet that has just made its socket listens on it a moment later.
const NO_NEWS: Duration = Duration::from_millis(150);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The kubelet opens the list right after Register.
const STREAM_EXPECTED: Duration = Duration::from_secs(10);
/// From the end of a list stream until its resource is registered again with the same kubelet. Up to 1.36 a kubelet may take the end
/// of a stream for that of another that it has opened since: it listens on, but hands out none of the devices
/// (<https://github.com/kubernetes/kubernetes/pull/135437>). Who ends a [`Manager`](crate::Manager) and runs another for the same
/// resources waits as long. And a kubelet that goes away ends the stream before its socket changes, which shows within that time.
pub const STREAM_GRACE: Duration = Duration::from_secs(1);
/// Between registrations that the kubelet accepts and then drops.
const LONGEST_DROP_PAUSE: Duration = Duration::from_mins(2);

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
        // The kubelet that had a list, and since when it has none.
        let mut ended: Option<(SocketIdentity, Instant)> = None;
        while !*stop.borrow() {
            tokio::select! {
                () = self.wanted() => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            if let Some((kubelet, since)) = ended.take() {
                self.pause(STREAM_GRACE.saturating_sub(since.elapsed()), Some(kubelet)).await;
                continue;
            }
            let socket = match ServedSocket::open(&self.shared, &self.name, &self.devices, self.socket()) {
                Ok(socket) => socket,
                // A kubelet that starts removes all sockets, also one that has just been made.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.pause(FIRST_PAUSE, self.kubelet()).await;
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
                    self.pause(LONGEST_PAUSE, self.kubelet()).await;
                    continue;
                }
            };
            bind_error.clear();
            let began = Instant::now();
            let (lost, listener) = self.register_and_hold(&socket).await;
            self.shared.status.unregistered(&self.name);
            socket.close().await;
            ended = listener.map(|kubelet| (kubelet, Instant::now()));
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
                    self.pause(drop_pause, listener).await;
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

    /// The one whose socket is there.
    fn kubelet(&self) -> Option<SocketIdentity> {
        SocketIdentity::of(&self.kubelet_socket())
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

    /// Waits, but no longer than until there is another kubelet than this, or none, or this is to stop.
    async fn pause(&mut self, pause: Duration, kubelet: Option<SocketIdentity>) {
        let socket = self.kubelet_socket();
        let mut stop = self.stop.clone();
        let other_kubelet =
            async { while SocketIdentity::of(&socket) == kubelet && self.folder.changed().await.is_ok() {} };
        tokio::select! {
            () = sleep(pause) => {}
            () = other_kubelet => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Tells also which kubelet may have had a list: this instance's, or that of another that had taken over.
    async fn register_and_hold(&mut self, socket: &ServedSocket) -> (Lost, Option<SocketIdentity>) {
        let mut stop = self.stop.clone();
        tokio::select! {
            lost = async {
                match self.register(socket).await {
                    Ok(kubelet) => (self.hold(socket, kubelet).await, Some(kubelet)),
                    Err(lost) => lost,
                }
            } => lost,
            _ = stop.wait_for(|stop| *stop) => (Lost::Stopped, None),
        }
    }

    /// Registers, however often it takes. The answer tells which kubelet it was; an error, which one may have another instance's list.
    async fn register(
        &mut self,
        socket: &ServedSocket,
    ) -> Result<SocketIdentity, (Lost, Option<SocketIdentity>)> {
        let mut pause = FIRST_PAUSE;
        let mut began = Instant::now();
        let mut last_error = String::new();
        let mut last_kubelet = None;
        let mut said = false;
        loop {
            self.folder.borrow_and_update();
            let kubelet = self.kubelet().ok_or((Lost::KubeletGone, None))?;
            match socket.standing().await {
                Standing::Ours => {}
                Standing::Gone => return Err((Lost::SocketRemoved, said.then_some(kubelet))),
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
                while socket.is_in_place() && self.kubelet() == Some(kubelet) {
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
                Standing::Ours => match self.kubelet() {
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
