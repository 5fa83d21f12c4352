//! An API server in memory, for the tests of those who ask one.
#![expect(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "for tests")]

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Access;

/// What the token of all who ask it says.
const TOKEN: &str = "secret";

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Method and address: `GET /api/v1/nodes/node-1`.
    pub line: String,
    /// The kind of the body; empty without one.
    pub content_type: String,
    /// The body; null without one.
    pub body: Value,
}

/// A server on this machine that answers until its runtime ends.
#[derive(Debug)]
pub struct ApiServer {
    port: u16,
    account: tempfile::TempDir,
}

impl ApiServer {
    /// Starts one whose answers are these: a status of HTTP, and an object. Requests come one after the other.
    pub async fn start(answer: impl FnMut(Request) -> (u16, Value) + Send + 'static) -> Self {
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
        std::fs::write(account.path().join("token"), TOKEN).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), answer));
        Self { port, account }
    }

    /// Its port on this machine, and the folder of an account that it knows: for who asks it as a pod.
    pub fn account(&self) -> (u16, &Path) {
        (self.port, self.account.path())
    }

    /// How to ask it.
    pub fn access(&self) -> Access {
        Access::of_account("127.0.0.1".to_owned(), self.port, self.account.path()).unwrap()
    }
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    mut answer: impl FnMut(Request) -> (u16, Value),
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        // Who hangs up has heard enough.
        if let Some((request, mut stream)) = read(&acceptor, stream).await {
            let (status, object) = answer(request);
            let object = object.to_string();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{object}", object.len());
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.flush().await;
        }
    }
}

type Stream = tokio_rustls::server::TlsStream<TcpStream>;

async fn read(acceptor: &TlsAcceptor, stream: TcpStream) -> Option<(Request, Stream)> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read @ 1.. = stream.read(&mut buffer).await.ok()? else { return None };
        request.extend_from_slice(&buffer[..read]);
        if let Some(request) = whole(&request) {
            return Some((request, stream));
        }
    }
}

/// The request, if all of it is there.
fn whole(request: &[u8]) -> Option<Request> {
    let text = std::str::from_utf8(request).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    if body.len() < header("content-length: ").parse().unwrap_or(0) {
        return None;
    }
    assert_eq!(header("authorization: "), format!("Bearer {TOKEN}"), "{head}");
    let (line, _) = head.split_once(" HTTP/1.1").unwrap_or_else(|| panic!("{head}"));
    Some(Request {
        line: line.to_owned(),
        content_type: header("content-type: ").to_owned(),
        body: if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() },
    })
}
