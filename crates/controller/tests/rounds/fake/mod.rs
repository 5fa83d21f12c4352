//! An API server in memory, as far as the reconciler needs one.

mod apply;
mod asked;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use asked::Asked;

type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(crate) const OBJECTS: &str = "exampledeviceplugins";
pub(crate) const DAEMONSETS: &str = "daemonsets";
pub(crate) const PODS: &str = "pods";
pub(crate) const CONFIG_MAPS: &str = "configmaps";
pub(crate) const NODES: &str = "nodes";
/// What the cluster has no definition of.
const UNKNOWN: &str = "newdeviceplugins";
pub(crate) const EVENTS: &str = "events";

/// The API server. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Api(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By resource, namespace and name.
    objects: BTreeMap<(String, String, String), Value>,
    version: u64,
    watches: Vec<Watch>,
    /// Events of watches since the beginning, with version and resource.
    told: Vec<(u64, String, String)>,
    /// Every request that changes something, as `verb resource/name`.
    writes: Vec<String>,
    /// Events' types and reasons.
    events: Vec<String>,
    failures: Vec<Failure>,
    /// How long each write takes.
    latency: Duration,
    /// What an admission webhook does to DaemonSets.
    webhook: Option<fn(&mut Value)>,
}

struct Watch {
    resource: String,
    send: mpsc::UnboundedSender<String>,
}

struct Failure {
    request: &'static str,
    code: u16,
    message: &'static str,
    times: usize,
}

impl Api {
    pub(crate) fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let api = api.clone();
            async move {
                // Others get their turn between any two requests, as on a network.
                tokio::task::yield_now().await;
                let (parts, body) = request.into_parts();
                let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
                let answer = api.state().answer(&parts, &body);
                let latency = api.state().latency;
                if parts.method != http::Method::GET && !latency.is_zero() {
                    tokio::time::sleep(latency).await;
                }
                Ok::<_, std::io::Error>(answer)
            }
        });
        Client::new(service, "devices")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// What somebody else finds there.
    pub(crate) fn get(&self, resource: &str, name: &str) -> Option<Value> {
        let state = self.state();
        let mut all = state.objects.iter();
        all.find(|((of, _, called), _)| of == resource && called == name).map(|(_, object)| object.clone())
    }

    /// What somebody else creates.
    pub(crate) fn create(&self, resource: &str, mut object: Value) -> Value {
        let mut state = self.state();
        let version = state.version + 1;
        let metadata = &mut object["metadata"];
        metadata["uid"] = json!(format!("uid-{version}"));
        metadata["generation"] = json!(1);
        let namespace = metadata["namespace"].as_str().unwrap_or_default().to_owned();
        let name = metadata["name"].as_str().unwrap().to_owned();
        state.put(resource, &namespace, &name, object)
    }

    /// What somebody else changes under the name of `manager`.
    pub(crate) fn edit(&self, manager: &str, resource: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        let key =
            state.objects.keys().find(|(of, _, called)| of == resource && called == name).unwrap().clone();
        let before = state.objects[&key].clone();
        let mut after = before.clone();
        change(&mut after);
        if resource == DAEMONSETS {
            apply::add_defaults(&mut after);
        }
        if before["spec"] != after["spec"] {
            after["metadata"]["generation"] = json!(before["metadata"]["generation"].as_u64().unwrap() + 1);
            if resource == DAEMONSETS && after["metadata"]["managedFields"].is_array() {
                let changed = apply::changed("spec", &before["spec"], &after["spec"]);
                let entry = json!({"manager": manager, "operation": "Update", "apiVersion": "apps/v1",
                    "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": changed}});
                after["metadata"]["managedFields"].as_array_mut().unwrap().push(entry);
            }
        }
        state.put(&key.0, &key.1, &key.2, after);
    }

    pub(crate) fn delete(&self, resource: &str, name: &str) {
        let mut state = self.state();
        let key =
            state.objects.keys().find(|(of, _, called)| of == resource && called == name).unwrap().clone();
        let mut gone = state.objects.remove(&key).unwrap();
        state.version += 1;
        gone["metadata"]["resourceVersion"] = json!(state.version.to_string());
        state.tell("DELETED", resource, &gone);
    }

    /// Fails requests such as `patch exampledeviceplugins/a` so many times.
    pub(crate) fn fail(&self, request: &'static str, code: u16, message: &'static str, times: usize) {
        self.state().failures.push(Failure { request, code, message, times });
    }

    /// Fails nothing any more.
    pub(crate) fn heal(&self) {
        self.state().failures.clear();
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    pub(crate) fn set_webhook(&self, change: fn(&mut Value)) {
        self.state().webhook = Some(change);
    }

    /// The writes since this was asked last.
    pub(crate) fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.state().writes)
    }

    /// The events since this was asked last.
    pub(crate) fn events(&self) -> Vec<String> {
        std::mem::take(&mut self.state().events)
    }
}

