//! Pods through the SGX admission webhook on one core, as the API server sends them: over TLS, from connections that stay open.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream as Probe};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::figures::{Bar, Figure, Samples, table};
use crate::process::Process;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const CONNECTIONS: usize = 8;
/// The Go implementation has no flag for it.
const PORT: u16 = 9443;
/// Where the Go implementation looks for its certificate in the folder for temporary files.
const CERTIFICATES: &str = "k8s-webhook-server/serving-certs";
const NAME: &str = "webhook.test";

/// A question, as the API server sends it.
struct Pod {
    /// What the figures are called: answers in a second, the median time of one, and the 99th percentile.
    figures: [&'static str; 3],
    review: &'static str,
    /// What the answer adds, beside whatever else.
    added: &'static [&'static str],
    /// Answers in a second.
    bar: Option<Bar>,
}

const PODS: [Pod; 2] = [
    Pod {
        figures: ["small pods", "time of an answer about one, median", "time of an answer about one, p99"],
        review: include_str!("../../devices/sgx/webhook/tests/plain_review.json"),
        added: &[
            "/metadata/annotations",
            "/spec/containers/0/resources/limits/sgx.intel.com~1enclave",
            "/spec/containers/0/resources/requests/sgx.intel.com~1enclave",
        ],
        bar: Some(Bar::AtLeast(20_000.0)),
    },
    Pod {
        figures: [
            "large pods",
            "time of an answer about a large one, median",
            "time of an answer about a large one, p99",
        ],
        review: include_str!("../../devices/sgx/webhook/tests/review.json"),
        added: &[
            "/metadata/annotations/sgx.intel.com~1epc",
            "/spec/containers/0/env/5",
            "/spec/containers/0/resources/limits/sgx.intel.com~1enclave",
            "/spec/containers/0/resources/requests/sgx.intel.com~1enclave",
            "/spec/containers/0/volumeMounts/3",
            "/spec/containers/1/env",
            "/spec/containers/1/resources/limits/sgx.intel.com~1enclave",
            "/spec/containers/1/resources/limits/sgx.intel.com~1provision",
            "/spec/containers/1/resources/requests/sgx.intel.com~1enclave",
            "/spec/containers/1/resources/requests/sgx.intel.com~1provision",
            "/spec/containers/1/volumeMounts/2",
            "/spec/volumes/4",
        ],
        bar: None,
    },
];

/// What was measured of one server.
struct Measured {
    /// For each pod.
    answers: Vec<Answers>,
    rss_mb: f64,
}

/// What was measured with one pod.
struct Answers {
    /// Answers in a second.
    rate: f64,
    /// Milliseconds from sending a request to having its answer.
    latency: Samples,
}

/// Measures and prints.
pub(crate) fn run(
    binary: &Path,
    reference: Option<&Path>,
    folder: &Path,
    quick: bool,
) -> Result<(), Box<dyn Error>> {
    let certificate = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let certificates = folder.join(CERTIFICATES);
    fs::create_dir_all(&certificates)?;
    fs::write(certificates.join("tls.crt"), certificate.cert.pem())?;
    fs::write(certificates.join("tls.key"), certificate.signing_key.serialize_pem())?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate.cert.der().clone())?;
    let client = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());

    let mut command = Command::new(binary);
    command.args(["webhook", "sgx", "-webhook-bind-address", &format!("127.0.0.1:{PORT}"), "-cert-dir"]);
    command.arg(&certificates);
    let ours = measure(command, &client, folder, quick)?;
    let theirs = match reference {
        None => None,
        Some(reference) => {
            let mut command = Command::new(reference);
            command.arg("-kubeconfig").arg(kubeconfig(folder)?).env("TMPDIR", folder);
            Some(measure(command, &client, folder, quick)?)
        }
    };

    let (theirs, mut figures) = (theirs.as_ref(), Vec::new());
    for (number, pod) in PODS.iter().enumerate() {
        let figure = |what, unit, bar, value: fn(&Answers) -> f64| {
            let of = |measured: &Measured| measured.answers.get(number).map(value);
            Figure { what, unit, bar, ours: of(&ours).unwrap_or(f64::NAN), reference: theirs.and_then(of) }
        };
        let in_time = pod.bar.is_some().then_some(Bar::AtMost(3.0));
        let [rate, median, p99] = pod.figures;
        figures.extend([
            figure(rate, "/s", pod.bar, |it| it.rate),
            figure(median, "ms", None, |it| it.latency.percentile(50.0)),
            figure(p99, "ms", in_time, |it| it.latency.percentile(99.0)),
        ]);
    }
    figures.push(Figure {
        what: "peak memory (RSS)",
        unit: "MB",
        bar: Some(Bar::AtMost(12.0)),
        ours: ours.rss_mb,
        reference: theirs.map(|it| it.rss_mb),
    });
    println!("{}", table(&figures));
    Ok(())
}

