mod apply;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;

/// An authority that signs servers' certificates.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "test authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// An API server that gives `answer` to one request and then keeps the connection; the task gives back the request.
struct Server {
    port: u16,
    authority: String,
    request: JoinHandle<String>,
}

async fn server(answer: String) -> Server {
    server_for(answer, None).await
}

/// With `clients`, it wants a certificate of that authority.
async fn server_for(answer: String, clients: Option<&CertifiedIssuer<'_, KeyPair>>) -> Server {
    let issuer = authority();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            config.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let request = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await else {
            return String::new();
        };
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !is_whole(&request) {
            let Ok(read @ 1..) = stream.read(&mut buffer).await else { return String::new() };
            request.extend_from_slice(&buffer[..read]);
        }
        // A client that has heard enough hangs up.
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.flush().await;
        // Until the client closes it.
        let _ = stream.read(&mut buffer).await;
        String::from_utf8(request).unwrap()
    });
    Server { port, authority: issuer.pem(), request }
}

/// Whether all of its body is there, whose length it says if it has one.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A pod's account in `folder`.
fn account(folder: &Path, server: &Server) -> Access {
    fs::write(folder.join("ca.crt"), &server.authority).unwrap();
    fs::write(folder.join("token"), "secret\n").unwrap();
    Access::of_account("127.0.0.1".to_owned(), server.port, folder).unwrap()
}

fn node_1() -> Object {
    Object::node("node-1").unwrap()
}

fn labels(value: &str) -> Map<String, Value> {
    Map::from_iter([("example.com/a".to_owned(), value.into())])
}

async fn asked(answer: String) -> Result<Value, String> {
    let folder = tempfile::tempdir().unwrap();
    let server = server(answer).await;
    let access = account(folder.path(), &server);
    node(&access, "node-1").await
}

