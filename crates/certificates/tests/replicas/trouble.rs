//! An API server that is away, or does not allow what is asked.

use std::time::Duration;

use certificates::{Configuration, Lifetimes, Options, OptionsError, manage};
use serde_json::json;
use tokio::time::Instant;

use crate::fake::{Line, MUTATING, SECRETS, VALIDATING};
use crate::logs::Logs;
use crate::replica::{SECRET, WEBHOOKS, configuration, trusts, world};

const MUTATING_RESOURCE: &str = "mutatingwebhookconfigurations.admissionregistration.k8s.io";

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_named_and_nothing_more_is_needed_once_it_is_there() {
    let cases = [
        ("get secrets", format!("get secrets {SECRET:?}")),
        ("create secrets", format!("create secrets {SECRET:?}")),
        ("update secrets", format!("update secrets {SECRET:?}")),
        ("get mutatingwebhookconfigurations", format!("get {MUTATING_RESOURCE} {WEBHOOKS:?}")),
        ("patch mutatingwebhookconfigurations", format!("patch {MUTATING_RESOURCE} {WEBHOOKS:?}")),
    ];
    for (denied, named) in cases {
        let world = world();
        world.api.deny(&[denied]);
        if denied.starts_with("update") {
            world.api.put(SECRETS, SECRET, json!({"data": {"ca.crt": "AAAA", "ca.key": "AAAA"}}));
        }
        let mut replica = world.replica("a");
        let missing = replica.misses("not allowed").await;
        assert!(missing.contains(&format!("not allowed to {named}: add it to the role")), "{missing}");
        world.api.deny(&[]);
        replica.ready().await;
        world.trusts(&world.bundle(), &replica).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_forbidden_for_one_configuration_keeps_the_bundle_from_no_other() {
    let world = world();
    world.api.deny(&["get mutatingwebhookconfigurations"]);
    let mut replica = world.replica("a");
    replica.misses("not allowed").await;
    let bundle = crate::fake::bundle(&world.api.get(VALIDATING, WEBHOOKS).unwrap());
    world.trusts(&bundle, &replica).unwrap();
}

#[tokio::test(start_paused = true)]
async fn watches_that_are_not_allowed_are_said_once_and_changes_are_seen_all_the_same() {
    let logs = Logs::start();
    let world = world();
    world.api.deny(&["list mutatingwebhookconfigurations", "watch secrets"]);
    let mut replica = world.replica("a");
    replica.ready().await;
    let bundle = world.bundle();
    tokio::time::sleep(Duration::from_mins(30)).await;
    world.apply();
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!(world.bundle(), bundle);
    for what in [&format!("list {MUTATING_RESOURCE}"), "watch secrets"] {
        assert_eq!(logs.count(tracing::Level::WARN, &format!("not allowed to {what}")), 1, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_problem_that_lasts_is_logged_once() {
    let logs = Logs::start();
    let world = world();
    world.api.delete(VALIDATING, WEBHOOKS);
    let mut replica = world.replica("a");
    replica.misses("there is no").await;
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert_eq!(logs.count(tracing::Level::WARN, "there is no"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_without_the_api_server_waits_for_it() {
    for (line, said) in
        [(Line::Cut, "cannot get secrets"), (Line::Silent, "no answer of the API server for 30 s")]
    {
        let world = world();
        world.api.set_line("a", line);
        let mut replica = world.replica("a");
        replica.misses(said).await;
        assert!(replica.certificate.borrow().is_none());
        world.api.set_line("a", Line::Open);
        replica.ready().await;
        world.trusts(&world.bundle(), &replica).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_api_server_certificates_are_renewed_from_memory() {
    for line in [Line::Cut, Line::Silent] {
        let world = world();
        let lifetimes = Lifetimes::new(Duration::from_hours(10), Duration::from_mins(30)).unwrap();
        let mut replica = world.replica_with("a", lifetimes, 0);
        replica.ready().await;
        let (bundle, first) = (world.bundle(), replica.leaf());
        world.api.set_line("a", line);
        world.apply();
        tokio::time::sleep(Duration::from_hours(5)).await;
        assert!(
            trusts(&bundle, &first, world.time(Instant::now()), "webhook.system.svc").is_err(),
            "it has ended"
        );
        world.trusts(&bundle, &replica).unwrap();
        assert!(replica.missing.borrow().is_none(), "it still serves");
        world.api.set_line("a", Line::Open);
        tokio::time::sleep(Duration::from_mins(15)).await;
        world.trusts(&world.bundle(), &replica).unwrap();
        // What happened meanwhile is made good, and the watches are back.
        assert_eq!(world.bundle(), bundle);
        world.apply();
        world.settle().await;
        assert_eq!(world.bundle(), bundle);
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_has_ended_is_not_ready() {
    let world = world();
    let lifetimes = Lifetimes::new(Duration::from_hours(1), Duration::from_mins(10)).unwrap();
    let mut replica = world.replica_with("a", lifetimes, 0);
    replica.ready().await;
    world.api.set_line("a", Line::Cut);
    replica.misses("the certificate has ended").await;
    world.api.set_line("a", Line::Open);
    replica.ready().await;
    world.trusts(&world.bundle(), &replica).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_another_injector_fills_is_left_to_it() {
    for annotation in ["cert-manager.io/inject-ca-from", "service.beta.openshift.io/inject-cabundle"] {
        let world = world();
        let mut theirs = configuration();
        theirs["metadata"]["annotations"] = json!({annotation: "true"});
        world.api.put(MUTATING, WEBHOOKS, theirs);
        let mut replica = world.replica("a");
        let missing = replica.misses("annotated").await;
        assert!(missing.contains(annotation), "{missing}");
        assert_eq!(world.bundle(), "");
    }
}

#[tokio::test(start_paused = true)]
async fn a_configuration_without_webhooks_of_the_service_is_said() {
    for webhooks in
        [json!(null), json!([]), json!("?"), json!([{"name": "x", "clientConfig": {"url": "https://x"}}])]
    {
        let world = world();
        world.api.put(MUTATING, WEBHOOKS, json!({"webhooks": webhooks}));
        let mut replica = world.replica("a");
        replica.misses("has no webhook that is served by the Service webhook of namespace system").await;
    }
}

#[tokio::test]
async fn names_that_are_none_and_lifetimes_out_of_bounds_are_refused() {
    let world = world();
    let options = |namespace: &str, service: &str, secret: &str, configuration: &str| Options {
        client: world.api.client("a"),
        namespace: namespace.to_owned(),
        service: service.to_owned(),
        secret: secret.to_owned(),
        configurations: vec![Configuration::Mutating(configuration.to_owned())],
        lifetimes: Lifetimes::default(),
        clock: std::sync::Arc::new(std::time::SystemTime::now),
    };
    assert!(manage(options("system", "webhook", "a.b", "c.d")).is_ok());
    for (namespace, service, secret, configuration) in [
        ("", "webhook", "a", "c"),
        ("a/b", "webhook", "a", "c"),
        ("system", "a.b", "a", "c"),
        ("system", "webhook", "../configmaps/a", "c"),
        ("system", "webhook", "a", "C"),
        ("system", "webhook", "a", "c..d"),
    ] {
        let refused = manage(options(namespace, service, secret, configuration)).err();
        assert!(matches!(refused, Some(OptionsError::Name { .. })), "{refused:?}");
    }
    let seconds = Duration::from_secs;
    assert!(Lifetimes::new(seconds(30), seconds(30)).is_ok());
    for (authority, certificate) in [(29, 29), (30, 9), (30, 31), (u64::MAX, 30)] {
        assert!(Lifetimes::new(seconds(authority), seconds(certificate)).is_err());
    }
}
