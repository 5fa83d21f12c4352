//! The one question to XPU Manager: its metrics, over HTTP or HTTPS.

use std::error::Error;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

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
            Some(path) => Some(trusting(path).await?),
            None => None,
        };
        let stream = TcpStream::connect((HOST_ADDRESS, self.port)).await;
        let stream = stream.map_err(|error| self.failed("connect to", error))?;
        let (status, body) = match tls {
            None => self.get(stream).await?,
            Some(tls) => {
                let name = ServerName::from(std::net::IpAddr::from(HOST_ADDRESS));
                let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await;
                self.get(stream.map_err(|error| self.failed("trust", error))?).await?
            }
        };
        if status != StatusCode::OK {
            return Err(ExporterError::Status { address: self.address(), status });
        }
        Ok(body)
    }

    async fn get<S>(&self, stream: S) -> Result<(StatusCode, Bytes), ExporterError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.failed("ask", error))?;
        // It moves the bytes, and ends with the set; when it fails, so does what waits for them.
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let request = Request::get("/metrics")
            .header(HOST, format!("{HOST_ADDRESS}:{}", self.port))
            .header(CONNECTION, "close")
            .header(USER_AGENT, concat!("intel-device-plugins/", env!("CARGO_PKG_VERSION")))
            .body(Empty::<Bytes>::new())
            .map_err(|error| self.failed("ask", error))?;
        let response = sender.send_request(request).await.map_err(|error| self.failed("ask", error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
        let body = body.map_err(|error| self.failed("read what is said by", error))?;
        Ok((status, body.to_bytes()))
    }

    fn failed(
        &self,
        operation: &'static str,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> ExporterError {
        ExporterError::Connection { operation, address: self.address(), source: error.into() }
    }
}

/// Trusts servers with one of these certificates only. They are read on a thread of their own: a file system can hang.
async fn trusting(path: &Path) -> Result<ClientConfig, ExporterError> {
    let file = path.to_owned();
    let read = spawn_blocking(move || {
        let certificates = trust::read(&file)?;
        Ok::<_, Box<dyn Error + Send + Sync>>(trust::client(&certificates, None)?)
    });
    let read = read.await.unwrap_or_else(|error| Err(error.into()));
    read.map_err(|source| ExporterError::Certificate { path: path.to_owned(), source })
}