#[tokio::test]
async fn a_node_is_asked_for_with_the_pods_account() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(ok(r#"{"kind": "Node"}"#)).await;
    let access = account(folder.path(), &server);
    assert!(!format!("{access:?}").contains("secret"));
    assert_eq!(node(&access, "node-1").await, Ok(json!({"kind": "Node"})));
    let request = server.request.await.unwrap();
    assert!(request.starts_with("GET /api/v1/nodes/node-1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer secret\r\n"), "{request}");
}

#[tokio::test]
async fn a_patch_goes_to_the_nodes_status() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(ok(r#"{"kind": "Node"}"#)).await;
    let access = account(folder.path(), &server);
    let patch = json!({"status": {"capacity": {"example.com/a": 1}}});
    assert_eq!(patch_node_status(&access, "node-1", &patch).await, Ok(json!({"kind": "Node"})));
    let request = server.request.await.unwrap();
    assert!(request.starts_with("PATCH /api/v1/nodes/node-1/status HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: application/merge-patch+json\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer secret\r\n"), "{request}");
    assert!(request.ends_with(&format!("\r\n\r\n{patch}")), "{request}");
}

#[tokio::test]
async fn refusals_say_why() {
    let body = r#"{"message": "nodes \"node-1\" is forbidden"}"#;
    let answer = ok(body).replace("200 OK", "403 Forbidden");
    let error = asked(answer).await.unwrap_err();
    assert!(
        error.ends_with("answers 403 Forbidden for node node-1: nodes \"node-1\" is forbidden"),
        "{error}"
    );
    let long = format!(r#"{{"message": "a\u000ab{}"}}"#, "x".repeat(1000));
    let error = asked(ok(&long).replace("200 OK", "500 Internal Server Error")).await.unwrap_err();
    assert!(error.len() < 400 && error.contains(": abxx") && !error.contains('\n'), "{error}");
    let error = asked(ok("<html>")).await.unwrap_err();
    assert!(error.contains("answers what is no object of its kind"), "{error}");
    // Nobody is asked who is somewhere else.
    let moved = ok("").replace("200 OK", "302 Found\r\nLocation: https://elsewhere/");
    assert!(asked(moved).await.unwrap_err().contains("answers 302 Found"));
    assert!(asked("nonsense\r\n\r\n".to_owned()).await.is_err());
    let endless = ok(&format!("{{\"kind\": \"{}\"}}", "x".repeat(MAX_BYTES)));
    let error = asked(endless).await.unwrap_err();
    assert!(error.starts_with("cannot read what is said by 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let patience = Duration::from_millis(300);
    for answer in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"] {
        let folder = tempfile::tempdir().unwrap();
        let server = server(answer.to_owned()).await;
        let error =
            ask(patience, &account(folder.path(), &server), &node_1(), &Question::Get).await.unwrap_err();
        assert_eq!(error, format!("127.0.0.1:{} did not answer within 300ms", server.port));
        // The connection is closed, else this would wait for ever.
        server.request.await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let mut access = account(folder.path(), &server(String::new()).await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    access.server.port = listener.local_addr().unwrap().port();
    let error = ask(patience, &access, &node_1(), &Question::Get).await.unwrap_err();
    assert!(error.ends_with("did not answer within 300ms"), "{error}");
}

#[tokio::test]
async fn names_cannot_change_the_request() {
    for name in ["", "a/b", "a?b", "a b", "a\r\nb", "ä", "..", ".", "a.", "-a", &"a".repeat(254)] {
        let folder = tempfile::tempdir().unwrap();
        let server = server(ok("{}")).await;
        let access = account(folder.path(), &server);
        let error = node(&access, name).await.unwrap_err();
        assert_eq!(error, format!("{name:?} is no name of a node"));
        assert_eq!(patch_node_status(&access, name, &json!({})).await.unwrap_err(), error);
        assert_eq!(apply_node_labels(&access, "example", name, &labels("1")).await.unwrap_err(), error);
        let labels = labels("1");
        let feature = NodeFeature { namespace: "ns", name, node: "node-1", pod: None, labels: &labels };
        let error = feature.apply(&access, "example").await.unwrap_err();
        assert_eq!(error, format!("{name:?} is no name of a NodeFeature"));
        let error = NodeFeature { namespace: name, name: "a", ..feature }.apply(&access, "example").await;
        assert_eq!(error, Err(format!("{name:?} is no name of a namespace")));
        let error = NodeFeature { name: "a", ..feature }.apply(&access, &format!("{name}&force")).await;
        assert_eq!(error, Err(format!("{:?} is no name of a field manager", format!("{name}&force"))));
        server.request.abort();
    }
    for namespace in ["a.b", &"a".repeat(64)] {
        assert!(check_namespace(namespace).is_err(), "{namespace}");
    }
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = server(ok("{}")).await;
    server.authority = authority().pem();
    let error = node(&account(folder.path(), &server), "node-1").await.unwrap_err();
    assert!(error.starts_with("cannot trust 127.0.0.1:"), "{error}");
    assert_eq!(server.request.await.unwrap(), "", "nothing was sent");
}

#[tokio::test]
async fn a_server_of_another_name_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(ok("{}")).await;
    let mut access = account(folder.path(), &server);
    access.server.tls.as_mut().unwrap().1 = "127.0.0.2".try_into().unwrap();
    let error = node(&access, "node-1").await.unwrap_err();
    assert!(error.starts_with("cannot trust 127.0.0.1:"), "{error}");
}

#[test]
fn an_account_that_is_not_whole_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let of = || Access::of_account("::1".to_owned(), 443, folder.path());
    assert!(of().unwrap_err().contains("ca.crt: No such file"));
    fs::write(folder.path().join("ca.crt"), "nothing").unwrap();
    assert!(of().unwrap_err().contains("token: No such file"));
    fs::write(folder.path().join("token"), "secret").unwrap();
    let error = of().unwrap_err();
    assert!(
        error.ends_with("/ca.crt: the certificate authority cannot be used: it holds no certificate"),
        "{error}"
    );
    // One that cannot be understood does not stand in the way.
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(folder.path().join("ca.crt"), format!("{broken}{}", authority().pem())).unwrap();
    assert_eq!(of().unwrap().address(), "[::1]:443");
}

#[tokio::test]
async fn a_kubeconfig_file_says_where_and_who() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let body = r#"{"kind": "Node"}"#;
    let server = server(ok(body)).await;
    fs::write(folder.path().join("ca.pem"), &server.authority).unwrap();
    let text = "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n\
                clusters: [{name: c, cluster: {server: 'https://elsewhere:1/base', certificate-authority: ca.pem}}]\n\
                users: [{name: u, user: {token: secret}}]\n";
    fs::write(&file, text).unwrap();
    let master = format!("https://localhost:{}/base/", server.port);
    let access = Access::of_kubeconfig(file.to_str().unwrap(), &master).await.unwrap();
    assert_eq!(node(&access, "node-1").await, Ok(json!({"kind": "Node"})));
    let request = server.request.await.unwrap();
    assert!(request.starts_with("GET /base/api/v1/nodes/node-1 "), "{request}");

    for (from, to, expected) in [
        ("https://elsewhere", "http://elsewhere", "is no https address"),
        ("ca.pem", "none.pem", "none.pem: No such file"),
        ("token: secret", "exec: {}", "neither a token nor a client certificate"),
        ("current-context: x", "current-context: other", "contexts has no \"other\""),
        ("certificate-authority: ca.pem", "certificate-authority-data: '!'", "certificate-authority-data: "),
        ("current-context: x", "{", "config: "),
    ] {
        fs::write(&file, text.replace(from, to)).unwrap();
        let error = Access::of_file(&file, "").unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_kubeconfig_file_may_hold_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let clients = authority();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().signed_by(&key, &clients).unwrap();
    let body = r#"{"kind": "Node"}"#;
    let server = server_for(ok(body), Some(&clients)).await;
    let kubeconfig = |certificate: &str, key: &str| {
        let text = format!(
            "current-context: x\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{}', certificate-authority-data: {}}}}}]\n\
             users: [{{name: u, user: {{client-certificate-data: {}, client-key-data: {}}}}}]\n",
            server.port,
            STANDARD.encode(&server.authority),
            STANDARD.encode(certificate),
            STANDARD.encode(key),
        );
        fs::write(&file, text).unwrap();
    };
    kubeconfig(&certificate.pem(), "no key");
    let error = Access::of_file(&file, "").unwrap_err();
    assert!(error.contains("config: the client key cannot be used: "), "{error}");
    kubeconfig(&certificate.pem(), &KeyPair::generate().unwrap().serialize_pem());
    let error = Access::of_file(&file, "").unwrap_err();
    assert!(error.contains("config: the client certificate cannot be used: "), "{error}");
    kubeconfig(&certificate.pem(), &key.serialize_pem());
    let access = Access::of_kubeconfig(file.to_str().unwrap(), "").await.unwrap();
    assert_eq!(node(&access, "node-1").await, Ok(json!({"kind": "Node"})));
    assert!(!server.request.await.unwrap().contains("authorization"));
}

#[test]
fn errors_do_not_show_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    for broken in [
        "users:\n- name: u\n  user:\n    token: secret\n   x: {\n",
        "users: [{name: u, user: {token: secret}}\n",
        "token: secret\ntoken: secret\n",
        "token: &a secret\nother: *b\n",
    ] {
        fs::write(&file, broken).unwrap();
        let error = Access::of_file(&file, "").unwrap_err();
        assert!(error.contains("config: ") && !error.contains("secret"), "{error}");
    }
}

#[test]
fn files_that_never_end_and_long_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long");
    fs::write(&long, "\n".repeat(1 + (1 << 20))).unwrap();
    let too_long = format!("it is longer than {} bytes", client::MAX_BYTES);
    for (bad, why) in [(Path::new("/dev/zero"), "it is no plain file"), (&long, &too_long)] {
        assert_eq!(Access::of_file(bad, "").unwrap_err(), format!("{}: {why}", bad.display()));
        for name in ["ca.crt", "token"] {
            fs::write(folder.path().join("ca.crt"), authority().pem()).unwrap();
            fs::write(folder.path().join("token"), "secret").unwrap();
            fs::remove_file(folder.path().join(name)).unwrap();
            std::os::unix::fs::symlink(bad, folder.path().join(name)).unwrap();
            let error = Access::of_account("::1".to_owned(), 443, folder.path()).unwrap_err();
            assert!(error.ends_with(&format!("{name}: {why}")), "{error}");
            fs::remove_file(folder.path().join(name)).unwrap();
        }
        // Those that a kubeconfig file names, too.
        let file = folder.path().join("config");
        fs::write(folder.path().join("ca.pem"), authority().pem()).unwrap();
        let text = "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n\
                    clusters: [{name: c, cluster: {server: 'https://a', certificate-authority: ca.pem}}]\n\
                    users: [{name: u, user: {tokenFile: token}}]\n";
        fs::write(folder.path().join("token"), "secret").unwrap();
        fs::write(&file, text).unwrap();
        Access::of_file(&file, "").unwrap();
        for (from, key) in [("ca.pem", ""), ("tokenFile: token", "tokenFile: ")] {
            fs::write(&file, text.replace(from, &format!("{key}{}", bad.display()))).unwrap();
            let error = Access::of_file(&file, "").unwrap_err();
            assert!(error.ends_with(&format!("config: {}: {why}", bad.display())), "{error}");
        }
    }
}

/// Kubeconfig files in which one thing or another is something else.
fn near_kubeconfigs() -> impl Strategy<Value = String> {
    let odd = || {
        prop_oneof![
            3 => Just(None),
            1 => "[ -~]{0,12}".prop_map(Some),
            1 => Just(Some("~".to_owned())),
            1 => Just(Some("[]".to_owned())),
            1 => Just(Some("{}".to_owned())),
            1 => Just(Some("LS0t".to_owned())),
        ]
    };
    let or = |odd: Option<String>, good: &str| odd.unwrap_or_else(|| good.to_owned());
    proptest::array::uniform7(odd()).prop_map(
        move |[context, cluster, user, server, authority, token, key]| {
            format!(
                "current-context: {}\ncontexts: [{{name: x, context: {{cluster: {}, user: {}}}}}]\n\
             clusters: [{{name: c, cluster: {{server: {}, certificate-authority-data: {}}}}}]\n\
             users: [{{name: u, user: {{token: {}, client-certificate-data: LS0t, client-key-data: {}}}}}]\n",
                or(context, "x"),
                or(cluster, "c"),
                or(user, "u"),
                or(server, "https://a:1"),
                or(authority, "LS0t"),
                or(token, "secret"),
                or(key, "LS0t"),
            )
        },
    )
}

proptest! {
    #[test]
    fn any_file_is_a_kubeconfig_or_an_error_that_names_it(
        content in prop_oneof![any::<Vec<u8>>(), near_kubeconfigs().prop_map(String::into_bytes)],
        master in prop_oneof![Just(String::new()), any::<String>()],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        fs::write(&file, content).unwrap();
        if let Err(error) = Access::of_file(&file, &master) {
            prop_assert!(error.starts_with(&file.display().to_string()), "{}", error);
            prop_assert!(!error.contains("secret"), "{}", error);
        }
    }

    #[test]
    fn any_account_is_good_or_an_error_that_names_its_file(authorities: Vec<u8>, token: Vec<u8>, host: String) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.crt"), authorities).unwrap();
        fs::write(folder.path().join("token"), token).unwrap();
        let error = Access::of_account(host.clone(), 443, folder.path()).unwrap_err();
        prop_assert!(error.starts_with(&folder.path().display().to_string()), "{}", error);
    }
}
