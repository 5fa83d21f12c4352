//! Whom the sidecar trusts over HTTPS.

use std::fs;
use std::path::Path;

use gpu_xelink::exporter::Exporter;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};

use crate::fake::{Fake, Scene, https_exporter, link, metrics};

const GOOD: &str = "gpu.intel.com/xe-links=0.0-1.0\n";

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    // As cert-manager makes them in this deployment.
    params.distinguished_name = DistinguishedName::new();
    params
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "test authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// An exporter with a certificate that an authority signed.
async fn signed(issuer: &CertifiedIssuer<'_, KeyPair>, name: &str) -> Fake {
    let key = KeyPair::generate().unwrap();
    let certificate = params(name).signed_by(&key, issuer).unwrap();
    https_exporter(metrics(&link(0, 1)), &certificate, &key).await
}

fn trusting(port: u16, pem: &str, folder: &Path) -> Scene {
    let file = folder.join("tls.crt");
    fs::write(&file, pem).unwrap();
    Scene::new(port, &[&format!("-cert={}", file.display())])
}

async fn error_of(exporter: &Exporter) -> String {
    device_plugin::error_chain(&exporter.metrics().await.unwrap_err())
}

#[tokio::test]
async fn an_exporter_with_a_certificate_of_the_authority_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority();
    let mut fake = signed(&authority, "127.0.0.1").await;
    let mut scene = trusting(fake.port, &authority.pem(), folder.path());
    scene.sidecar.look().await;
    assert_eq!(scene.labels(), GOOD);
    assert!(fake.requests.recv().await.unwrap().starts_with("GET /metrics HTTP/1.1\r\n"));
}

/// The deployment has the exporter's own certificate as what to trust.
#[tokio::test]
async fn an_exporters_own_certificate_can_be_what_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params("127.0.0.1").self_signed(&key).unwrap();
    let fake = https_exporter(metrics(&link(0, 1)), &certificate, &key).await;
    let mut scene = trusting(fake.port, &certificate.pem(), folder.path());
    scene.sidecar.look().await;
    assert_eq!(scene.labels(), GOOD);
}

#[tokio::test]
async fn a_certificate_that_is_replaced_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (authority(), authority());
    let fake = signed(&new, "127.0.0.1").await;
    let mut scene = trusting(fake.port, &old.pem(), folder.path());
    scene.sidecar.look().await;
    assert_eq!(scene.labels(), "");
    // One that cannot be understood does not matter.
    let bundle = format!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{}", new.pem());
    fs::write(folder.path().join("tls.crt"), bundle).unwrap();
    scene.sidecar.look().await;
    assert_eq!(scene.labels(), GOOD);
}

#[tokio::test]
async fn others_are_not_trusted_and_not_asked() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = authority();
    for mut fake in [signed(&authority(), "127.0.0.1").await, signed(&trusted, "127.0.0.2").await] {
        let scene = trusting(fake.port, &trusted.pem(), folder.path());
        let error = error_of(&scene.sidecar.exporter).await;
        let expected = format!("cannot trust https://127.0.0.1:{}/metrics: ", fake.port);
        assert!(error.starts_with(&expected), "{error}");
        assert_eq!(fake.requests.recv().await.unwrap(), "", "nothing was sent");
    }
}

#[tokio::test]
async fn a_certificate_of_an_authority_is_no_servers() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = params("127.0.0.1");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let fake = https_exporter(metrics(&link(0, 1)), &certificate, &key).await;
    let scene = trusting(fake.port, &certificate.pem(), folder.path());
    let error = error_of(&scene.sidecar.exporter).await;
    assert!(error.contains("CaUsedAsEndEntity"), "{error}");
}

#[tokio::test]
async fn an_exporter_without_tls_is_not_asked() {
    let folder = tempfile::tempdir().unwrap();
    let fake = crate::fake::exporter([metrics(&link(0, 1))]).await;
    let mut scene = trusting(fake.port, &authority().pem(), folder.path());
    scene.sidecar.exporter.patience = std::time::Duration::from_millis(100);
    scene.sidecar.look().await;
    assert_eq!(scene.labels(), "");
}

#[tokio::test]
async fn files_without_a_certificate_are_errors_that_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("empty"), "").unwrap();
    fs::write(path("key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    fs::write(path("long"), "\n".repeat((1 << 20) + 1)).unwrap();
    for (name, reason) in [
        ("none", "No such file or directory"),
        ("empty", "the certificate authority cannot be used: it holds no certificate"),
        ("key", "the certificate authority cannot be used: it holds no certificate"),
        ("long", "it is longer than 1048576 bytes"),
        (".", "it is no plain file"),
    ] {
        let error = error_of(&Exporter::new(1, Some(path(name)))).await;
        let expected = format!("cannot use -cert {}: {reason}", path(name).display());
        assert!(error.starts_with(&expected), "{error}");
    }
}
