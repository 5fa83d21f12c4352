//! The few questions that a program of a node has to the Kubernetes API: what its Node object says, and what to change there.
//!
//! A whole client of that API would be half of the binary. Here each question is one HTTPS request on a connection of its own.
//! Errors are one line that names the server, or the file, and says what to look at.

mod access;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

pub use access::Access;

/// The API server may be out of reach just when a node boots; nobody is waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The API server takes no object that is longer.
const MAX_BYTES: usize = 3 << 20;
/// Of what the server says in its own words, so much goes to the log.
const MAX_SHOWN: usize = 200;
/// The longest name of a node (RFC 1123, subdomain).
const MAX_NAME: usize = 253;

/// The Node object `name`, as the API has it.
pub async fn node(access: &Access, name: &str) -> Result<Value, String> {
    ask(PATIENCE, access, name, &Question::Get).await
}

/// Changes the Node object `name` by a merge patch (RFC 7386) of its status, which may have labels in it, too: what the patch
/// says is put there, and what it says is null goes. The result is the object as it is then.
pub async fn patch_node_status(access: &Access, name: &str, patch: &Value) -> Result<Value, String> {
    ask(PATIENCE, access, name, &Question::PatchStatus(patch)).await
}

/// Fails if this cannot be the name of a node.
pub fn check_node_name(name: &str) -> Result<(), String> {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
    let at_end = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let is_name = bytes.len() <= MAX_NAME
        && bytes.iter().copied().all(is_part)
        && at_end(bytes.first())
        && at_end(bytes.last());
    if is_name { Ok(()) } else { Err(format!("{name:?} is no name of a node")) }
}

/// What is asked about a node.
enum Question<'a> {
    Get,
    PatchStatus(&'a Value),
}

async fn ask(
    patience: Duration,
    access: &Access,
    node: &str,
    question: &Question<'_>,
) -> Result<Value, String> {
    check_node_name(node)?;
    let address = access.address();
    let Ok(answer) = timeout(patience, send(access, node, question)).await else {
        return Err(format!("{address} did not answer within {patience:?}"));
    };
    let (status, body) = answer?;
    let object: Result<Value, _> = serde_json::from_slice(&body);
    if status != StatusCode::OK {
        let object = object.unwrap_or_default();
        let message = object.get("message").and_then(Value::as_str).unwrap_or_default();
        let message: String = message.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
        return Err(format!("{address} answers {status} for node {node}: {message}"));
    }
    object.map_err(|error| format!("{address} answers what is no node: {error}"))
}

async fn send(access: &Access, node: &str, question: &Question<'_>) -> Result<(StatusCode, Bytes), String> {
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
    let object = format!("{}/api/v1/nodes/{node}", access.path);
    let (request, body) = match question {
        Question::Get => (Request::get(object), Bytes::new()),
        Question::PatchStatus(patch) => {
            let request = Request::patch(format!("{object}/status"));
            (request.header(CONTENT_TYPE, "application/merge-patch+json"), patch.to_string().into())
        }
    };
    let mut request = request
        .header(HOST, &address)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("intel-device-plugins/", env!("CARGO_PKG_VERSION")));
    if let Some(token) = &access.token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|error| format!("the token cannot be sent: {error}"))?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let request = request.body(Full::new(body)).map_err(|error| failed("ask", &error))?;
    let response = sender.send_request(request).await.map_err(|error| failed("ask", &error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
    let body = body.map_err(|error| failed("read what is said by", &*error))?;
    Ok((status, body.to_bytes()))
}

#[cfg(test)]
mod tests;
