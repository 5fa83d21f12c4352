//! An API server that knows two readers of metrics and has Leases.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

/// It runs until the test's process ends.
pub(crate) struct Api {
    kubeconfig: NamedTempFile,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    leases: BTreeMap<String, Value>,
    /// How often each path was asked for.
    requests: BTreeMap<String, usize>,
}

impl Api {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.unwrap(), Arc::clone(&shared));
                std::thread::spawn(move || answer(&stream, &state));
            }
        });
        let mut kubeconfig = NamedTempFile::new().unwrap();
        let named = |key: &str, value: Value| json!([{"name": "test", key: value}]);
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "test", "users": named("user", json!({})),
            "clusters": named("cluster", json!({"server": format!("http://{address}")})),
            "contexts": named("context", json!({"cluster": "test", "user": "test", "namespace": "devices"}))});
        kubeconfig.write_all(config.to_string().as_bytes()).unwrap();
        Self { kubeconfig, state }
    }

    pub(crate) fn flag(&self) -> String {
        format!("-kubeconfig={}", self.kubeconfig.path().display())
    }

    pub(crate) fn requests(&self, path: &str) -> usize {
        self.state.lock().unwrap().requests.get(path).copied().unwrap_or(0)
    }

    pub(crate) fn lease(&self) -> Option<Value> {
        self.state.lock().unwrap().leases.values().next().cloned()
    }
}

fn answer(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        while head.last().is_none_or(|line: &String| !line.trim().is_empty()) {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            head.push(line.to_lowercase());
        }
        let length = head.iter().find_map(|line| line.strip_prefix("content-length:")).unwrap_or("0");
        let mut body = vec![0; length.trim().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let mut words = head[0].split_whitespace();
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let path = target.split('?').next().unwrap();
        let (status, answer) = decide(&mut state.lock().unwrap(), method, path, &body);
        let answer = answer.to_string();
        let length = answer.len();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        if write!(&mut &*stream, "{head}{answer}").is_err() {
            return;
        }
    }
}

fn decide(state: &mut State, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
    *state.requests.entry(path.to_owned()).or_default() += 1;
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let with_status = |status: Value| {
        let mut answer = body.clone();
        answer["status"] = status;
        (201, answer)
    };
    match path {
        "/apis/authentication.k8s.io/v1/tokenreviews" => {
            with_status(match body["spec"]["token"].as_str().unwrap() {
                user @ ("prometheus" | "stranger") => {
                    json!({"authenticated": true, "user": {"username": user, "groups": ["x"]}})
                }
                _ => json!({"authenticated": false}),
            })
        }
        "/apis/authorization.k8s.io/v1/subjectaccessreviews" => {
            let wanted = json!({"path": "/metrics", "verb": "get"});
            let spec = &body["spec"];
            let allowed = spec["user"] == "prometheus"
                && spec["groups"] == json!(["x"])
                && spec["nonResourceAttributes"] == wanted;
            with_status(json!({"allowed": allowed}))
        }
        _ if path.contains("/leases") && method == "get" => {
            state.leases.values().next().map_or((404, missing()), |lease| (200, lease.clone()))
        }
        _ if path.contains("/leases") => {
            state.leases.insert("lease".to_owned(), body.clone());
            (200, body)
        }
        _ => (404, missing()),
    }
}

fn missing() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound", "message": "not found",
        "metadata": {}})
}
