//! How replicas start.

use serde_json::json;
use tokio::time::Instant;

use crate::fake::{MUTATING, SECRETS, VALIDATING};
use crate::replica::{SECRET, WEBHOOKS, authorities, configuration, trusts, world};

#[tokio::test(start_paused = true)]
async fn a_replica_makes_an_authority_and_is_ready_when_the_configurations_trust_it() {
    let world = world();
    let mut replica = world.replica("a");
    assert!(replica.missing.borrow().is_some());
    replica.ready().await;
    for name in ["webhook.system.svc", "webhook.system.svc.cluster.local", "webhook.system"] {
        trusts(&world.bundle(), &replica.leaf(), world.time(Instant::now()), name).unwrap();
    }
    let other = trusts(&world.bundle(), &replica.leaf(), world.time(Instant::now()), "webhook.elsewhere.svc");
    assert!(other.unwrap_err().contains("not valid for name"));
}

#[tokio::test(start_paused = true)]
async fn all_webhooks_of_the_service_get_the_bundle_and_nothing_else_is_touched() {
    let world = world();
    world.replica("a").ready().await;
    for collection in [MUTATING, VALIDATING] {
        let mut found = world.api.get(collection, WEBHOOKS).unwrap();
        let bundle = found["webhooks"][0]["clientConfig"]["caBundle"].clone();
        assert!(bundle.is_string());
        let mut expected = configuration();
        expected["webhooks"][0]["clientConfig"]["caBundle"] = bundle.clone();
        expected["webhooks"][2]["clientConfig"]["caBundle"] = bundle;
        expected["metadata"]["name"] = json!(WEBHOOKS);
        found["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        assert_eq!(found, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_changes_while_it_is_looked_at_is_looked_at_again() {
    let world = world();
    let mut other_order = configuration();
    other_order["webhooks"].as_array_mut().unwrap().rotate_left(1);
    world.api.meddle(WEBHOOKS, other_order);
    let mut replica = world.replica("a");
    replica.ready().await;
    assert!(world.api.conflicts() > 0, "nobody meddled");
    let found = world.api.get(MUTATING, WEBHOOKS).unwrap();
    let filled: Vec<_> =
        (0..3).map(|place| found["webhooks"][place]["clientConfig"]["caBundle"].is_string()).collect();
    assert_eq!(filled, [false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn two_replicas_that_start_at_once_share_one_authority() {
    let world = world();
    let (mut a, mut b) = (world.replica("a"), world.replica("b"));
    a.ready().await;
    b.ready().await;
    assert!(world.api.conflicts() > 0, "they never met");
    assert_eq!(authorities(&world.bundle()).len(), 1);
    world.trusts(&world.bundle(), &a).unwrap();
    world.trusts(&world.bundle(), &b).unwrap();
    assert_ne!(a.leaf(), b.leaf());
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_starts_again_takes_the_authority_that_is_there() {
    let world = world();
    world.replica("a").ready().await;
    let (bundle, writes) = (world.bundle(), world.api.writes());
    let mut again = world.replica("a");
    again.ready().await;
    world.trusts(&bundle, &again).unwrap();
    assert_eq!(world.api.writes(), writes);
}

#[tokio::test(start_paused = true)]
async fn a_replica_needs_no_more_than_the_documented_permissions_and_watches_no_keys() {
    let world = world();
    world.replica("a").ready().await;
    world.settle().await;
    world.api.delete(SECRETS, SECRET);
    world.settle().await;
    assert_eq!(world.api.excesses(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_empty_secret_that_was_put_there_is_filled() {
    let world = world();
    world.api.put(
        SECRETS,
        SECRET,
        json!({"metadata": {"labels": {"app": "webhook"}}, "data": {"more": "YQ=="}}),
    );
    let mut replica = world.replica("a");
    replica.ready().await;
    world.trusts(&world.bundle(), &replica).unwrap();
    let secret = world.api.get(SECRETS, SECRET).unwrap();
    assert_eq!(secret["metadata"]["labels"], json!({"app": "webhook"}));
    assert_eq!(secret["data"]["more"], json!("YQ=="));
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_is_applied_later_is_waited_for() {
    let world = world();
    world.api.delete(VALIDATING, WEBHOOKS);
    let mut replica = world.replica("a");
    let missing = replica.misses("there is no").await;
    assert_eq!(
        missing,
        "there is no validatingwebhookconfigurations.admissionregistration.k8s.io \"webhooks\" yet"
    );
    world.settle().await;
    world.apply();
    replica.ready().await;
}
