//! Certificates, and what happens around the webhooks: none of it may let a pod through unchanged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::sgx::{WEBHOOK, concerned};
use crate::world::{World, world};

impl World {
    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.cluster.kubectl(&[args, &["-o", "json"]].concat())).unwrap()
    }

    /// The authorities that the API server takes certificates of.
    fn bundle(&self) -> String {
        let configuration = self.json(&["get", &WEBHOOK.configuration()]);
        configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap_or_default().to_owned()
    }

    fn wait_for_bundle(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let bundle = || Some(self.bundle()).filter(|bundle| !bundle.is_empty() && is_it(bundle));
        self.kubernetes.wait_for(what, || self.state(), bundle)
    }
}

#[test]
fn no_pod_passes_unchanged_while_certificates_and_replicas_change() {
    let Some(world) = world() else { return };
    world.install(WEBHOOK, &concerned());
    let (namespace, deployment) = (["-n", WEBHOOK.namespace], WEBHOOK.deployment());
    let kubectl = |args: &[&str]| world.cluster.kubectl(&[&namespace[..], args].concat());

    // Short lives: several authorities follow each other in the time of the test.
    let lifetimes = ["-ca-lifetime=60s", "-certificate-lifetime=20s"];
    let patch: Vec<Value> = lifetimes
        .iter()
        .map(|flag| json!({"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": flag}))
        .collect();
    let count = world.under_load(&concerned(), || {
        kubectl(&["patch", &deployment, "--type=json", "-p", &json!(patch).to_string()]);
        world.wait_for_rollout(WEBHOOK);
    });
    assert!(count > 0);
    // What was made for a year goes, so that the short-lived follow: once nobody is there who would make one for a year again.
    let replicas =
        || world.json(&[&["get", "pods"], &namespace[..]].concat())["items"].as_array().map(Vec::len);
    world.kubernetes.wait_for(
        "the end of the first two",
        || world.state(),
        || (replicas()? == 2).then_some(()),
    );
    let before = world.bundle();
    kubectl(&["delete", "secret", "webhook-certificates"]);
    let first = world.wait_for_bundle("a short-lived authority", |bundle| bundle != before);
    world.under_load(&concerned(), || {
        let second = world.wait_for_bundle("the next authority", |bundle| bundle != first);
        world.wait_for_bundle("the one after", |bundle| bundle != first && bundle != second);
        kubectl(&["rollout", "restart", &deployment]);
        world.wait_for_rollout(WEBHOOK);
        // Rotated at once, as an administrator does who fears for the key.
        let before = world.bundle();
        kubectl(&["delete", "secret", "webhook-certificates"]);
        world.wait_for_bundle("a new authority", |bundle| bundle != before);
    });

    // Installed again: nothing that was put in is lost for longer than it takes to put it in again.
    let folder = format!("deployments/{}", WEBHOOK.folder);
    world.cluster.kubectl(&["apply", "-k", &folder]);
    world.wait_for_rollout(WEBHOOK);
    world.wait_until_changed(&concerned());
    world.cluster.kubectl(&["delete", &WEBHOOK.configuration()]);
    world.cluster.kubectl(&["apply", "-k", &folder]);
    world.wait_for_bundle("the authority in a new configuration", |_| true);
    world.wait_until_changed(&concerned());
    world.remove(WEBHOOK);
}

#[test]
fn an_api_server_that_restarts_is_answered_as_before() {
    let Some(world) = world() else { return };
    world.install(WEBHOOK, &concerned());
    world.cluster.stop("kube-apiserver");
    world.cluster.start_again("kube-apiserver");
    let ready = || world.cluster.try_kubectl(&["get", "--raw=/readyz"]).ok();
    world.kubernetes.wait_for("the API server", || world.state(), ready);
    // From the first pod on.
    world.under_load(&concerned(), || {
        let before = world.bundle();
        world.cluster.kubectl(&["-n", WEBHOOK.namespace, "delete", "secret", "webhook-certificates"]);
        world.wait_for_bundle("a new authority", |bundle| bundle != before);
    });
    world.remove(WEBHOOK);
}

