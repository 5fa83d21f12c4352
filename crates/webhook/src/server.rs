//! An HTTPS server that the API server asks.
//!
//! ```
//! use std::sync::Arc;
//! use webhook::review::{Kind, Outcome};
//! use webhook::{Certificate, Fields, Metrics, Server, Webhook};
//!
//! async fn serve(certificate: Certificate) -> Result<(), Box<dyn std::error::Error>> {
//!     let pods = Webhook {
//!         name: "pods".to_owned(),
//!         path: "/pods".to_owned(),
//!         kind: Kind::pod(),
//!         fields: Fields::All,
//!         decide: Box::new(|_| Outcome::unchanged()),
//!     };
//!     let metrics = Arc::new(Metrics::default());
//!     let server = Server { webhooks: vec![pods], certificate, http2: false, metrics };
//!     let listener = tokio::net::TcpListener::bind("[::]:9443").await?;
//!     server.serve(listener, std::future::pending()).await?;
//!     Ok(())
//! }
//! ```

mod answer;
mod body;
mod connection;
mod connections;
mod patience;
mod tls;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rustls::sign::CertifiedKey;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::review::{Kind, Outcome, Request};
use crate::{Fields, Metrics};
use answer::Answers;
use connections::Connections;

pub use tls::acceptor;

/// How long a client may take for a handshake, for sending a request, or for taking an answer; and how long requests in
/// flight are waited for at the end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Rests after the system gave no new connection.
const REST: Duration = Duration::from_millis(100);

/// What decides about objects.
pub type Decide = Box<dyn Fn(Request) -> Outcome + Send + Sync>;

/// The certificate that the server shows now: none until there is one. Connections that come later get the latest.
pub type Certificate = watch::Receiver<Option<Arc<CertifiedKey>>>;

/// One webhook of a server.
pub struct Webhook {
    /// Its name in metrics and logs.
    pub name: String,
    /// Where the API server asks it, like `/mutate--v1-pod`.
    pub path: String,
    /// The objects that it knows.
    pub kind: Kind,
    /// What it looks at of them, and no more: changing a member that was not read makes it anew, without what was in it.
    pub fields: Fields<'static>,
    /// What becomes of them. Called on the server's threads: it must not wait for anything.
    pub decide: Decide,
}

/// A server of webhooks: TLS 1.2 and 1.3, HTTP/1.1 with connections that stay open.
pub struct Server {
    /// What it serves; other paths are answered with status 404.
    pub webhooks: Vec<Webhook>,
    /// What it shows to clients; handshakes fail as long as there is none.
    pub certificate: Certificate,
    /// Whether clients may choose HTTP/2.
    pub http2: bool,
    /// Where it counts what it does.
    pub metrics: Arc<Metrics>,
}

impl Server {
    /// Serves those who connect, until `stop` is there. Requests in flight are answered then, within 10 s; all other
    /// connections are closed at once.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> Result<(), rustls::Error> {
        let Self { webhooks, mut certificate, http2, metrics } = self;
        let acceptor = acceptor(certificate.clone(), http2)?;
        let answers = Arc::new(Answers::new(webhooks, &metrics));
        let (stopped, stopping) = watch::channel(());
        let mut connections = Connections::new(Arc::clone(&metrics));
        metrics.certificate(certificate.borrow_and_update().as_deref());
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let (acceptor, answers) = (acceptor.clone(), Arc::clone(&answers));
                        let (stopping, metrics) = (stopping.clone(), Arc::clone(&metrics));
                        connections.add(|activity| async move {
                            match connection::handshake(stream, &acceptor).await {
                                Ok(stream) => connection::serve(stream, answers, activity, stopping).await,
                                Err(error) => {
                                    metrics.handshake_failed();
                                    tracing::debug!("TLS handshake with {peer}: {error}");
                                }
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!("cannot accept a connection: {error}");
                        // There may be too many open files.
                        connections.close_one();
                        tokio::time::sleep(REST).await;
                    }
                },
                () = connections.ended() => {}
                Ok(()) = certificate.changed() => {
                    metrics.certificate_changed();
                    metrics.certificate(certificate.borrow_and_update().as_deref());
                }
            }
        }
        drop(listener);
        drop(stopped);
        connections.close_unestablished();
        if tokio::time::timeout(PATIENCE, connections.all_ended()).await.is_err() {
            tracing::warn!("some requests were not answered {PATIENCE:?} after the end, and are given up");
        }
        Ok(())
    }
}
