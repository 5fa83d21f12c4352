//! An API server with one Node and its `NodeFeature`, which keeps account of who is responsible for which label.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cluster::Access;
use cluster::testing::{ApiServer, Request};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::timeout;

const NODE: &str = "/api/v1/nodes/node-1";
const FEATURE: &str = "/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/ns/nodefeatures/intel-gpu-node-1";

/// What it knows.
#[derive(Default)]
pub(crate) struct State {
    /// Values of labels, and who gave them.
    pub(crate) labels: BTreeMap<String, (String, BTreeSet<String>)>,
    /// The object, if it was made.
    pub(crate) feature: Option<Value>,
    /// Methods and addresses.
    pub(crate) requests: Vec<String>,
    refusals: usize,
}

pub(crate) struct Cluster {
    server: ApiServer,
    state: Arc<(Mutex<State>, Notify)>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let state = Arc::new((Mutex::new(State::default()), Notify::new()));
        let shared = Arc::clone(&state);
        let answer = move |request| {
            let answer = shared.0.lock().unwrap().answer(&request);
            shared.1.notify_waiters();
            answer
        };
        Self { server: ApiServer::start(answer).await, state }
    }

    pub(crate) fn access(&self) -> Access {
        self.server.access()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap()
    }

    /// Labels without who gave them.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        self.state().labels.iter().map(|(key, (value, _))| (key.clone(), value.clone())).collect()
    }

    /// Gives the node a label.
    pub(crate) fn give(&self, manager: &str, key: &str, value: &str) {
        let given = (value.to_owned(), BTreeSet::from([manager.to_owned()]));
        self.state().labels.insert(key.to_owned(), given);
    }

    /// Does not answer the next requests.
    pub(crate) fn refuse(&self, times: usize) {
        self.state().refusals = times;
    }

    /// Waits until requests have brought it to this, which takes milliseconds.
    pub(crate) async fn until(&self, is_so: impl Fn(&State) -> bool) {
        loop {
            let changed = self.state.1.notified();
            if is_so(&self.state()) {
                return;
            }
            let changed = timeout(Duration::from_secs(20), changed).await;
            assert!(changed.is_ok(), "nobody asks any more; so far: {:?}", self.state().requests);
        }
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> (u16, Value) {
        self.requests.push(request.line.clone());
        if self.refusals > 0 {
            self.refusals -= 1;
            return (503, json!({"message": "not now"}));
        }
        let (method, address) = request.line.split_once(' ').unwrap();
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        match (method, path) {
            ("GET", NODE) => (200, json!({"metadata": {"uid": "u-1"}})),
            ("PATCH", NODE) => {
                assert_eq!(request.body["metadata"]["uid"], "u-1");
                self.apply(query, &request.body["metadata"]["labels"])
            }
            ("PATCH", FEATURE) => {
                self.feature = Some(request.body.clone());
                (200, request.body.clone())
            }
            _ => panic!("{} is not allowed", request.line),
        }
    }

    /// Server-side apply
    /// (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>).
    fn apply(&mut self, query: &str, wanted: &Value) -> (u16, Value) {
        let manager = query.strip_prefix("fieldManager=").unwrap().strip_suffix("&force=false").unwrap();
        let wanted = wanted.as_object().unwrap();
        for (key, value) in wanted {
            let given = self.labels.get(key);
            if let Some((other, managers)) = given
                && other != value
                && let Some(other) = managers.iter().find(|other| *other != manager)
            {
                let message = format!("conflict with {other:?}: .metadata.labels.{key}");
                return (409, json!({"message": message}));
            }
        }
        for (key, (_, managers)) in &mut self.labels {
            if !wanted.contains_key(key) {
                managers.remove(manager);
            }
        }
        self.labels.retain(|_, (_, managers)| !managers.is_empty());
        for (key, value) in wanted {
            let (given, managers) = self.labels.entry(key.clone()).or_default();
            value.as_str().unwrap().clone_into(given);
            managers.insert(manager.to_owned());
        }
        (200, json!({}))
    }
}
