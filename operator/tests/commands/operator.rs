//! The operator, beside an API server.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};
use serde_json::{Value, json};

use crate::api::Api;
use crate::running::{Certificate, Running, ask, command, connect, get, post, secure};

/// Believes everything, as scrapers of the metrics do.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// The answer to who asks for the metrics with this header.
fn scrape(address: &str, authorization: &str) -> String {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config =
        config.dangerous().with_custom_certificate_verifier(Arc::new(Credulous)).with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: x\r\n{authorization}connection: close\r\n\r\n");
    ask(StreamOwned::new(client, connect(address)), &request)
}

fn operator(api: &Api, certificate: &Certificate, flags: &[&str]) -> Running {
    let local = [
        &*api.flag(),
        &certificate.flag(),
        "-webhook-bind-address=127.0.0.1:0",
        "-health-probe-bind-address=127.0.0.1:0",
        "-metrics-bind-address=127.0.0.1:0",
    ];
    Running::start(command("intel_deviceplugin_operator", &[&local, flags].concat()))
}

#[test]
fn metrics_are_for_those_whom_the_api_server_knows_and_allows_and_it_is_asked_once() {
    let (api, certificate) = (Api::start(), Certificate::new());
    let mut operator = operator(&api, &certificate, &["-devices=gpu", "--metrics-secure"]);
    let metrics = operator.address("metrics");
    for (authorization, expected) in [
        ("", "401"),
        ("authorization: Basic prometheus\r\n", "401"),
        ("authorization: Bearer \r\n", "401"),
        ("authorization: Bearer nobody\r\n", "401"),
        ("authorization: Bearer stranger\r\n", "403"),
        ("authorization: Bearer prometheus\r\n", "200"),
        ("authorization: bearer prometheus\r\n", "200"),
        ("authorization: Bearer stranger\r\n", "403"),
    ] {
        let answer = scrape(&metrics, authorization);
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{authorization}: {answer}");
        assert_eq!(answer.contains("webhook_requests_total"), expected == "200", "{authorization}: {answer}");
    }
    assert_eq!(api.requests("/apis/authentication.k8s.io/v1/tokenreviews"), 3);
    assert_eq!(api.requests("/apis/authorization.k8s.io/v1/subjectaccessreviews"), 2);
    assert!(!get(&metrics, "/metrics").starts_with("HTTP"), "not without TLS");
    assert_eq!(operator.terminate().code(), Some(0));
}

#[test]
fn objects_of_all_kinds_are_looked_at_and_pods_of_enabled_devices_changed() {
    let (api, certificate) = (Api::start(), Certificate::new());
    let review = |kind: Value, object: Value| {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {"uid": "1", "kind": kind, "operation": "CREATE", "object": object}})
    };
    let pod = review(
        json!({"group": "", "version": "v1", "kind": "Pod"}),
        json!({"spec": {"containers": [{"name": "main", "resources": {"limits": {"sgx.intel.com/epc": "1Mi"}}}]}}),
    );
    for (devices, changes_pods) in [("-devices=gpu", false), ("-devices=gpu,sgx", true)] {
        let mut operator = operator(&api, &certificate, &[devices]);
        let (requests, probes) = (operator.address("requests"), operator.address("probes"));
        let asked = |path: &str, review: &Value| {
            let answer = ask(secure(&requests, &certificate), &post(path, review));
            assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
            let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
            body["response"].clone()
        };
        for (kind, lower) in [("Qat", "qat"), ("Gpu", "gpu")] {
            let group = "deviceplugin.intel.com";
            let object = review(
                json!({"group": group, "version": "v1", "kind": format!("{kind}DevicePlugin")}),
                json!({"metadata": {"name": "x"}}),
            );
            let defaults = asked(&format!("/mutate-deviceplugin-intel-com-v1-{lower}deviceplugin"), &object);
            assert_eq!(defaults["patchType"], "JSONPatch", "{defaults}");
            let verdict = asked(&format!("/validate-deviceplugin-intel-com-v1-{lower}deviceplugin"), &object);
            assert_eq!(verdict["allowed"], false, "{verdict}");
        }
        let answer = asked("/mutate--v1-pod", &pod);
        assert_eq!(
            (&answer["allowed"], answer["patch"].is_string()),
            (&json!(true), changes_pods),
            "{answer}"
        );
        let answer = asked("/pods", &pod);
        assert_eq!((&answer["allowed"], answer["patch"].is_string()), (&json!(true), false), "{answer}");
        assert!(get(&probes, "/readyz").starts_with("HTTP/1.1 200"));
        assert_eq!(operator.terminate().code(), Some(0));
    }
    assert_eq!(api.lease(), None, "nobody has asked for an election");
}

#[test]
fn the_replica_that_leads_gives_its_lease_up_at_sigterm() {
    let (api, certificate) = (Api::start(), Certificate::new());
    let mut operator = operator(&api, &certificate, &["-devices=gpu", "--leader-elect"]);
    operator.says("this replica leads");
    let lease = api.lease().unwrap();
    assert_eq!(lease["metadata"]["name"], "d1c7b6d5.intel.com");
    assert!(lease["spec"]["holderIdentity"].as_str().unwrap().starts_with("pod-1_"), "{lease}");
    assert_eq!(operator.terminate().code(), Some(0));
    assert_eq!(api.lease().unwrap()["spec"].get("holderIdentity"), None);
}
