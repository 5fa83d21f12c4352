//! An API server that holds one Node object.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cluster::Access;
use cluster::testing::{ApiServer, Request};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::timeout;

/// What it knows.
#[derive(Default)]
pub(crate) struct State {
    /// The object, unless it was deleted.
    pub(crate) node: Option<Value>,
    /// Methods and paths.
    pub(crate) requests: Vec<String>,
    refusals: usize,
    spelling: Option<(String, String)>,
}

pub(crate) struct NodeServer {
    server: ApiServer,
    state: Arc<(Mutex<State>, Notify)>,
}

impl NodeServer {
    pub(crate) async fn start(node: Value) -> Self {
        let state = Arc::new((Mutex::new(State { node: Some(node), ..State::default() }), Notify::new()));
        let shared = Arc::clone(&state);
        let answer = move |request| {
            let answer = shared.0.lock().unwrap().answer(request);
            shared.1.notify_waiters();
            answer
        };
        Self { server: ApiServer::start(answer).await, state }
    }

    pub(crate) fn access(&self) -> Access {
        self.server.access()
    }

    pub(crate) fn node(&self) -> Option<Value> {
        self.state().node.clone()
    }

    /// Another one in its place, or none.
    pub(crate) fn put(&self, node: Option<Value>) {
        self.state().node = node;
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// Does not answer the next requests.
    pub(crate) fn refuse(&self, times: usize) {
        self.state().refusals = times;
    }

    /// Stores `to` where a patch says `from`, as the API server does with quantities.
    pub(crate) fn spell(&self, from: &str, to: &str) {
        self.state().spelling = Some((from.to_owned(), to.to_owned()));
    }

    /// Waits until requests have brought it to this, which takes milliseconds.
    pub(crate) async fn until(&self, is_so: impl Fn(&State) -> bool) {
        loop {
            let changed = self.state.1.notified();
            if is_so(&self.state()) {
                return;
            }
            let changed = timeout(Duration::from_secs(20), changed).await;
            assert!(changed.is_ok(), "nobody asks any more; so far: {:?}", self.requests());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap()
    }
}

impl State {
    fn answer(&mut self, request: Request) -> (u16, Value) {
        self.requests.push(request.line.clone());
        if self.refusals > 0 {
            self.refusals -= 1;
            return (503, serde_json::json!({"message": "not now"}));
        }
        let spelling = self.spelling.clone();
        let Some(node) = &mut self.node else {
            return (404, serde_json::json!({"message": "not found"}));
        };
        match request.line.as_str() {
            "GET /api/v1/nodes/node-1" => {}
            "PATCH /api/v1/nodes/node-1/status" => {
                assert_eq!(request.content_type, "application/merge-patch+json");
                merge(node, request.body);
                if let Some(bytes) = node.pointer_mut("/status/capacity/sgx.intel.com~1epc") {
                    // Quantities are texts, whatever they came as.
                    let text = bytes.as_str().map_or_else(|| bytes.to_string(), str::to_owned);
                    *bytes = spelling.filter(|(from, _)| *from == text).map_or(text, |(_, to)| to).into();
                }
            }
            other => panic!("{other} is not allowed"),
        }
        (200, node.clone())
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            target.remove(&key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}
