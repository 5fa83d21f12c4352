//! Secrets whose content is not as it should be.

use std::time::Duration;

use k8s_openapi::ByteString;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::fake::SECRETS;
use crate::logs::Logs;
use crate::replica::{SECRET, authorities, world};

/// What becomes of the good authority that was in the Secret before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It goes on to sign.
    Signs,
    /// It stays trusted.
    Trusted,
    /// Nobody who starts now can know it.
    Unknown,
}

/// Each Secret with what becomes of the authority whose certificate and key are given.
fn cases(certificate: &str, key: &str) -> Vec<(&'static str, Value, Fate)> {
    let other = KeyPair::generate().unwrap();
    let half = |text: &str| text[..text.len() / 2].to_owned();
    let (leaf, leaf_key) = authority(IsCa::NoCa, 2026, 2030);
    let (expired, expired_key) = authority(IsCa::Ca(BasicConstraints::Unconstrained), 2020, 2021);
    let (early, early_key) = authority(IsCa::Ca(BasicConstraints::Unconstrained), 2040, 2041);
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    vec![
        ("nothing", json!({}), Fate::Unknown),
        ("empty entries", data("", ""), Fate::Unknown),
        ("no PEM", data("what?", "what?"), Fate::Unknown),
        ("bytes", json!({"ca.crt": "/////w==", "ca.key": "AAAA"}), Fate::Unknown),
        ("a certificate cut in half", data(&half(certificate), key), Fate::Unknown),
        ("a key cut in half", data(certificate, &half(key)), Fate::Trusted),
        ("no key", data(certificate, ""), Fate::Trusted),
        ("no entry for the key", json!({"ca.crt": data(certificate, "")["ca.crt"]}), Fate::Trusted),
        ("the key of another", data(certificate, &other.serialize_pem()), Fate::Trusted),
        ("certificate and key swapped", data(key, certificate), Fate::Unknown),
        ("a certificate that is no authority", data(&leaf, &leaf_key), Fate::Unknown),
        ("an expired authority", data(&expired, &expired_key), Fate::Unknown),
        ("an authority of the future", data(&early, &early_key), Fate::Unknown),
        ("an expired authority beside it", data(&(expired + certificate), &(expired_key + key)), Fate::Signs),
        ("too much", data(&(certificate.to_owned() + &"\n".repeat(70_000)), key), Fate::Unknown),
        ("garbage before it", data(&(garbage.to_owned() + certificate), key), Fate::Signs),
        ("a cut block before it", data(&(half(certificate) + "\n" + certificate), key), Fate::Signs),
        ("text around it", data(&format!("mine:\n{certificate}\nthat is all\n"), key), Fate::Signs),
        (
            "other line ends",
            data(&certificate.replace('\n', "\r\n"), &key.replace('\n', "\r\n")),
            Fate::Signs,
        ),
        ("twice the same", data(&certificate.repeat(2), &key.repeat(2)), Fate::Signs),
        ("keys too many", data(certificate, &(other.serialize_pem() + key)), Fate::Signs),
    ]
}

fn authority(is_ca: IsCa, from: i32, to: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    params.is_ca = is_ca;
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn data(certificates: &str, keys: &str) -> Value {
    let encode = |text: &str| ByteString(text.as_bytes().to_vec());
    json!({"ca.crt": encode(certificates), "ca.key": encode(keys)})
}

fn text(secret: &Value, entry: &str) -> String {
    let ByteString(text) = serde_json::from_value(secret["data"][entry].clone()).unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_starts_replaces_what_is_broken_and_keeps_what_is_good() {
    let world = world();
    world.replica("a").ready().await;
    let (good, bundle) = (world.api.get(SECRETS, SECRET).unwrap(), world.bundle());
    for (name, data, fate) in cases(&text(&good, "ca.crt"), &text(&good, "ca.key")) {
        world.api.put(SECRETS, SECRET, json!({"data": data}));
        let mut replica = world.replica("b");
        replica.ready().await;
        world.trusts(&world.bundle(), &replica).unwrap_or_else(|error| panic!("{name}: {error}"));
        let kept = authorities(&world.bundle()).contains(&authorities(&bundle)[0]);
        assert_eq!(kept, fate != Fate::Unknown, "{name}");
        assert_eq!(world.trusts(&bundle, &replica).is_ok(), fate == Fate::Signs, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_runs_replaces_what_breaks_and_loses_no_authority_that_it_knows() {
    let world = world();
    world.replica("a").ready().await;
    let (good, bundle) = (world.api.get(SECRETS, SECRET).unwrap(), world.bundle());
    for (name, data, _) in cases(&text(&good, "ca.crt"), &text(&good, "ca.key")) {
        world.api.put(SECRETS, SECRET, good.clone());
        let mut replica = world.replica("b");
        replica.ready().await;
        world.settle().await;
        let logs = Logs::start();
        world.api.put(SECRETS, SECRET, json!({"data": data}));
        world.settle().await;
        assert!(authorities(&world.bundle()).contains(&authorities(&bundle)[0]), "{name}");
        let said =
            logs.count(tracing::Level::WARN, "is replaced") + logs.count(tracing::Level::WARN, "has lost");
        let silent = ["twice the same", "other line ends", "an expired authority beside it"].contains(&name);
        assert_eq!(said == 0, silent, "{name}");
        tokio::time::sleep(Duration::from_hours(1)).await;
        world.trusts(&world.bundle(), &replica).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_in_order_is_written_once() {
    let world = world();
    let mut replica = world.replica("a");
    replica.ready().await;
    let writes = world.api.writes();
    tokio::time::sleep(Duration::from_hours(24)).await;
    assert_eq!(world.api.writes(), writes);
}
