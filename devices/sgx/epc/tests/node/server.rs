//! An API server that holds one Node object.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cluster::Access;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

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
    port: u16,
    account: tempfile::TempDir,
    state: Arc<(Mutex<State>, Notify)>,
}

impl NodeServer {
    pub(crate) async fn start(node: Value) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config =
            config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let account = tempfile::tempdir().unwrap();
        std::fs::write(account.path().join("ca.crt"), issuer.pem()).unwrap();
        std::fs::write(account.path().join("token"), "secret").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new((Mutex::new(State { node: Some(node), ..State::default() }), Notify::new()));
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), Arc::clone(&state)));
        Self { port, account, state }
    }

    pub(crate) fn access(&self) -> Access {
        Access::of_account("127.0.0.1".to_owned(), self.port, self.account.path()).unwrap()
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

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<(Mutex<State>, Notify)>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
        let (head, body) = loop {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the request breaks off");
            request.extend_from_slice(&buffer[..read]);
            if let Some(whole) = whole(&request) {
                break whole;
            }
        };
        let (status, object) = state.0.lock().unwrap().answer(&head, &body);
        let object = object.to_string();
        let length = object.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{object}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        state.1.notify_waiters();
    }
}

/// Head and body, if all is there.
fn whole(request: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(request).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().unwrap());
    (body.len() >= length).then(|| (head.to_owned(), body.to_owned()))
}

impl State {
    fn answer(&mut self, head: &str, body: &str) -> (&'static str, Value) {
        let (request, _) = head.split_once(" HTTP/1.1").unwrap();
        self.requests.push(request.to_owned());
        assert!(head.contains("authorization: Bearer secret"), "{head}");
        if self.refusals > 0 {
            self.refusals -= 1;
            return ("503 Service Unavailable", serde_json::json!({"message": "not now"}));
        }
        let spelling = self.spelling.clone();
        let Some(node) = &mut self.node else {
            return ("404 Not Found", serde_json::json!({"message": "not found"}));
        };
        match request {
            "GET /api/v1/nodes/node-1" => {}
            "PATCH /api/v1/nodes/node-1/status" => {
                assert!(head.contains("content-type: application/merge-patch+json"), "{head}");
                merge(node, serde_json::from_str(body).unwrap());
                if let Some(bytes) = node.pointer_mut("/status/capacity/sgx.intel.com~1epc") {
                    // Quantities are texts, whatever they came as.
                    let text = bytes.as_str().map_or_else(|| bytes.to_string(), str::to_owned);
                    *bytes = spelling.filter(|(from, _)| *from == text).map_or(text, |(_, to)| to).into();
                }
            }
            other => panic!("{other} is not allowed"),
        }
        ("200 OK", node.clone())
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
