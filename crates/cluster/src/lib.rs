//! The few questions that a program of a node has to the Kubernetes API: what its Node object says, and what to change there or in
//! the `NodeFeature` object that node-feature-discovery reads.
//!
//! A whole client of that API would be half of the binary. Here each question is one HTTPS request on a connection of its own.
//! Errors are one line that names the server, or the file, and says what to look at.

mod access;
mod node_feature;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::time::Duration;

use client::Failure;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

pub use access::{Access, READS};
pub use node_feature::NodeFeature;

/// The API server may be out of reach just when a node boots; nobody is waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The API server takes no object that is longer.
const MAX_BYTES: usize = 3 << 20;
/// Of what the server says in its own words, so much goes to the log.
const MAX_SHOWN: usize = 200;
/// The longest name of most objects (RFC 1123, subdomain).
const MAX_NAME: usize = 253;
/// The longest name of who is responsible for fields.
const MAX_MANAGER: usize = 128;
/// The longest name of a namespace (RFC 1123, label).
const MAX_LABEL: usize = 63;

/// The Node object `name`, as the API has it.
pub async fn node(access: &Access, name: &str) -> Result<Value, String> {
    ask(PATIENCE, access, &Object::node(name)?, &Question::Get).await
}

/// Changes the Node object `name` by a merge patch (RFC 7386) of its status, which may have labels in it, too: what the patch
/// says is put there, and what it says is null goes. The result is the object as it is then.
pub async fn patch_node_status(access: &Access, name: &str, patch: &Value) -> Result<Value, String> {
    ask(PATIENCE, access, &Object::node(name)?, &Question::PatchStatus(patch)).await
}

/// Makes these the labels that `manager` gives to the Node object `name`, by server-side apply: of the labels that it gave
/// before, those that are not among them go. Labels of others stay; where another manager has given one of these another value,
/// nothing is changed, and that is an error which names it. A Node that is not there is not made. The result is the object
/// as it is then.
pub async fn apply_node_labels(
    access: &Access,
    manager: &str,
    name: &str,
    labels: &Map<String, Value>,
) -> Result<Value, String> {
    let object = Object::node(name)?;
    let found = ask(PATIENCE, access, &object, &Question::Get).await?;
    let uid = found.pointer("/metadata/uid").and_then(Value::as_str);
    // The API server makes what it is to apply to, unless it is told which one it is.
    let uid = uid.ok_or_else(|| format!("{} answers a {} without a uid", access.address(), object.shown))?;
    let wanted = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": uid, "labels": labels},
    });
    ask(PATIENCE, access, &object, &Question::Apply { manager, wanted: &wanted, force: false }).await
}

/// Fails if this cannot be the name of a node.
pub fn check_node_name(name: &str) -> Result<(), String> {
    check_name(name, MAX_NAME, b"-.").map_err(|()| format!("{name:?} is no name of a node"))
}

/// Fails if this cannot be the name of a namespace (RFC 1123, label).
pub fn check_namespace(name: &str) -> Result<(), String> {
    check_name(name, MAX_LABEL, b"-").map_err(|()| format!("{name:?} is no name of a namespace"))
}

fn check_name(name: &str, max: usize, inner: &[u8]) -> Result<(), ()> {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || inner.contains(&b);
    let at_end = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let is_name = bytes.len() <= max
        && bytes.iter().copied().all(is_part)
        && at_end(bytes.first())
        && at_end(bytes.last());
    if is_name { Ok(()) } else { Err(()) }
}

/// An object that is asked about. Its names were checked: they go into the request's address.
struct Object {
    path: String,
    /// For messages: `node node-1`.
    shown: String,
}

impl Object {
    fn node(name: &str) -> Result<Self, String> {
        check_node_name(name)?;
        Ok(Self { path: format!("/api/v1/nodes/{name}"), shown: format!("node {name}") })
    }

    fn node_feature(namespace: &str, name: &str) -> Result<Self, String> {
        check_namespace(namespace)?;
        check_name(name, MAX_NAME, b"-.").map_err(|()| format!("{name:?} is no name of a NodeFeature"))?;
        let path = format!("/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/{namespace}/nodefeatures/{name}");
        Ok(Self { path, shown: format!("NodeFeature {namespace}/{name}") })
    }
}

/// What is asked about an object.
enum Question<'a> {
    Get,
    PatchStatus(&'a Value),
    /// Server-side apply.
    Apply {
        /// Who is responsible for the fields in it from now on.
        manager: &'a str,
        wanted: &'a Value,
        /// Take fields from others, instead of failing.
        force: bool,
    },
}

async fn ask(
    patience: Duration,
    access: &Access,
    object: &Object,
    question: &Question<'_>,
) -> Result<Value, String> {
    let address = access.address();
    let Ok(answer) = timeout(patience, send(access, object, question)).await else {
        return Err(format!("{address} did not answer within {patience:?}"));
    };
    let (status, body) = answer?;
    let answer: Result<Value, _> = serde_json::from_slice(&body);
    if status != StatusCode::OK && status != StatusCode::CREATED {
        let answer = answer.unwrap_or_default();
        let message = answer.get("message").and_then(Value::as_str).unwrap_or_default();
        let message: String = message.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
        return Err(format!("{address} answers {status} for {}: {message}", object.shown));
    }
    answer.map_err(|error| format!("{address} answers what is no object of its kind: {error}"))
}

async fn send(
    access: &Access,
    object: &Object,
    question: &Question<'_>,
) -> Result<(StatusCode, Bytes), String> {
    let place = format!("{}{}", access.path, object.path);
    let (request, body) = match question {
        Question::Get => (Request::get(&place), Bytes::new()),
        Question::PatchStatus(patch) => {
            let request = Request::patch(format!("{place}/status"));
            (request.header(CONTENT_TYPE, "application/merge-patch+json"), patch.to_string().into())
        }
        Question::Apply { manager, wanted, force } => {
            check_name(manager, MAX_MANAGER, b"-.")
                .map_err(|()| format!("{manager:?} is no name of a field manager"))?;
            let place = format!("{place}?fieldManager={manager}&force={force}");
            // JSON is YAML.
            let request = Request::patch(place).header(CONTENT_TYPE, "application/apply-patch+yaml");
            (request, wanted.to_string().into())
        }
    };
    let mut request = request.header(ACCEPT, "application/json");
    if let Some(token) = &access.token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|error| format!("the token cannot be sent: {error}"))?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let request = request.body(Full::new(body)).map_err(|error| format!("cannot ask {place}: {error}"))?;
    client::ask(&access.server, request, MAX_BYTES).await.map_err(|Failure { operation, source }| {
        format!("cannot {operation} {}: {}", access.address(), device_plugin::error_chain(&*source))
    })
}

#[cfg(test)]
mod tests;
