//! The socket by which the kubelet reaches one resource.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

use crate::api::device_plugin_server::DevicePluginServer;
use crate::kubelet_folder::SocketIdentity;
use crate::server::{ResourceService, Shared};
use crate::{DevicePlugin, Resource, error_chain};

/// For calls in flight when a server closes.
const CLOSE_DEADLINE: Duration = Duration::from_millis(300);

/// Who listens at a socket's path.
pub(crate) enum Standing {
    Ours,
    TakenOver,
    Gone,
}

/// A socket that is served.
pub(crate) struct ServedSocket {
    pub(crate) path: PathBuf,
    identity: Option<SocketIdentity>,
    /// How many lists the kubelet has open.
    pub(crate) streams: watch::Sender<usize>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl ServedSocket {
    /// Takes the place of whatever is at `path`, a leftover or an older instance's socket, in one step: an instance that finds
    /// nothing there would take it back.
    pub(crate) fn open<P: DevicePlugin>(
        shared: &Arc<Shared<P>>,
        name: &Arc<str>,
        devices: &watch::Receiver<Arc<Resource>>,
        path: PathBuf,
    ) -> io::Result<Self> {
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
            shared: Arc::clone(shared),
            name: Arc::clone(name),
            devices: devices.clone(),
            streams: streams.clone(),
            stop: stopped.clone(),
        };
        let name = shared.full_name(name);
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
    pub(crate) fn is_in_place(&self) -> bool {
        self.identity.is_some() && SocketIdentity::of(&self.path) == self.identity
    }

    /// Who listens at the path. Two instances that both took the path back would do so for ever, so the newer one wins.
    pub(crate) async fn standing(&self) -> Standing {
        if self.is_in_place() {
            Standing::Ours
        } else if UnixStream::connect(&self.path).await.is_ok() {
            Standing::TakenOver
        } else {
            Standing::Gone
        }
    }

    /// Ends the streams and the server, and removes the socket unless it is somebody else's by now.
    pub(crate) async fn close(mut self) {
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
