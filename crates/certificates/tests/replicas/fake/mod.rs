//! An API server in memory, as far as certificates need one: Secrets and webhook configurations, with versions, watches,
//! JSON patches and permissions.

mod store;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use k8s_openapi::ByteString;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use store::{Reason, Store};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// How one client reaches the API server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Line {
    /// It does.
    #[default]
    Open,
    /// Connections are refused.
    Cut,
    /// Nothing is answered.
    Silent,
}

/// The API server. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Api(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    store: Store,
    lines: BTreeMap<&'static str, Line>,
    watches: Vec<Watch>,
    /// What is not allowed, as `verb resource`.
    denied: Vec<String>,
    /// Requests that changed something.
    writes: usize,
    /// Requests that failed because somebody else was faster.
    conflicts: usize,
    /// What is answered in place of the Secret.
    garbled: Option<String>,
    /// What somebody else puts in place of the mutating configuration right after it is read.
    meddling: Option<(String, Value)>,
    /// Requests that no role of least privilege allows.
    excesses: Vec<String>,
    /// The bundles of each configuration, with when they came.
    bundles: Vec<(Instant, String)>,
}

struct Watch {
    client: &'static str,
    collection: String,
    name: String,
    send: mpsc::UnboundedSender<String>,
}

/// A request, as roles see it.
struct Asked {
    verb: &'static str,
    collection: String,
    resource: String,
    name: String,
    metadata_only: bool,
}

pub(crate) const SECRETS: &str = "/api/v1/namespaces/system/secrets";
pub(crate) const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
pub(crate) const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