/// A server's certificate for the SGX webhook's Service, and the authority that signed it.
struct Pair {
    authority: String,
    certificate: String,
    key: String,
}

fn pair(year: i32) -> Pair {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, format!("authority {year}"));
    let signer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let service = format!("{}webhook-service.{}.svc", WEBHOOK.prefix, WEBHOOK.namespace);
    let mut params = CertificateParams::new([service]).unwrap();
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &signer).unwrap().pem();
    Pair { authority: signer.pem(), certificate, key: key.serialize_pem() }
}

/// The kustomization for cert-manager, whose part this test takes: it makes the Secret and puts in the authority.
#[test]
fn mounted_certificates_are_followed() {
    let Some(world) = world() else { return };
    let with_cert_manager = "deployments/sgx_admissionwebhook/overlays/default-with-certmanager";
    let rendered = world.cluster.kubectl(&["kustomize", with_cert_manager]);
    let others = rendered.split("\n---\n").filter(|object| !object.contains("apiVersion: cert-manager.io"));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("all.yaml"), others.collect::<Vec<_>>().join("\n---\n")).unwrap();
    let secret = |pair: &Pair| {
        std::fs::write(path("tls.crt"), &pair.certificate).unwrap();
        std::fs::write(path("tls.key"), &pair.key).unwrap();
        let (certificate, key) =
            (format!("--cert={}", path("tls.crt")), format!("--key={}", path("tls.key")));
        let make = ["create", "secret", "tls", "webhook-server-cert", "-n", WEBHOOK.namespace];
        let yaml = world
            .cluster
            .kubectl(&[&make[..], &[&certificate, &key, "--dry-run=client", "-o", "yaml"]].concat());
        std::fs::write(path("secret.yaml"), yaml).unwrap();
        world.cluster.kubectl(&["apply", "-f", &path("secret.yaml")]);
    };
    let trust = |authorities: &[&Pair]| {
        let bundle: String = authorities.iter().map(|pair| pair.authority.as_str()).collect();
        let bundle = json!(STANDARD.encode(bundle));
        let change = json!([{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}]);
        world.cluster.kubectl(&["patch", &WEBHOOK.configuration(), "--type=json", "-p", &change.to_string()]);
    };

    let (first, second) = (pair(2101), pair(2102));
    world.cluster.kubectl(&["apply", "-f", &path("all.yaml")]);
    secret(&first);
    trust(&[&first]);
    world.wait_for_rollout(WEBHOOK);
    world.wait_until_changed(&concerned());

    // Pods do not wait for the kubelet to bring the new one.
    trust(&[&first, &second]);
    let shown = |year: i64| {
        let pods = world.json(&["get", "pods", "-n", WEBHOOK.namespace]);
        let names =
            pods["items"].as_array().unwrap().iter().map(|pod| pod["metadata"]["name"].as_str().unwrap());
        let expiry = format!("webhook_certificate_expiry_timestamp_seconds {year}");
        names.map(str::to_owned).all(|name| {
            let page = format!("/api/v1/namespaces/{}/pods/{name}:8080/proxy/metrics", WEBHOOK.namespace);
            world.cluster.try_kubectl(&["get", "--raw", &page]).is_ok_and(|page| page.contains(&expiry))
        })
    };
    let (year_2101, year_2102) = (4_133_980_800, 4_165_516_800);
    world.kubernetes.wait_for("the first certificate", || world.state(), || shown(year_2101).then_some(()));
    world.under_load(&concerned(), || {
        secret(&second);
        world.kubernetes.wait_for(
            "the second certificate",
            || world.state(),
            || shown(year_2102).then_some(()),
        );
        trust(&[&second]);
    });
    world.under_load(&concerned(), || trust(&[&second]));
    world.cluster.kubectl(&["delete", "-f", &path("all.yaml"), "--timeout=100s"]);
}
