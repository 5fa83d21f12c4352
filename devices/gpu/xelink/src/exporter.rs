//! The one question to XPU Manager: its metrics, over HTTP or HTTPS.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cli::confinement::{Connects, Rules};
use client::{Failure, Server};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Uri};
use rustls::ClientConfig;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// For the whole answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Those of a node with eight GPUs are some hundred kilobytes.
const MAX_BYTES: usize = 4 << 20;
/// In the same pod, so on the same loopback interface.
const HOST_ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Where XPU Manager's metrics are.
#[derive(Debug, Clone)]
pub struct Exporter {
    /// How long one answer may take.
    pub patience: Duration,
    port: u16,
    certificate: Option<PathBuf>,
}

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// The file of `-cert`.
    #[error("cannot use -cert {}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Nobody is there, or says what is no HTTP.
    #[error("cannot {operation} {address}")]
    Connection {
        /// "connect to", "trust", "ask", "read what is said by".
        operation: &'static str,
        /// The exporter's.
        address: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The exporter cannot say.
    #[error("{address} answers {status}")]
    Status {
        /// The exporter's.
        address: String,
        /// Anything but 200. Nobody is asked who is somewhere else.
        status: StatusCode,
    },
    /// The exporter, or a file, hangs.
    #[error("{address} did not answer within {patience:?}")]
    Slow {
        /// The exporter's.
        address: String,
        /// How long was waited.
        patience: Duration,
    },
}

impl Exporter {
    /// On this port of the pod. With a certificate, a file in PEM, it is asked over HTTPS, and must have that certificate or
    /// one that is signed by it, for the name `127.0.0.1`.
    pub fn new(port: u16, certificate: Option<PathBuf>) -> Self {
        Self { patience: PATIENCE, port, certificate }
    }

    /// What it takes to ask.
    pub(crate) fn add_rules(&self, rules: &mut Rules) {
        rules.connects = Connects::To(self.port);
        if let Some(certificate) = &self.certificate {
            rules.allow_file(certificate);
        }
    }

    /// What is asked for.
    pub fn address(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{HOST_ADDRESS}:{}/metrics", self.port)
    }

    /// Asks for the metrics, on a connection of its own.
    pub async fn metrics(&self) -> Result<Bytes, ExporterError> {
        timeout(self.patience, self.ask()).await.unwrap_or_else(|_elapsed| {
            Err(ExporterError::Slow { address: self.address(), patience: self.patience })
        })
    }

    async fn ask(&self) -> Result<Bytes, ExporterError> {
        // Read each time: it is replaced when it gets old.
        let tls = match self.certificate.as_deref() {
            Some(path) => Some((Arc::new(trusting(path).await?), IpAddr::from(HOST_ADDRESS).into())),
            None => None,
        };
        let server = Server { host: HOST_ADDRESS.to_string(), port: self.port, tls };
        let mut request = Request::new(Full::default());
        *request.uri_mut() = Uri::from_static("/metrics");
        let answer = client::ask(&server, request, MAX_BYTES).await;
        let (status, body) = answer.map_err(|Failure { operation, source }| ExporterError::Connection {
            operation,
            address: self.address(),
            source,
        })?;
        if status != StatusCode::OK {
            return Err(ExporterError::Status { address: self.address(), status });
        }
        Ok(body)
    }
}

/// Trusts servers with one of these certificates only. They are read on a thread of their own: a file system can hang.
async fn trusting(path: &Path) -> Result<ClientConfig, ExporterError> {
    let file = path.to_owned();
    let read = spawn_blocking(move || {
        let certificates = client::read(&file)?;
        Ok::<_, Box<dyn Error + Send + Sync>>(client::trusting(&certificates, None)?)
    });
    let read = read.await.unwrap_or_else(|error| Err(error.into()));
    read.map_err(|source| ExporterError::Certificate { path: path.to_owned(), source })
}
