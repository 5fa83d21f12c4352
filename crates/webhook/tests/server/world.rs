//! A server, and clients of it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use webhook::review::{Kind, Outcome};
use webhook::{Document, Fields, Metrics, Pointer, Server, Webhook};

pub(crate) const NAME: &str = "webhook.test";
/// The path of the webhook that labels pods.
pub(crate) const PODS: &str = "/pods";

/// A certificate for [`NAME`] that signs itself, and its key.
pub(crate) struct Pair {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: rcgen::KeyPair,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        Self { certificate: cert, key: signing_key }
    }

    pub(crate) fn that_expired() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut wish = rcgen::CertificateParams::new([NAME.to_owned()]).unwrap();
        wish.not_after = rcgen::date_time_ymd(2020, 1, 1);
        Self { certificate: wish.self_signed(&key).unwrap(), key }
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let chain = vec![self.certificate.der().clone()];
        Arc::new(CertifiedKey::from_der(chain, key, &ring::default_provider()).unwrap())
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }
}

/// A server that runs.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pair: Pair,
    pub(crate) certificate: watch::Sender<Option<Arc<CertifiedKey>>>,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) server: JoinHandle<Result<(), rustls::Error>>,
}

impl World {
    /// Labels pods, refuses those that are called `bad`, and panics at those that are called `panic`.
    pub(crate) async fn start(http2: bool) -> Self {
        let pair = Pair::new();
        let (certificate, shown) = watch::channel(Some(pair.certified()));
        let metrics = Arc::new(Metrics::default());
        let pods = Webhook {
            name: "pods".to_owned(),
            path: PODS.to_owned(),
            kind: Kind::pod(),
            fields: Fields::All,
            decide: Box::new(|r| label(r.object)),
        };
        let server =
            Server { webhooks: vec![pods], certificate: shown, http2, metrics: Arc::clone(&metrics) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(server.serve(listener, async move {
            let _ = stopped.await;
        }));
        Self { address, metrics, pair, certificate, stop, server }
    }

    /// Connects, and agrees on TLS like most clients do.
    pub(crate) async fn connect(&self) -> TlsStream<TcpStream> {
        connect(self.address, client(&self.pair, &["http/1.1"])).await.unwrap()
    }

    /// Connects, to send requests over HTTP/1.1.
    pub(crate) async fn http(&self) -> Http {
        Http::over(self.connect().await).await
    }

    pub(crate) fn page(&self) -> String {
        let mut page = pages::Figures::default();
        self.metrics.show(&mut page);
        page.finish()
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.server.await.unwrap().unwrap();
    }
}

fn label(pod: Value) -> Outcome {
    match pod["metadata"]["name"].as_str() {
        Some("bad") => return Outcome::Refused { message: "no bad pods".to_owned() },
        Some("panic") => panic!("a pod that nobody thought of"),
        Some("plain") => return Outcome::unchanged(),
        _ => {}
    }
    let mut pod = Document::new(pod);
    pod.set(&Pointer::root().key("metadata").key("labels"), json!({ "seen": "yes" })).unwrap();
    Outcome::Allowed { patch: pod.into_patch(), warnings: Vec::new() }
}

/// A client that trusts the certificate of this pair alone.
pub(crate) fn client(pair: &Pair, protocols: &[&str]) -> ClientConfig {
    client_with(pair, protocols, ring::default_provider(), rustls::ALL_VERSIONS)
}

pub(crate) fn client_with(
    pair: &Pair,
    protocols: &[&str],
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(pair.der()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

pub(crate) async fn connect(
    address: SocketAddr,
    config: ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(NAME).unwrap(), stream).await
}

/// A connection for requests over HTTP/1.1.
pub(crate) struct Http(hyper::client::conn::http1::SendRequest<Full<Bytes>>);

impl Http {
    pub(crate) async fn over(stream: TlsStream<TcpStream>) -> Self {
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// The answer's status and text.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> (StatusCode, String) {
        self.0.ready().await.unwrap();
        text(self.0.send_request(request).await.unwrap()).await
    }
}

/// A connection for requests over HTTP/2.
pub(crate) async fn http2<B>(stream: TlsStream<TcpStream>) -> hyper::client::conn::http2::SendRequest<B>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) async fn text(response: Response<hyper::body::Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// A request like the API server's, with this body.
pub(crate) fn post(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(format!("https://{NAME}{PODS}?timeout=10s"))
        .header("host", NAME)
        .header("content-type", "application/json")
        .body(Full::from(body.into()))
        .unwrap()
}

/// What the API server asks about a new pod of this name.
pub(crate) fn review(name: &str) -> String {
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name } });
    let request = json!({
        "uid": "1", "kind": { "group": "", "version": "v1", "kind": "Pod" }, "operation": "CREATE", "object": pod,
    });
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request }).to_string()
}

/// Checks that this is the answer to a pod that was labelled.
#[track_caller]
pub(crate) fn assert_labelled((status, text): &(StatusCode, String)) {
    assert_eq!(*status, StatusCode::OK, "{text}");
    let answer: Value = serde_json::from_str(text).unwrap();
    assert_eq!(answer["response"]["allowed"], true, "{text}");
    assert_eq!(answer["response"]["patchType"], "JSONPatch", "{text}");
}
