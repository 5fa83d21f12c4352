//! Requests to the API server: one, many at once, and a watch.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::Outcome;

/// How many requests are under way at once.
const CONNECTIONS: usize = 16;
/// Between two words of how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

/// A request.
pub(crate) struct Call {
    method: Method,
    path: String,
    body: String,
}

impl Call {
    pub(crate) fn get(path: &str) -> Self {
        Self { method: Method::GET, path: path.to_owned(), body: String::new() }
    }

    /// Makes an object.
    pub(crate) fn create(path: &str, object: &Value) -> Self {
        Self { method: Method::POST, path: path.to_owned(), body: object.to_string() }
    }

    /// Changes some fields (RFC 7386).
    pub(crate) fn merge(path: &str, fields: &Value) -> Self {
        Self { method: Method::PATCH, path: path.to_owned(), body: fields.to_string() }
    }
}

/// The server, and who asks.
#[derive(Clone)]
pub(crate) struct Api {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Api {
    pub(crate) fn new(address: SocketAddr, tls: Arc<ClientConfig>) -> Self {
        Self { address, tls }
    }

    /// Asks once, on a connection of its own.
    pub(crate) async fn call(&self, call: Call) -> Outcome<Bytes> {
        let mut connection = self.connect().await?;
        ask(&mut connection, call).await
    }

    /// An object, or a list of them.
    pub(crate) async fn get(&self, path: &str) -> Outcome<Value> {
        Ok(serde_json::from_slice(&self.call(Call::get(path)).await?)?)
    }

    /// Makes all these calls, several groups of them at once and those of a group one after the other.
    pub(crate) async fn all(
        &self,
        what: &str,
        groups: impl Iterator<Item = Vec<Call>> + Send + 'static,
    ) -> Outcome<()> {
        let begun = Instant::now();
        let groups = Arc::new(Mutex::new((groups, 0_usize, begun)));
        let mut workers = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (groups, mut connection, what) = (groups.clone(), self.connect().await?, what.to_owned());
            workers.spawn(async move {
                loop {
                    let group = {
                        let mut groups = groups.lock().unwrap_or_else(PoisonError::into_inner);
                        groups.1 += 1;
                        if groups.2.elapsed() > PROGRESS {
                            groups.2 = Instant::now();
                            eprintln!("  {what}: {} so far", groups.1);
                        }
                        groups.0.next()
                    };
                    let Some(group) = group else { return Outcome::Ok(()) };
                    for call in group {
                        ask(&mut connection, call).await?;
                    }
                }
            });
        }
        while let Some(worker) = workers.join_next().await {
            worker??;
        }
        eprintln!("  {what}: done in {:.0?}", begun.elapsed());
        Ok(())
    }

    /// Sends each event that comes from now on, with its time and `mark`, until the receiver is gone.
    pub(crate) async fn watch(
        &self,
        path: &str,
        mark: usize,
        sender: UnboundedSender<(usize, Instant, Value)>,
    ) -> Outcome<()> {
        let version = self.get(path).await?;
        let version = version.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        let path = format!("{path}?watch=1&resourceVersion={}", version.ok_or("a list has no version")?);
        let mut connection = self.connect().await?;
        let mut events = send(&mut connection, Call::get(&path)).await?.into_body();
        tokio::spawn(async move {
            // The connection ends with what sends on it.
            let _connection = connection;
            let mut rest = Vec::new();
            while let Some(Ok(frame)) = events.frame().await {
                let now = Instant::now();
                rest.extend_from_slice(&frame.into_data().unwrap_or_default());
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    let event = serde_json::from_slice(&line).unwrap_or_default();
                    if sender.send((mark, now, event)).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(())
    }

    async fn connect(&self) -> Outcome<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = self.address.ip().into();
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

async fn ask(connection: &mut SendRequest<Full<Bytes>>, call: Call) -> Outcome<Bytes> {
    let what = format!("{} {}", call.method, call.path);
    let answer = send(connection, call).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    if status.is_success() {
        Ok(body)
    } else {
        Err(format!("{what}: {status}: {}", String::from_utf8_lossy(&body)).into())
    }
}

async fn send(connection: &mut SendRequest<Full<Bytes>>, call: Call) -> Outcome<Response<Incoming>> {
    let kind = if call.method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let request = Request::builder()
        .method(call.method)
        .uri(call.path)
        .header("Host", "127.0.0.1")
        .header("User-Agent", "bench")
        .header("Content-Type", kind)
        .body(Full::new(call.body.into()))?;
    connection.ready().await?;
    Ok(connection.send_request(request).await?)
}
