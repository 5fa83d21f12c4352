//! The binary as users run it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use simulator::golden;

const BINARY: &str = env!("CARGO_BIN_EXE_intel-device-plugins-operator");
const SERVICE: &str = "webhook-service.system.svc";
/// A guard against hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary under this name, with these arguments and nothing that tells of an API server.
fn command(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.arg0(name).args(args).env_clear().stdin(Stdio::null());
    command
}

/// The exit code, and what it says.
fn run(name: &str, args: &[&str]) -> (Option<i32>, String) {
    let output = command(name, args).output().unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn usage_texts_are_those_on_file() {
    for (file, args) in [
        ("commands.txt", &["-h"][..]),
        ("operator.txt", &["operator", "-h"]),
        ("webhook-fpga.txt", &["webhook", "fpga", "-h"]),
        ("webhook-sgx.txt", &["webhook", "sgx", "-h"]),
    ] {
        let (code, text) = run("intel-device-plugins-operator", args);
        assert_eq!(code, Some(0), "{args:?}");
        golden(format!("tests/golden/{file}"), &text);
    }
}

#[test]
fn commands_that_there_are_not_are_told_from_those_that_there_are() {
    for args in [&[][..], &["webhooks"], &["webhook"], &["webhook", "gpu"]] {
        let (code, text) = run("intel-device-plugins-operator", args);
        assert_eq!(code, Some(2), "{args:?}: {text}");
        assert!(text.contains("webhook sgx"), "{args:?}: {text}");
    }
    let (code, text) = run("intel-device-plugins-operator", &["version"]);
    assert_eq!((code, &*text), (Some(0), &*format!("{}\n", cli::VERSION)));
}

#[test]
fn entry_points_of_the_go_implementation_take_its_flags() {
    for (name, flags) in [
        ("intel_sgx_admissionwebhook", &["-v=1", "-vmodule=x=2", "-h"][..]),
        ("intel_fpga_admissionwebhook", &["-v=1", "-leader-elect", "-kubeconfig=x", "-h"]),
        (
            "intel_deviceplugin_operator",
            &[
                "--metrics-secure",
                "--metrics-bind-address=:8443",
                "--health-probe-bind-address=:8081",
                "--leader-elect",
                "--enable-http2=false",
                "--deviceplugin-namespace",
                "devices",
                "--devices=gpu",
                "--kubeconfig=x",
                "-v=4",
                "-h",
            ],
        ),
    ] {
        let (code, text) = run(&format!("/usr/local/bin/{name}"), flags);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains(&format!("Usage: {name}")), "{text}");
    }
}

#[test]
fn what_is_missing_is_told_with_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    let folder = format!("-cert-dir={}", empty.path().display());
    let half = tempfile::tempdir().unwrap();
    fs::write(half.path().join("tls.crt"), "no certificate").unwrap();
    let broken = format!("-cert-dir={}", half.path().display());
    let (address, probes) = ("-webhook-bind-address=127.0.0.1:0", "-health-probe-bind-address=0");
    for (webhook, flags, expected) in [
        ("sgx", &[&*folder][..], "-webhook-service"),
        ("sgx", &[&folder, "-webhook-service=x"], "-kubeconfig"),
        ("sgx", &[&broken], "tls.key"),
        ("sgx", &["-webhook-bind-address=0"], "-webhook-bind-address is 0"),
        ("sgx", &["-health-probe-bind-address=8081"], "-health-probe-bind-address"),
        ("fpga", &[&broken], "-kubeconfig"),
        ("fpga", &[&broken, "-kubeconfig=/nowhere"], "/nowhere"),
    ] {
        let args = [&["webhook", webhook, address, probes], flags].concat();
        let (code, text) = run("intel-device-plugins-operator", &args);
        assert_eq!(code, Some(1), "{flags:?}: {text}");
        assert!(text.contains(expected), "{flags:?}: {expected:?} is not in {text}");
    }
}

#[test]
fn devices_that_there_are_not_or_twice_end_the_operator_with_an_error_in_its_log() {
    for (flags, expected) in [
        (&["-devices=qta"][..], "-devices: there is no device \"qta\", only "),
        (&["-devices="], "-devices: there is no device \"\""),
        (&["-devices=gpu,gpu"], "-devices: \"gpu\" is there twice"),
        (&["--devices", "gpu", "--devices", "gpu"], "-devices: \"gpu\" is there twice"),
        (&["-logging-format=json", "-devices=x"], "\"level\":\"error\""),
        // All is well with these, but for the API server.
        (&["-devices=gpu"], "-kubeconfig"),
        (&[], "-kubeconfig"),
    ] {
        let (code, text) = run("intel_deviceplugin_operator", flags);
        assert_eq!(code, Some(1), "{flags:?}: {text}");
        assert!(text.contains(expected), "{flags:?}: {expected:?} is not in {text}");
    }
}

/// A webhook that runs, and where it answers what.
struct Running {
    process: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        Self { process, log }
    }

    /// The address that the log says for this.
    fn address(&mut self, what: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "it ended: {seen}");
            if let Some((_, address)) = line.split_once(&format!("{what} are answered at ")) {
                return address.trim().split_once("://").unwrap().1.to_owned();
            }
            seen += &line;
        }
    }

    /// Asks it to end.
    fn terminate(mut self) -> ExitStatus {
        let pid = Pid::from_raw(self.process.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.process.wait().unwrap()
    }
}

/// What is answered, from the status line on.
fn ask(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // A server may close a connection without TLS's farewell.
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn get(address: &str, path: &str) -> String {
    ask(connect(address), &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
}

/// A connection to the webhook, as the API server has it.
fn secure(address: &str, authority: CertificateDer<'static>) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from(SERVICE).unwrap()).unwrap();
    StreamOwned::new(client, connect(address))
}

#[test]
fn a_webhook_with_a_mounted_certificate_needs_no_api_server() {
    let folder = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([SERVICE.to_owned()]).unwrap();
    fs::write(folder.path().join("tls.crt"), cert.pem()).unwrap();
    fs::write(folder.path().join("tls.key"), signing_key.serialize_pem()).unwrap();
    let flags = [
        &*format!("-cert-dir={}", folder.path().display()),
        "-webhook-bind-address=127.0.0.1:0",
        "-health-probe-bind-address=127.0.0.1:0",
        "-metrics-bind-address=127.0.0.1:0",
    ];
    let mut webhook = Running::start(command("intel_sgx_admissionwebhook", &flags));
    let requests = webhook.address("requests");
    let (probes, metrics) = (webhook.address("probes"), webhook.address("metrics"));
    for path in ["/healthz", "/readyz"] {
        assert!(get(&probes, path).starts_with("HTTP/1.1 200"), "{path}");
    }

    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "object": {"spec": {"containers": [
                {"name": "main", "resources": {"limits": {"sgx.intel.com/epc": "1Mi"}}},
            ]}},
        },
    });
    let review = review.to_string();
    let request = format!(
        "POST /mutate--v1-pod HTTP/1.1\r\nhost: {SERVICE}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{review}",
        review.len()
    );
    let answer = ask(secure(&requests, cert.der().clone()), &request);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["response"]["allowed"], true, "{body}");
    assert_eq!(body["response"]["patchType"], "JSONPatch", "{body}");
    let page = get(&metrics, "/metrics");
    let counted = "webhook_requests_total{webhook=\"sgx\",outcome=\"patched\"} 1";
    assert!(page.lines().any(|line| line == counted), "{page}");

    assert_eq!(webhook.terminate().code(), Some(0));
}
