//! An XPU Manager that may be anything but one, and a sidecar that asks it.

use std::collections::VecDeque;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use gpu_xelink::{Options, Sidecar};
use rcgen::{Certificate, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;

/// What it says to a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// This, and then it hangs up.
    Says(Vec<u8>),
    /// This, and then nothing more until the client hangs up.
    Hangs(Vec<u8>),
}

impl Answer {
    /// How long a test waits for it, if waiting does not help.
    pub(crate) fn patience(&self) -> Option<Duration> {
        matches!(self, Answer::Hangs(_)).then_some(Duration::from_millis(100))
    }
}

pub(crate) fn says(answer: impl Into<Vec<u8>>) -> Answer {
    Answer::Says(answer.into())
}

pub(crate) fn hangs(answer: impl Into<Vec<u8>>) -> Answer {
    Answer::Hangs(answer.into())
}

/// These metrics, as they should be said.
pub(crate) fn metrics(body: &str) -> Answer {
    says(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// The metrics of one link, without the end of the last line, as XPU Manager leaves it out.
pub(crate) fn link(local: u32, remote: u32) -> String {
    format!(
        "# HELP xpum_topology_link Connection type fo two GPU tiles\n# TYPE xpum_topology_link gauge\n\
         xpum_topology_link{{local_device_id=\"{local}\",local_on_subdevice=\"true\",local_subdevice_id=\"0\",\
         remote_device_id=\"{remote}\",remote_subdevice_id=\"0\",lane_count=\"4\"}} 1.0"
    )
}

/// The requests that it gets, and where.
pub(crate) struct Fake {
    pub(crate) port: u16,
    pub(crate) requests: UnboundedReceiver<String>,
}

/// Gives the answers one after the other, the last one again and again.
pub(crate) async fn exporter(answers: impl Into<VecDeque<Answer>>) -> Fake {
    start(answers.into(), None).await
}

/// The same over TLS.
pub(crate) async fn https_exporter(answer: Answer, certificate: &Certificate, key: &KeyPair) -> Fake {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    start([answer].into(), Some(TlsAcceptor::from(Arc::new(config)))).await
}

async fn start(mut answers: VecDeque<Answer>, tls: Option<TlsAcceptor>) -> Fake {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, requests) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answers.front().cloned().unwrap();
            if answers.len() > 1 {
                answers.pop_front();
            }
            match &tls {
                None => serve(stream, answer, &sender).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => serve(stream, answer, &sender).await,
                    Err(_) => _ = sender.send(String::new()),
                },
            }
        }
    });
    Fake { port, requests }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Answer,
    sender: &UnboundedSender<String>,
) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(read @ 1..) = stream.read(&mut buffer).await else { break };
        request.extend_from_slice(&buffer[..read]);
    }
    let _ = sender.send(String::from_utf8_lossy(&request).into_owned());
    let (Answer::Says(bytes) | Answer::Hangs(bytes)) = &answer;
    // A client that has heard enough hangs up.
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
    if matches!(answer, Answer::Hangs(_)) {
        let _ = stream.read(&mut buffer).await;
    }
    let _ = stream.shutdown().await;
}

/// A sidecar and the folder that it writes to.
pub(crate) struct Scene {
    pub(crate) folder: TempDir,
    pub(crate) sidecar: Sidecar,
}

impl Scene {
    pub(crate) fn new(port: u16, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("-dst-file-path={}", folder.path().join("labels.txt").display());
        let port = format!("-xpum-port={port}");
        let flags = [&[&*file, &*port], flags].concat();
        let sidecar = Options::parse("sidecar", flags).unwrap().sidecar().unwrap();
        Self { folder, sidecar }
    }

    /// Looks once, with little patience if this is what it will be answered and the exporter hangs.
    pub(crate) async fn look_at(&mut self, answer: &Answer) {
        let patience = self.sidecar.exporter.patience;
        self.sidecar.exporter.patience = answer.patience().unwrap_or(patience);
        self.sidecar.look().await;
        self.sidecar.exporter.patience = patience;
    }

    /// What the file says; nothing when it is not there.
    pub(crate) fn labels(&self) -> String {
        fs::read_to_string(self.folder.path().join("labels.txt")).unwrap_or_default()
    }
}
