//! How a program asks an HTTP server one question: [`ask`], and whom it trusts: [`trusting`].

mod trust;

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

pub use trust::{MAX_BYTES, read, trusting};

/// Where a server is.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// Whom to trust, and the name that the server's certificate must have; without, it is asked over plain HTTP.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Server {
    /// As it stands in addresses: `127.0.0.1:443`, `[::1]:443`.
    pub fn authority(&self) -> String {
        match self.host.parse() {
            Ok(IpAddr::V6(address)) => format!("[{address}]:{}", self.port),
            _ => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Failure {
    /// What could not be done with the server: "connect to", "trust", "ask", "read what is said by".
    pub operation: &'static str,
    /// Why.
    pub source: Box<dyn Error + Send + Sync>,
}

/// One type for both, so that the program has one HTTP client in it and not two.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Sends a request on a connection of its own, and returns the answer's status and body. The request has a path for its address;
/// `Host` and `User-Agent` are added. It waits for as long as the server takes.
///
/// # Errors
/// What failed; also a body of more than `max_bytes`.
pub async fn ask(
    server: &Server,
    mut request: Request<Full<Bytes>>,
    max_bytes: usize,
) -> Result<(StatusCode, Bytes), Failure> {
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(&server.authority()).map_err(failed("ask"))?);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let agent = concat!("intel-device-plugins/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    let stream = connect(server).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed("ask"))?;
    // It moves the bytes, and ends with the set; when it fails, so does what waits for them.
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let response = sender.send_request(request).await.map_err(failed("ask"))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), max_bytes).collect().await;
    Ok((status, body.map_err(failed("read what is said by"))?.to_bytes()))
}

async fn connect(server: &Server) -> Result<Box<dyn Stream>, Failure> {
    let stream =
        TcpStream::connect((server.host.as_str(), server.port)).await.map_err(failed("connect to"))?;
    let Some((tls, name)) = &server.tls else { return Ok(Box::new(stream)) };
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name.clone(), stream).await;
    Ok(Box::new(stream.map_err(failed("trust"))?))
}

fn failed<E: Into<Box<dyn Error + Send + Sync>>>(operation: &'static str) -> impl FnOnce(E) -> Failure {
    move |error| Failure { operation, source: error.into() }
}
