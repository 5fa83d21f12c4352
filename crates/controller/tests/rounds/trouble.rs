//! What is done when something is in the way.

use std::time::Duration;

use controller::Fence;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::fake::{DAEMONSETS, OBJECTS};
use crate::world::{World, daemonset_of};

#[tokio::test(start_paused = true)]
async fn a_spec_that_cannot_be_used_leaves_the_daemonset_as_it_is() {
    let mut world = World::with_object(json!({"logLevel": 1})).await;
    let before = world.daemonset("a");
    world.api.events();
    for spec in [json!({"logLevel": 10}), json!({"logLevel": "many"})] {
        world.edit("a", |old| *old = spec);
        world.settle().await;
        assert_eq!(world.daemonset("a"), before);
        assert_eq!(world.condition("a", "Degraded"), "True Rejected");
    }
    assert_eq!(world.api.events(), ["Warning Rejected a"]);
    assert_eq!(world.status("a")["controlledDaemonSet"]["uid"], before["metadata"]["uid"]);
    world.is_steady().await;

    world.edit("a", |spec| spec["logLevel"] = json!(2));
    world.settle().await;
    assert_eq!(world.condition("a", "Degraded"), "False AsExpected");
}

#[tokio::test(start_paused = true)]
async fn failures_are_reported_and_tried_again_ever_later() {
    let mut world = World::empty();
    world.object("a", json!({}));
    world.api.fail("apply daemonsets/intel-example-plugin-a", 500, "etcd is away", 6);
    world.start(Fence::open()).await;
    assert_eq!(world.condition("a", "Degraded"), "True ApplyFailed");
    assert!(world.message("a").contains("etcd is away"), "{}", world.message("a"));
    assert_eq!(world.api.events(), ["Warning ApplyFailed a"]);
    let writes = world.api.writes();
    assert!(writes.len() <= 8, "{writes:?}");

    world.pass(120).await;
    assert!(world.api.get(DAEMONSETS, &daemonset_of("a")).is_some());
    assert_eq!(world.condition("a", "Degraded"), "False AsExpected");
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_admin_corrects_is_tried_at_once() {
    let mut world = World::empty();
    world.object("a", json!({}));
    world.api.fail("apply daemonsets/intel-example-plugin-a", 422, "spec: Invalid value", 1000);
    world.start(Fence::open()).await;
    world.pass(550).await;
    world.api.heal();
    world.edit("a", |spec| spec["logLevel"] = json!(2));
    world.settle().await;
    assert_eq!(world.daemonset("a")["spec"]["template"]["spec"]["containers"][0]["args"], json!(["-v", "2"]));
    assert_eq!(world.condition("a", "Degraded"), "False AsExpected");
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_named() {
    let mut world = World::empty();
    world.object("a", json!({}));
    world.api.fail("apply daemonsets/intel-example-plugin-a", 403, "User \"x\" cannot patch", 1000);
    world.start(Fence::open()).await;
    assert!(world.message("a").contains("add it to the role"), "{}", world.message("a"));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_tried_again() {
    let mut world = World::empty();
    let object = world.object("a", json!({}));
    let mut daemonset: serde_json::Value =
        serde_json::from_str(include_str!("objects/made-by-go.json")).unwrap();
    daemonset["metadata"]["ownerReferences"][0]["uid"] = object["metadata"]["uid"].clone();
    world.api.create(DAEMONSETS, daemonset);
    world.api.fail("patch exampledeviceplugins/a/status", 409, "the object has been modified", 2);
    world.api.fail("patch daemonsets/intel-example-plugin-a", 409, "the object has been modified", 2);
    world.start(Fence::open()).await;
    assert_eq!(world.condition("a", "Degraded"), "False AsExpected");
    assert_eq!(world.api.events(), [""; 0]);
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_by_who_does_not_lead() {
    let (leads, fence) = watch::channel(None);
    let mut world = World::empty();
    world.object("a", json!({"image": "intel/intel-example-plugin:0.35.0"}));
    world.start(Fence::until(fence)).await;
    assert_eq!(world.api.writes(), [""; 0]);

    leads.send_replace(Some(Instant::now() + Duration::from_secs(30)));
    world.settle().await;
    assert_eq!(world.condition("a", "Available"), "True NoNodes");
    world.api.writes();

    world.pass(30).await;
    world.edit("a", |spec| spec["logLevel"] = json!(3));
    world.settle().await;
    assert_eq!(world.api.writes(), [""; 0]);

    leads.send_replace(Some(Instant::now() + Duration::from_secs(30)));
    world.settle().await;
    assert_eq!(world.daemonset("a")["spec"]["template"]["spec"]["containers"][0]["args"], json!(["-v", "3"]));
}

#[tokio::test(start_paused = true)]
async fn who_loses_the_lead_in_the_middle_of_a_round_writes_no_more() {
    let mut world = World::empty();
    world.object("a", json!({}));
    world.api.set_latency(Duration::from_secs(2));
    let (_leads, fence) = watch::channel(Some(Instant::now() + Duration::from_secs(1)));
    world.start(Fence::until(fence)).await;
    assert_eq!(world.api.writes(), ["apply daemonsets/intel-example-plugin-a"]);
}

#[tokio::test(start_paused = true)]
async fn two_who_disagree_do_not_write_for_ever() {
    let mut world = World::empty();
    world.api.set_webhook(|daemonset| {
        daemonset["spec"]["template"]["spec"]["containers"][0]["image"] =
            json!("mirror.example.com/intel-example-plugin:1");
    });
    world.object("a", json!({}));
    world.start(Fence::open()).await;
    assert_eq!(world.condition("a", "Degraded"), "True Altered");
    assert!(world.message("a").contains("containers[intel-example-plugin].image"), "{}", world.message("a"));
    world.api.writes();
    world.pass(3600).await;
    assert_eq!(world.api.writes(), [""; 0]);

    // What it does not change is still kept.
    world.edit("a", |spec| spec["logLevel"] = json!(5));
    world.settle().await;
    assert_eq!(world.daemonset("a")["spec"]["template"]["spec"]["containers"][0]["args"], json!(["-v", "5"]));
}

#[tokio::test(start_paused = true)]
async fn a_daemonset_of_somebody_else_is_not_touched() {
    let mut world = World::empty();
    let mut other: serde_json::Value = serde_json::from_str(include_str!("objects/made-by-go.json")).unwrap();
    other["metadata"]["ownerReferences"][0]["uid"] = json!("another");
    let other = world.api.create(DAEMONSETS, other);
    world.object("a", json!({}));
    world.start(Fence::open()).await;
    assert_eq!(world.daemonset("a"), other);
    assert_eq!(world.condition("a", "Degraded"), "True NameTaken");

    world.api.delete(DAEMONSETS, &daemonset_of("a"));
    world.settle().await;
    assert_eq!(world.condition("a", "Degraded"), "False AsExpected");
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn nor_is_one_that_no_watch_shows() {
    let mut world = World::empty();
    let other = json!({"metadata": {"name": daemonset_of("a"), "namespace": "devices"},
        "spec": {"selector": {"matchLabels": {"app": "other"}}, "template": {"spec": {"containers": []}}}});
    let other = world.api.create(DAEMONSETS, other);
    world.object("a", json!({}));
    world.start(Fence::open()).await;
    assert_eq!(world.daemonset("a"), other);
    assert_eq!(world.condition("a", "Degraded"), "True NameTaken");
    assert!(world.message("a").contains("another selector"), "{}", world.message("a"));
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn a_status_of_an_object_that_has_just_gone_is_no_failure() {
    let mut world = World::empty();
    world.object("a", json!({"image": "intel/intel-example-plugin:0.35.0"}));
    world.api.fail("patch exampledeviceplugins/a", 404, "not found", 1);
    world.api.fail("patch exampledeviceplugins/a/status", 404, "not found", 1);
    world.start(Fence::open()).await;
    assert!(world.api.writes().contains(&"patch exampledeviceplugins/a/status".to_owned()));
    assert!(!world.metrics.render().contains("result=\"error\""));
}

#[tokio::test(start_paused = true)]
async fn an_orphan_is_adopted() {
    let mut world = World::empty();
    let mut orphan: serde_json::Value =
        serde_json::from_str(include_str!("objects/made-by-go.json")).unwrap();
    orphan["metadata"]["ownerReferences"] = json!([]);
    let orphan = world.api.create(DAEMONSETS, orphan);
    let object = world.object("a", json!({}));
    world.start(Fence::open()).await;
    let adopted = world.daemonset("a");
    assert_eq!(adopted["metadata"]["uid"], orphan["metadata"]["uid"]);
    assert_eq!(adopted["metadata"]["ownerReferences"][0]["uid"], object["metadata"]["uid"]);
    assert_eq!(adopted["metadata"]["generation"], 1);
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemonset_in_the_namespace_of_before_is_reported_and_not_doubled() {
    let mut world = World::empty();
    let object = world.object("a", json!({}));
    let mut old: serde_json::Value = serde_json::from_str(include_str!("objects/made-by-go.json")).unwrap();
    old["metadata"]["namespace"] = json!("before");
    old["metadata"]["ownerReferences"][0]["uid"] = object["metadata"]["uid"].clone();
    let old = world.api.create(DAEMONSETS, old);
    world.api.edit("kubectl", OBJECTS, "a", |object| {
        let reference = json!({"kind": "DaemonSet", "namespace": "before", "name": daemonset_of("a"), "uid": old["metadata"]["uid"]});
        object["status"] = json!({"controlledDaemonSet": reference, "nodeNames": ["node-1"], "desiredNumberScheduled": 1, "numberReady": 1});
    });
    world.start(Fence::open()).await;
    assert_eq!(world.api.writes(), ["patch exampledeviceplugins/a/status", "create events"]);
    assert_eq!(world.condition("a", "Degraded"), "True LeftBehind");
    assert!(world.message("a").contains("kubectl -n before delete daemonset"), "{}", world.message("a"));
    assert_eq!(world.status("a")["nodeNames"], json!(["node-1"]));

    world.api.delete(DAEMONSETS, &daemonset_of("a"));
    world.pass(120).await;
    assert_eq!(world.daemonset("a")["metadata"]["namespace"], "devices");
    assert_eq!(world.condition("a", "Degraded"), "False AsExpected");
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn figures_tell_what_was_done() {
    let world = World::with_object(json!({})).await;
    let page = world.metrics.render();
    for line in [
        "operator_writes_total{what=\"daemonset\"} 1",
        "operator_writes_total{what=\"status\"} 1",
        "controller_runtime_reconcile_total{controller=\"exampledeviceplugin\",result=\"success\"}",
        "controller_runtime_reconcile_errors_total{controller=\"exampledeviceplugin\"} 0",
        "controller_runtime_reconcile_time_seconds_count{controller=\"exampledeviceplugin\"}",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
}