impl Api {
    /// A client of its own, whose line can be cut by its name.
    pub(crate) fn client(&self, name: &'static str) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let api = api.clone();
            async move { api.answer(name, request).await }
        });
        Client::new(service, "system")
    }

    /// What becomes of requests of this client from now on. Its watches end.
    pub(crate) fn set_line(&self, name: &'static str, line: Line) {
        let mut state = self.state();
        state.lines.insert(name, line);
        state.watches.retain(|watch| watch.client != name);
    }

    /// Forbids, as `verb resource`, or allows everything again.
    pub(crate) fn deny(&self, what: &[&str]) {
        self.state().denied = what.iter().map(|one| (*one).to_owned()).collect();
    }

    /// Answers what is no Secret to who gets it from now on.
    pub(crate) fn garble(&self, answer: Option<String>) {
        self.state().garbled = answer;
    }

    /// Puts `object` in place of a mutating configuration as soon as it was read once more.
    pub(crate) fn meddle(&self, name: &str, object: Value) {
        self.state().meddling = Some((name.to_owned(), object));
    }

    /// What somebody else finds there.
    pub(crate) fn get(&self, collection: &str, name: &str) -> Option<Value> {
        self.state().store.get(collection, name)
    }

    /// What somebody else puts there, in place of what there is.
    pub(crate) fn put(&self, collection: &str, name: &str, object: Value) {
        self.state().put(collection, name, object);
    }

    /// What somebody else deletes.
    pub(crate) fn delete(&self, collection: &str, name: &str) {
        let mut state = self.state();
        if let Some(gone) = state.store.delete(collection, name) {
            state.tell("DELETED", collection, name, &gone);
        }
    }

    pub(crate) fn writes(&self) -> usize {
        self.state().writes
    }

    pub(crate) fn conflicts(&self) -> usize {
        self.state().conflicts
    }

    /// Requests that went further than the documented roles.
    pub(crate) fn excesses(&self) -> Vec<String> {
        self.state().excesses.clone()
    }

    /// The bundles that configurations have had, with when they came, as PEM.
    pub(crate) fn bundles(&self) -> Vec<(Instant, String)> {
        self.state().bundles.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    async fn answer(
        &self,
        client: &'static str,
        request: Request<kube::client::Body>,
    ) -> Result<Response<Body>, std::io::Error> {
        // Others get their turn between any two requests, as on a network.
        tokio::task::yield_now().await;
        let line = self.state().lines.get(client).copied().unwrap_or_default();
        match line {
            Line::Open => {}
            Line::Cut => return Err(std::io::ErrorKind::ConnectionRefused.into()),
            Line::Silent => std::future::pending().await,
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
        Ok(self.state().answer(client, &parts, &body))
    }
}

impl State {
    fn answer(&mut self, client: &'static str, parts: &http::request::Parts, body: &[u8]) -> Response<Body> {
        let query: BTreeMap<String, String> = pairs(parts.uri.query().unwrap_or_default());
        let asked = Asked::new(parts, &query, body);
        let excess = match asked.verb {
            // Nobody needs keys to know that they have changed.
            "list" | "watch" => asked.name.is_empty() || !asked.metadata_only,
            "create" | "update" => asked.resource != "secrets",
            "patch" => asked.resource == "secrets",
            verb => verb != "get",
        };
        if excess {
            self.excesses.push(format!("{} {} {:?}", asked.verb, asked.resource, asked.name));
        }
        if self.denied.contains(&format!("{} {}", asked.verb, asked.resource)) {
            return status(403, "Forbidden", &format!("User \"test\" cannot {} resource", asked.verb));
        }
        match asked.verb {
            "watch" => self.watch(client, asked, query.get("resourceVersion").map_or("0", String::as_str)),
            "list" => {
                let items: Vec<_> =
                    self.store.get(&asked.collection, &asked.name).iter().map(metadata).collect();
                let metadata = json!({"resourceVersion": self.store.version().to_string()});
                let kind = "PartialObjectMetadataList";
                json_answer(
                    &json!({"kind": kind, "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items}),
                )
            }
            "get" if asked.resource == "secrets" && self.garbled.is_some() => {
                text_answer(StatusCode::OK, self.garbled.clone().unwrap_or_default())
            }
            "get" => match self.store.get(&asked.collection, &asked.name) {
                Some(object) => {
                    if let Some((name, other)) = self.meddling.take_if(|_| asked.collection == MUTATING) {
                        self.put(MUTATING, &name, other);
                    }
                    json_answer(&object)
                }
                None => status(404, "NotFound", "not found"),
            },
            verb => {
                let written = match verb {
                    "create" => self.store.create(&asked.collection, &asked.name, body),
                    "update" => self.store.update(&asked.collection, &asked.name, body),
                    _ => self.store.patch(&asked.collection, &asked.name, body),
                };
                match written {
                    Ok(object) => {
                        self.writes += 1;
                        let kind = if verb == "create" { "ADDED" } else { "MODIFIED" };
                        self.tell(kind, &asked.collection, &asked.name, &object);
                        json_answer(&object)
                    }
                    Err(Reason { code, reason, message }) => {
                        self.conflicts += usize::from(code != 404);
                        status(code, reason, &message)
                    }
                }
            }
        }
    }

    fn put(&mut self, collection: &str, name: &str, object: Value) {
        let object = self.store.put(collection, name, object);
        self.tell("MODIFIED", collection, name, &object);
    }

    fn watch(&mut self, client: &'static str, asked: Asked, after: &str) -> Response<Body> {
        let (send, receive) = mpsc::unbounded_channel();
        let after = after.parse().unwrap_or(0);
        for event in self.store.events_after(after, &asked.collection, &asked.name) {
            let _ = send.send(event);
        }
        self.watches.push(Watch { client, collection: asked.collection, name: asked.name, send });
        let lines = UnboundedReceiverStream::new(receive).map(|line| Ok(Frame::data(Bytes::from(line))));
        Response::new(StreamBody::new(lines).boxed_unsync())
    }

    fn tell(&mut self, kind: &'static str, collection: &str, name: &str, object: &Value) {
        let event = format!("{}\n", json!({"type": kind, "object": metadata(object)}));
        self.store.remember(collection, name, &event);
        self.watches.retain(|watch| {
            watch.collection != collection || watch.name != name || watch.send.send(event.clone()).is_ok()
        });
        if collection == MUTATING && kind != "DELETED" {
            self.bundles.push((Instant::now(), bundle(object)));
        }
    }
}

impl Asked {
    fn new(parts: &http::request::Parts, query: &BTreeMap<String, String>, body: &[u8]) -> Self {
        let path = parts.uri.path();
        let known = [SECRETS, MUTATING, VALIDATING].into_iter().find(|known| path.starts_with(known));
        let collection = known.unwrap_or_else(|| panic!("nobody asks for {path}")).to_owned();
        let resource = collection.rsplit('/').next().unwrap_or_default().to_owned();
        let named = path[collection.len()..].trim_start_matches('/').to_owned();
        let selector = query.get("fieldSelector").and_then(|field| field.strip_prefix("metadata.name="));
        let selected = selector.unwrap_or_default().to_owned();
        let accept =
            parts.headers.get(http::header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let metadata_only = accept.contains("as=PartialObjectMetadata");
        let in_body = || {
            let body: Value = serde_json::from_slice(body).unwrap();
            body["metadata"]["name"].as_str().unwrap_or_default().to_owned()
        };
        let (verb, name) = match (&parts.method, named.is_empty()) {
            (&Method::GET, true) if query.get("watch").is_some_and(|on| on == "true") => ("watch", selected),
            (&Method::GET, true) => ("list", selected),
            (&Method::GET, false) => ("get", named),
            (&Method::POST, true) => ("create", in_body()),
            (&Method::PUT, false) => ("update", named),
            (&Method::PATCH, false) => {
                assert_eq!(parts.headers[http::header::CONTENT_TYPE], "application/json-patch+json");
                ("patch", named)
            }
            (method, _) => panic!("nobody asks {method} of {path}"),
        };
        Self { verb, collection, resource, name, metadata_only }
    }
}

fn pairs(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.replace("%3D", "="))).collect()
}

/// The bundle of the first webhook of a configuration.
pub(crate) fn bundle(configuration: &Value) -> String {
    let bundle = configuration["webhooks"][0]["clientConfig"]["caBundle"].clone();
    let bundle = serde_json::from_value(bundle).unwrap_or_else(|_| ByteString(Vec::new()));
    String::from_utf8(bundle.0).unwrap()
}

fn metadata(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

fn json_answer(value: &Value) -> Response<Body> {
    text_answer(StatusCode::OK, value.to_string())
}

fn status(code: u16, reason: &str, message: &str) -> Response<Body> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": message, "metadata": {}});
    text_answer(StatusCode::from_u16(code).unwrap(), status.to_string())
}

fn text_answer(code: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    *response.status_mut() = code;
    response
}
