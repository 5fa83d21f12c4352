//! An HTTPS server that the API server asks.

use std::sync::Arc;

use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::review::{Kind, Outcome, Request};

/// What decides about objects.
pub type Decide = Box<dyn Fn(Request) -> Outcome + Send + Sync>;

/// The certificate that the server shows now: none until there is one. Connections that come later get the latest.
pub type Certificate = watch::Receiver<Option<Arc<CertifiedKey>>>;

/// One webhook of a server.
pub struct Webhook {
    /// Its name in metrics and logs, like `sgx`.
    pub name: &'static str,
    /// Where the API server asks it, like `/mutate--v1-pod`.
    pub path: &'static str,
    /// The objects that it knows.
    pub kind: Kind,
    /// What becomes of them. Called on the server's threads: it must not wait for anything.
    pub decide: Decide,
}
