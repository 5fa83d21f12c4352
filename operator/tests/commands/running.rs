//! The binary while it runs, and how it is asked.

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
use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_intel-device-plugins-operator");
pub(crate) const SERVICE: &str = "webhook-service.system.svc";
/// A guard against hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary under this name, with these arguments and nothing that tells of an API server.
pub(crate) fn command(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.arg0(name).args(args).env_clear().env("HOSTNAME", "pod-1").stdin(Stdio::null());
    command
}

/// The exit code, and what it says.
pub(crate) fn run(name: &str, args: &[&str]) -> (Option<i32>, String) {
    let output = command(name, args).output().unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// A certificate in a folder, as it is mounted.
pub(crate) struct Certificate {
    folder: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([SERVICE.to_owned()]).unwrap();
        std::fs::write(folder.path().join("tls.crt"), cert.pem()).unwrap();
        std::fs::write(folder.path().join("tls.key"), signing_key.serialize_pem()).unwrap();
        Self { folder, der: cert.der().clone() }
    }

    pub(crate) fn flag(&self) -> String {
        format!("-cert-dir={}", self.folder.path().display())
    }
}

/// A webhook that runs, and where it answers what.
pub(crate) struct Running {
    process: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        Self { process, log }
    }

    /// The address that the log says for this.
    pub(crate) fn address(&mut self, what: &str) -> String {
        let line = self.says(&format!("{what} are answered at "));
        line.trim().rsplit_once("://").unwrap().1.to_owned()
    }

    /// The next line of the log that has this.
    pub(crate) fn says(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "it ended: {seen}");
            if line.contains(text) {
                return line;
            }
            seen += &line;
        }
    }

    /// Asks it to end.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = Pid::from_raw(self.process.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.process.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where all went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What is answered, from the status line on.
pub(crate) fn ask(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // A server may close a connection without TLS's farewell.
    let _ = stream.read_to_string(&mut answer);
    answer
}

pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) fn get(address: &str, path: &str) -> String {
    ask(connect(address), &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
}

/// A connection to the webhook, as the API server has it.
pub(crate) fn secure(address: &str, certificate: &Certificate) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from(SERVICE).unwrap()).unwrap();
    StreamOwned::new(client, connect(address))
}

/// A request with JSON.
pub(crate) fn post(path: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {SERVICE}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}
