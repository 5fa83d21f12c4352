//! Which certificate is shown.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use webhook::{Certificate, Mounted};

use super::warnings::Warnings;
use super::world::{Http, Pair, World, assert_labelled, client, connect, post, review};

#[tokio::test]
async fn without_a_certificate_handshakes_fail_and_with_one_they_work() {
    let world = World::start(false).await;
    world.certificate.send_replace(None);
    connect(world.address, client(&world.pair, &["http/1.1"])).await.unwrap_err();
    let other = Pair::new();
    world.certificate.send_replace(Some(other.certified()));
    connect(world.address, client(&world.pair, &["http/1.1"])).await.unwrap_err();
    connect(world.address, client(&other, &["http/1.1"])).await.unwrap();
    let page = world.page();
    // 4096-01-01, which is what the library for tests makes.
    assert!(page.contains("webhook_certificate_expiry_timestamp_seconds 67090118400"), "{page}");
    world.stop().await;
}

#[tokio::test]
async fn a_new_certificate_under_load_fails_no_request_and_is_shown_to_those_who_come() {
    let world = World::start(false).await;
    let (new, done, sent) = (Pair::new(), Cell::new(false), Cell::new(0));
    let load = async {
        let mut clients = Vec::new();
        for _ in 0..8 {
            clients.push(world.http().await);
        }
        while !done.get() {
            for http in &mut clients {
                assert_labelled(&http.send(post(review("a"))).await);
                sent.set(sent.get() + 1);
            }
        }
    };
    let swap = async {
        while sent.get() < 20 {
            tokio::task::yield_now().await;
        }
        world.certificate.send_replace(Some(new.certified()));
        let before = sent.get();
        let stream = connect(world.address, client(&new, &["http/1.1"])).await.unwrap();
        assert_labelled(&Http::over(stream).await.send(post(review("a"))).await);
        while sent.get() < before + 20 {
            tokio::task::yield_now().await;
        }
        done.set(true);
    };
    tokio::join!(load, swap);
    assert!(world.page().contains("webhook_certificate_changes_total 1\n"), "{}", world.page());
    world.stop().await;
}

/// What the kubelet makes of a Secret: files in a folder of a version, and links to them that go through `..data`.
struct Secret(TempDir);

impl Secret {
    fn new(certificate: &Pair, key: &Pair) -> Self {
        let secret = Self(tempfile::tempdir().unwrap());
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), secret.path().join(name)).unwrap();
        }
        secret.update("first", certificate.certificate.pem(), key.key.serialize_pem());
        secret
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts both files in place at once.
    fn update(&self, version: &str, certificate: String, key: String) {
        let folder = self.path().join(version);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("tls.crt"), certificate).unwrap();
        fs::write(folder.join("tls.key"), key).unwrap();
        let new = self.path().join("..data_tmp");
        symlink(version, &new).unwrap();
        fs::rename(new, self.path().join("..data")).unwrap();
    }
}

fn shown(certificate: &Certificate) -> CertificateDer<'static> {
    certificate.borrow().as_ref().unwrap().cert[0].clone()
}

/// Long enough for several looks, on the paused clock.
async fn a_minute() {
    tokio::time::sleep(Duration::from_mins(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_mounted_certificate_is_followed_when_its_secret_changes() {
    let (first, second, third) = (Pair::new(), Pair::new(), Pair::new());
    let secret = Secret::new(&first, &first);
    let (certificate, mounted) = Mounted::load(secret.path()).unwrap();
    assert_eq!(shown(&certificate), first.der());
    let following = tokio::spawn(mounted.follow());
    a_minute().await;
    assert!(!certificate.has_changed().unwrap(), "the same again is no change");

    secret.update("second", second.certificate.pem(), second.key.serialize_pem());
    a_minute().await;
    assert_eq!(shown(&certificate), second.der());

    // A new certificate, and still the old key.
    secret.update("half", third.certificate.pem(), second.key.serialize_pem());
    a_minute().await;
    assert_eq!(shown(&certificate), second.der());
    fs::write(secret.path().join("half/tls.key"), third.key.serialize_pem()).unwrap();
    a_minute().await;
    assert_eq!(shown(&certificate), third.der());

    secret.update("bad", "no PEM".to_owned(), String::new());
    a_minute().await;
    fs::remove_file(secret.path().join("..data")).unwrap();
    a_minute().await;
    assert_eq!(shown(&certificate), third.der(), "the last good one stays");
    drop(certificate);
    following.await.unwrap();
}

#[test]
fn what_is_wrong_with_a_mounted_certificate_is_said_with_its_path() {
    let (one, other) = (Pair::new(), Pair::new());
    let (good, key) = (one.certificate.pem(), one.key.serialize_pem());
    let cases = [
        ("no PEM", "nonsense".to_owned(), key.clone(), "tls.crt is not the PEM of a certificate"),
        ("no key", good.clone(), good.clone(), "tls.key is not the PEM of a private key"),
        (
            "a cut certificate",
            good.replace("MII", "AAA"),
            key.clone(),
            "tls.crt has no certificate that can be used",
        ),
        ("another key", good.clone(), other.key.serialize_pem(), "tls.key is not that of the certificate in"),
        ("too much", "a".repeat(2 << 20), key, "tls.crt is not a file of at most 1048576 bytes"),
    ];
    let secret = Secret::new(&one, &one);
    for (case, certificate, key, message) in cases {
        secret.update(case, certificate, key);
        let error = Mounted::load(secret.path()).err().unwrap().to_string();
        assert!(error.contains(message), "{case}: {error}");
        assert!(error.contains(secret.path().to_str().unwrap()), "{case}: {error}");
    }
    fs::remove_file(secret.path().join("..data")).unwrap();
    let error = Mounted::load(secret.path()).err().unwrap().to_string();
    assert!(error.contains("cannot read") && error.contains("tls.crt: No such file"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_is_no_good_is_warned_of_once_and_an_expired_one_is_shown() {
    let warnings = Warnings::default();
    let _logging = tracing::subscriber::set_default(warnings.clone());
    let (one, other) = (Pair::new(), Pair::new());
    let secret = Secret::new(&one, &one);
    let (certificate, mounted) = Mounted::load(secret.path()).unwrap();
    tokio::spawn(mounted.follow());
    a_minute().await;
    assert!(warnings.take().is_empty());

    for version in ["bad", "just as bad"] {
        secret.update(version, other.certificate.pem() + version, one.key.serialize_pem());
        a_minute().await;
        let warned = warnings.take();
        assert!(warned.len() == 1 && warned[0].contains("tls.key is not that of"), "{version}: {warned:?}");
        a_minute().await;
        assert!(warnings.take().is_empty(), "{version}");
    }

    let expired = Pair::that_expired();
    secret.update("expired", expired.certificate.pem(), expired.key.serialize_pem());
    a_minute().await;
    assert_eq!(shown(&certificate), expired.der());
    let warned = warnings.take();
    assert!(warned.len() == 1 && warned[0].contains("tls.crt has expired"), "{warned:?}");
}
