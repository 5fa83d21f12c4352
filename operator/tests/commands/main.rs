//! The binary as users run it.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

mod api;
mod operator;
mod running;

use std::fs;

use serde_json::{Value, json};
use simulator::golden;

use running::{Certificate, Running, ask, command, get, run, secure};

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

#[test]
fn a_webhook_with_a_mounted_certificate_needs_no_api_server() {
    let certificate = Certificate::new();
    let flags = [
        &*certificate.flag(),
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
    let answer = ask(secure(&requests, &certificate), &running::post("/mutate--v1-pod", &review));
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