/// A configuration that loads, for a cluster that is not there.
fn kubeconfig(folder: &Path) -> std::io::Result<std::path::PathBuf> {
    let file = folder.join("kubeconfig");
    fs::write(
        &file,
        "{apiVersion: v1, kind: Config, current-context: none, \
         contexts: [{name: none, context: {cluster: none, user: none}}], \
         clusters: [{name: none, cluster: {server: 'https://127.0.0.1:1'}}], users: [{name: none, user: {}}]}",
    )?;
    Ok(file)
}

/// Runs the server on one core and asks it from another one.
fn measure(
    command: Command,
    client: &Arc<ClientConfig>,
    folder: &Path,
    quick: bool,
) -> Result<Measured, Box<dyn Error>> {
    let all = sched_getaffinity(None)?;
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&core| all.is_set(core)).take(2).collect();
    let &[first, second] = cores.as_slice() else { return Err("it takes two cores".into()) };
    on(first)?;
    let server = Process::run(command, &folder.join("log"))?;
    on(second)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let deadline = Instant::now() + Duration::from_secs(10);
    while Probe::connect(address).is_err() {
        if Instant::now() > deadline {
            return Err(format!("nothing listens at {address}; see what it said:\n{}", said(folder)).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let (warm_up, time) = if quick { (500, 2000) } else { (2000, 10_000) };
    let (warm_up, time) = (Duration::from_millis(warm_up), Duration::from_millis(time));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut answers = Vec::new();
    for pod in &PODS {
        let begin = Instant::now() + warm_up;
        let latency = runtime.block_on(ask_from_all(address, client, pod, begin, begin + time));
        let latency = latency.map_err(|error| format!("{error}; the server said:\n{}", said(folder)))?;
        #[expect(clippy::cast_precision_loss, reason = "a number of answers")]
        let rate = latency.len() as f64 / time.as_secs_f64();
        answers.push(Answers { rate, latency });
    }
    let measured = Measured { answers, rss_mb: server.peak_rss_kib()? / 1024.0 };
    drop(server);
    sched_setaffinity(None, &all)?;
    Ok(measured)
}

fn said(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// This thread runs on this core alone, and so do the processes that it starts.
fn on(core: usize) -> rustix::io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores)
}

/// Asks from all connections, one question at a time from each; gives the times of the answers that came between the two.
async fn ask_from_all(
    address: SocketAddr,
    client: &Arc<ClientConfig>,
    pod: &'static Pod,
    begin: Instant,
    end: Instant,
) -> Outcome<Samples> {
    let review = Bytes::from(serde_json::from_str::<Value>(pod.review)?.to_string());
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(Arc::clone(client)).connect(NAME.try_into()?, stream).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        connections.spawn(ask(sender, review.clone(), pod.added, begin, end));
    }
    let mut all = Samples::default();
    while let Some(samples) = connections.join_next().await {
        all.extend(samples??);
    }
    Ok(all)
}

/// Asks until the end.
async fn ask(
    mut sender: SendRequest<Full<Bytes>>,
    review: Bytes,
    added: &'static [&'static str],
    begin: Instant,
    end: Instant,
) -> Outcome<Samples> {
    let mut samples = Samples::default();
    let mut good = HashSet::new();
    loop {
        let request = Request::post("/mutate--v1-pod?timeout=10s")
            .header("Host", NAME)
            .header("User-Agent", "kube-apiserver-admission")
            .header("Accept", "application/json, */*")
            .header("Content-Type", "application/json")
            .header("Accept-Encoding", "gzip")
            .body(Full::new(review.clone()))?;
        let asked = Instant::now();
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        let answered = Instant::now();
        // The same bytes are the same answer.
        if !good.contains(&body) {
            if status != StatusCode::OK {
                return Err(format!("status {status}: {}", String::from_utf8_lossy(&body)).into());
            }
            check(&body, added)?;
            good.insert(body);
        }
        if answered > end {
            return Ok(samples);
        }
        if asked >= begin {
            samples.add((answered - asked).as_secs_f64() * 1e3);
        }
    }
}

/// Whether the answer allows the pod, and adds what it has to.
fn check(answer: &[u8], expected: &[&str]) -> Outcome<()> {
    let answer: Value = serde_json::from_slice(answer)?;
    let response = answer.get("response").unwrap_or(&Value::Null);
    let text = |name| response.get(name).and_then(Value::as_str).unwrap_or_default();
    let patch: Value = serde_json::from_slice(&STANDARD.decode(text("patch"))?)?;
    let added: HashSet<&str> = patch
        .as_array()
        .into_iter()
        .flatten()
        .filter(|operation| operation.get("op") == Some(&"add".into()))
        .filter_map(|operation| operation.get("path")?.as_str())
        .collect();
    if response.get("allowed") != Some(&true.into()) || !expected.iter().all(|path| added.contains(path)) {
        return Err(format!("not the expected answer: {answer}, with the patch {patch}").into());
    }
    Ok(())
}
