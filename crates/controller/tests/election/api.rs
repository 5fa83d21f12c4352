//! An API server in memory that has Leases, with versions.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use kube::Client;
use serde_json::{Value, json};

/// How a replica reaches the API server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Line {
    #[default]
    Open,
    /// Connections are refused.
    Cut,
    /// Nothing comes through.
    Silent,
    /// Requests come through, answers do not.
    Deaf,
    /// Answers come 3 s late.
    Slow,
}

/// The API server. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Api(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    leases: BTreeMap<String, Value>,
    version: u64,
    lines: BTreeMap<&'static str, Line>,
    /// Reads and writes, by replica.
    requests: BTreeMap<&'static str, (usize, usize)>,
    conflicts: usize,
}

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/system/leases";

impl Api {
    /// A client of its own, whose line can be cut by its name.
    pub(crate) fn client(&self, name: &'static str) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request| {
            let api = api.clone();
            async move { api.answer(name, request).await }
        });
        Client::new(service, "system")
    }

    pub(crate) fn set_line(&self, name: &'static str, line: Line) {
        self.state().lines.insert(name, line);
    }

    /// What somebody else writes.
    pub(crate) fn put(&self, name: &str, spec: &Value) {
        self.state().put(name, json!({"metadata": {"name": name}, "spec": spec}));
    }

    pub(crate) fn delete(&self, name: &str) {
        self.state().leases.remove(name);
    }

    /// The one that there is.
    pub(crate) fn lease(&self) -> Option<Value> {
        self.state().leases.values().next().cloned()
    }

    pub(crate) fn requests(&self, name: &str) -> (usize, usize) {
        self.state().requests.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn conflicts(&self) -> usize {
        self.state().conflicts
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    async fn answer(
        &self,
        client: &'static str,
        request: Request<kube::client::Body>,
    ) -> io::Result<Response<Full<Bytes>>> {
        // Others get their turn between any two requests, as on a network.
        tokio::task::yield_now().await;
        let line = self.state().lines.get(client).copied().unwrap_or_default();
        match line {
            Line::Open | Line::Deaf | Line::Slow => {}
            Line::Cut => return Err(io::ErrorKind::ConnectionRefused.into()),
            Line::Silent => std::future::pending().await,
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let name = parts.uri.path().strip_prefix(PATH).unwrap().trim_start_matches('/').to_owned();
        let answer = self.state().answer(client, &parts.method, &name, &body);
        match line {
            Line::Deaf => std::future::pending().await,
            Line::Slow => tokio::time::sleep(Duration::from_secs(3)).await,
            _ => {}
        }
        Ok(answer)
    }
}

impl State {
    fn answer(
        &mut self,
        client: &'static str,
        method: &Method,
        name: &str,
        body: &[u8],
    ) -> Response<Full<Bytes>> {
        let counts = self.requests.entry(client).or_default();
        if *method == Method::GET {
            counts.0 += 1;
            return match self.leases.get(name) {
                Some(lease) => answer(StatusCode::OK, lease),
                None => refuse(StatusCode::NOT_FOUND, "NotFound"),
            };
        }
        counts.1 += 1;
        let lease: Value = serde_json::from_slice(body).unwrap();
        let metadata = &lease["metadata"];
        let name = metadata["name"].as_str().unwrap();
        let old = self.leases.get(name);
        let problem = match (method, old) {
            (&Method::POST, None) => None,
            (&Method::POST, Some(_)) => Some((StatusCode::CONFLICT, "AlreadyExists")),
            (&Method::PUT, None) => Some((StatusCode::NOT_FOUND, "NotFound")),
            (&Method::PUT, Some(old))
                if old["metadata"]["resourceVersion"] == metadata["resourceVersion"] =>
            {
                None
            }
            (&Method::PUT, Some(_)) => Some((StatusCode::CONFLICT, "Conflict")),
            _ => Some((StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed")),
        };
        if let Some((code, reason)) = problem {
            self.conflicts += usize::from(code == StatusCode::CONFLICT);
            return refuse(code, reason);
        }
        let name = name.to_owned();
        self.put(&name, lease);
        answer(StatusCode::OK, &self.leases[&name])
    }

    fn put(&mut self, name: &str, mut lease: Value) {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.leases.insert(name.to_owned(), lease);
    }
}

fn refuse(code: StatusCode, reason: &str) -> Response<Full<Bytes>> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(), "reason": reason,
        "message": reason, "metadata": {}});
    answer(code, &status)
}

fn answer(code: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(value.to_string()));
    *response.status_mut() = code;
    response
}
