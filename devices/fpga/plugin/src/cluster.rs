//! The one question to the Kubernetes API: which mode an annotation of the node asks for. A whole client of that API would
//! be half of the binary.

mod access;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use access::Access;

const ANNOTATION: &str = "fpga.intel.com/device-plugin-mode";
/// The API server may be out of reach just when a node boots; the flag's mode is then better than nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// The API server takes no object that is longer.
const MAX_BYTES: usize = 3 << 20;
/// Of what the server says in its own words, so much goes to the log.
const MAX_SHOWN: usize = 200;

/// What the annotation of the node `name` says, if the node has it.
pub(crate) async fn mode_of_node(
    name: &str,
    kubeconfig: &str,
    master: &str,
) -> Result<Option<String>, String> {
    if kubeconfig.is_empty() && !master.is_empty() {
        tracing::warn!("-master has no effect without -kubeconfig");
    }
    let (kubeconfig, master) = (kubeconfig.to_owned(), master.to_owned());
    // On a thread of its own: a file may be a pipe, or on a file system that hangs.
    let access = spawn_blocking(move || {
        if kubeconfig.is_empty() {
            Access::in_cluster()
        } else {
            Access::of_kubeconfig(kubeconfig.as_ref(), &master)
        }
    });
    let Ok(access) = timeout(PATIENCE, access).await else {
        return Err(format!("the account's files could not be read within {PATIENCE:?}"));
    };
    let access = access.map_err(|error| format!("reading the account's files broke off: {error}"))??;
    annotation_within(PATIENCE, &access, name).await
}

async fn annotation_within(
    patience: Duration,
    access: &Access,
    node: &str,
) -> Result<Option<String>, String> {
    match timeout(patience, annotation(access, node)).await {
        Ok(annotation) => annotation,
        Err(_) => Err(format!("{} did not answer within {patience:?}", access.address())),
    }
}

async fn annotation(access: &Access, node: &str) -> Result<Option<String>, String> {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
    if node.is_empty() || !node.bytes().all(is_name) {
        return Err(format!("{node:?} is no name of a node"));
    }
    let (status, body) = get(access, &format!("/api/v1/nodes/{node}")).await?;
    let object: Result<Value, _> = serde_json::from_slice(&body);
    let address = access.address();
    if status != StatusCode::OK {
        let object = object.unwrap_or_default();
        let message = object.get("message").and_then(Value::as_str).unwrap_or_default();
        let message: String = message.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
        return Err(format!("{address} answers {status} for node {node}: {message}"));
    }
    let object = object.map_err(|error| format!("{address} answers what is no node: {error}"))?;
    let annotation = object.pointer("/metadata/annotations").and_then(|all| all.get(ANNOTATION));
    Ok(annotation.and_then(Value::as_str).map(str::to_owned))
}

/// Asks for one object.
async fn get(access: &Access, path: &str) -> Result<(StatusCode, Bytes), String> {
    let address = access.address();
    let failed = |what: &str, error: &dyn Error| {
        format!("cannot {what} {address}: {}", device_plugin::error_chain(error))
    };
    let stream = TcpStream::connect((access.host.as_str(), access.port)).await;
    let stream = stream.map_err(|error| failed("connect to", &error))?;
    let connector = TlsConnector::from(Arc::new(access.tls.clone()));
    let stream = connector.connect(access.server_name.clone(), stream).await;
    let stream = stream.map_err(|error| failed("trust", &error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed("talk to", &error))?;
    // It moves the bytes, and ends with the set; when it fails, so does what waits for them.
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let mut request = Request::get(format!("{}{path}", access.path))
        .header(HOST, &address)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("intel-device-plugins/", env!("CARGO_PKG_VERSION")));
    if let Some(token) = &access.token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|error| format!("the token cannot be sent: {error}"))?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| failed("ask", &error))?;
    let response = sender.send_request(request).await.map_err(|error| failed("ask", &error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
    let body = body.map_err(|error| failed("read what is said by", &*error))?;
    Ok((status, body.to_bytes()))
}

#[cfg(test)]
mod tests;