impl State {
    fn put(&mut self, resource: &str, namespace: &str, name: &str, mut object: Value) -> Value {
        self.version += 1;
        if resource == DAEMONSETS {
            // As its controller does, which is quick here.
            object["status"]["observedGeneration"] = object["metadata"]["generation"].clone();
        }
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let key = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        let kind = if self.objects.contains_key(&key) { "MODIFIED" } else { "ADDED" };
        self.objects.insert(key, object.clone());
        self.tell(kind, resource, &object);
        object
    }

    fn tell(&mut self, kind: &str, resource: &str, object: &Value) {
        // A DaemonSet without the label is none of those that are watched.
        let kind = if is_selected(resource, object) { kind } else { "DELETED" };
        let event = format!("{}\n", json!({"type": kind, "object": shown(resource, object)}));
        self.told.push((self.version, resource.to_owned(), event.clone()));
        self.watches.retain(|watch| watch.resource != resource || watch.send.send(event.clone()).is_ok());
    }

    fn answer(&mut self, parts: &http::request::Parts, body: &[u8]) -> Response<Body> {
        let asked = Asked::new(parts);
        if !matches!(asked.verb, "get" | "list" | "watch") {
            self.writes.push(asked.to_string());
        }
        let text = asked.to_string();
        if let Some(failure) =
            self.failures.iter_mut().find(|failure| failure.times > 0 && text == failure.request)
        {
            failure.times -= 1;
            return status(failure.code, failure.message);
        }
        if asked.resource == UNKNOWN {
            return status(404, "404 page not found");
        }
        match asked.verb {
            "watch" => self.watch(&asked.resource, parts.uri.query().unwrap_or_default()),
            "list" => {
                let of = |key: &(String, String, String)| {
                    key.0 == asked.resource && (asked.namespace.is_empty() || key.1 == asked.namespace)
                };
                let all = self
                    .objects
                    .iter()
                    .filter(|(key, object)| of(key) && is_selected(&asked.resource, object));
                let items = all.map(|(_, object)| {
                    let mut item = shown(&asked.resource, object);
                    // Items of lists do not say what they are.
                    remove(&mut item, &["apiVersion", "kind"]);
                    item
                });
                let items: Vec<Value> = items.collect();
                let metadata = json!({"resourceVersion": self.version.to_string()});
                json_answer(
                    &json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items}),
                )
            }
            "get" => match self.objects.get(&asked.key()) {
                Some(object) => json_answer(object),
                None => status(404, "not found"),
            },
            "create" => {
                let event: Value = serde_json::from_slice(body).unwrap();
                let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
                self.events.push(format!(
                    "{} {} {}",
                    text("type"),
                    text("reason"),
                    event["regarding"]["name"].as_str().unwrap()
                ));
                json_answer(&event)
            }
            _ => self.change(&asked, parts, &serde_json::from_slice(body).unwrap()),
        }
    }

    fn change(&mut self, asked: &Asked, parts: &http::request::Parts, body: &Value) -> Response<Body> {
        let live = self.objects.get(&asked.key()).cloned();
        let metadata = &body["metadata"];
        for guard in ["uid", "resourceVersion"] {
            let stands = live.as_ref().is_some_and(|live| live["metadata"][guard] == metadata[guard]);
            if !metadata[guard].is_null() && !stands && (live.is_some() || asked.verb == "apply") {
                return status(409, "the object has been modified");
            }
        }
        if parts.headers[http::header::CONTENT_TYPE] == "application/apply-patch+yaml" {
            assert!(metadata["managedFields"].is_null(), "what is applied must not have managed fields");
            let applied = self.apply(asked, live, body);
            return json_answer(&applied);
        }
        let Some(before) = live else { return status(404, "not found") };
        let mut after = before.clone();
        let part =
            if asked.subresource == "status" { json!({"status": body["status"]}) } else { body.clone() };
        apply::patch(&mut after, &part);
        json_answer(&self.settle(asked, Some(&before), after))
    }

    fn apply(&mut self, asked: &Asked, live: Option<Value>, body: &Value) -> Value {
        assert_eq!(asked.resource, DAEMONSETS);
        assert_eq!(live.is_some(), body["metadata"]["uid"].is_string(), "a namesake might be hit");
        let mut applied = body.clone();
        remove(&mut applied["metadata"], &["uid", "name", "namespace"]);
        remove(&mut applied, &["apiVersion", "kind"]);
        let mut before = live.clone().unwrap_or_else(|| {
            let metadata = json!({"name": asked.name, "namespace": asked.namespace, "uid": format!("uid-{}", self.version + 1)});
            json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata})
        });
        let mut entries = before["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        if live.is_some() && entries.is_empty() {
            let all = json!({"f:spec": apply::fields("", &before["spec"])});
            entries.push(json!({"manager": "before-first-apply", "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": all}));
        }
        before["metadata"].as_object_mut().unwrap().remove("managedFields");
        let is_own =
            |entry: &Value| entry["manager"] == asked.manager.as_str() && entry["operation"] == "Apply";
        let owned = entries.iter().find(|entry| is_own(entry)).map(|entry| entry["fieldsV1"].clone());
        let others: Vec<Value> =
            entries.iter().filter(|entry| !is_own(entry)).map(|entry| entry["fieldsV1"].clone()).collect();
        let mut after = apply::merge(
            "",
            Some(&before),
            Some(&applied),
            owned.as_ref(),
            &others.iter().collect::<Vec<_>>(),
        )
        .unwrap();
        entries.retain(|entry| !is_own(entry));
        entries.push(json!({"manager": asked.manager, "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
            "fieldsV1": apply::fields("", &applied)}));
        after["metadata"]["managedFields"] = entries.into();
        self.settle(asked, live.as_ref(), after)
    }

    /// Stores what a request made of an object, unless it is the same.
    fn settle(&mut self, asked: &Asked, before: Option<&Value>, mut after: Value) -> Value {
        if asked.resource == DAEMONSETS {
            if let Some(change) = self.webhook {
                change(&mut after);
            }
            apply::add_defaults(&mut after);
        }
        let generation = before.map_or(0, |before| before["metadata"]["generation"].as_u64().unwrap());
        let is_other = before.is_none_or(|before| before["spec"] != after["spec"]);
        after["metadata"]["generation"] = json!(generation + u64::from(is_other));
        if asked.resource == DAEMONSETS {
            after["status"]["observedGeneration"] = after["metadata"]["generation"].clone();
        }
        if before == Some(&after) {
            return after;
        }
        self.put(&asked.resource, &asked.namespace, &asked.name, after)
    }

    fn watch(&mut self, resource: &str, query: &str) -> Response<Body> {
        let (send, receive) = mpsc::unbounded_channel();
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let after =
            pairs.find(|(name, _)| *name == "resourceVersion").map_or(0, |(_, value)| value.parse().unwrap());
        for (_, _, event) in self.told.iter().filter(|(at, of, _)| *at > after && of == resource) {
            send.send(event.clone()).unwrap();
        }
        self.watches.push(Watch { resource: resource.to_owned(), send });
        let lines = UnboundedReceiverStream::new(receive).map(|line| Ok(Frame::data(Bytes::from(line))));
        Response::new(StreamBody::new(lines).boxed_unsync())
    }
}

fn is_selected(resource: &str, object: &Value) -> bool {
    ![DAEMONSETS, PODS].contains(&resource) || object["metadata"]["labels"]["app"] == "intel-example-plugin"
}

/// `ConfigMaps` are watched by their metadata.
fn shown(resource: &str, object: &Value) -> Value {
    if resource == CONFIG_MAPS {
        return json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]});
    }
    object.clone()
}

fn remove(from: &mut Value, fields: &[&str]) {
    for field in fields {
        from.as_object_mut().unwrap().remove(*field);
    }
}

fn json_answer(value: &Value) -> Response<Body> {
    Response::new(Full::new(Bytes::from(value.to_string())).boxed_unsync())
}

fn status(code: u16, message: &str) -> Response<Body> {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        _ => "InternalError",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": message, "metadata": {}});
    let mut response = json_answer(&status);
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}
