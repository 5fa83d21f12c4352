//! What the status says, and how often it is written.

use serde_json::json;

use crate::fake::{DAEMONSETS, PODS};
use crate::world::World;

const STATUS: &str = "patch exampledeviceplugins/a/status";

#[tokio::test(start_paused = true)]
async fn a_status_tells_where_the_plugin_runs() {
    let mut world = World::with_object(json!({})).await;
    world.pods_are("a", 3, 3, 1);
    for (pod, node, ready) in
        [("p1", "node-b", "True"), ("p2", "node-a", "False"), ("p3", "node-b", "False"), ("p4", "", "False")]
    {
        world.pod("a", node, pod, ready);
    }
    world.settle().await;
    let status = world.status("a");
    assert_eq!(status["nodeNames"], json!(["node-a", "node-b"]));
    assert_eq!((&status["desiredNumberScheduled"], &status["numberReady"]), (&json!(3), &json!(1)));
    assert_eq!(world.condition("a", "Available"), "False NotAllReady");
    assert_eq!(world.condition("a", "Progressing"), "False Complete");
    assert_eq!(world.condition("a", "Degraded"), "False AsExpected");
    world.is_steady().await;

    world.api.delete(PODS, "p2");
    world.pods_are("a", 1, 1, 1);
    world.settle().await;
    assert_eq!(world.status("a")["nodeNames"], json!(["node-b"]));
    assert_eq!(world.condition("a", "Available"), "True AllReady");
    world.is_steady().await;
}

#[tokio::test(start_paused = true)]
async fn one_change_is_one_write_and_many_at_once_are_few() {
    let world = World::with_object(json!({})).await;
    world.pods_are("a", 500, 0, 0);
    world.settle().await;
    world.api.writes();

    world.pods_are("a", 500, 1, 1);
    world.settle().await;
    assert_eq!(world.api.writes(), [STATUS]);

    // Nothing that a status tells.
    world.api.edit("kube-controller-manager", DAEMONSETS, "intel-example-plugin-a", |daemonset| {
        daemonset["status"]["numberMisscheduled"] = json!(1);
    });
    world.settle().await;
    assert_eq!(world.api.writes(), [""; 0]);

    for node in 0..500 {
        world.pod("a", &format!("node-{node:03}"), &format!("pod-{node}"), "True");
        world.pods_are("a", 500, node, node);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    world.pods_are("a", 500, 500, 500);
    world.settle().await;
    let writes = world.api.writes();
    assert!(writes.len() <= 6, "{}", writes.len());
    assert_eq!(world.status("a")["numberReady"], 500);
    assert_eq!(world.status("a")["nodeNames"].as_array().unwrap().len(), 500);
}

#[tokio::test(start_paused = true)]
async fn objects_on_the_same_nodes_say_so() {
    let mut world = World::with_object(json!({})).await;
    world.object("b", json!({}));
    world.settle().await;
    for node in ["node-1", "node-2", "node-3", "node-4", "node-5"] {
        world.pod("a", node, &format!("a-{node}"), "True");
    }
    world.pod("b", "node-0", "b-0", "True");
    world.settle().await;
    assert_eq!(world.condition("a", "Degraded"), "False AsExpected");
    world.api.events();

    for node in ["node-1", "node-2", "node-3", "node-4"] {
        world.pod("b", node, &format!("b-{node}"), "True");
    }
    world.settle().await;
    for (name, other) in [("a", "b"), ("b", "a")] {
        assert_eq!(world.condition(name, "Degraded"), "True Overlap");
        let expected = format!("ExampleDevicePlugin \"{other}\" on node-1, node-2, node-3 and 1 more");
        assert!(world.message(name).contains(&expected), "{}", world.message(name));
    }
    let mut events = world.api.events();
    events.sort();
    assert_eq!(events, ["Warning Overlap a", "Warning Overlap b"]);
    world.is_steady().await;
    // The status is written again, but what is known is not told again.
    world.pods_are("a", 5, 5, 4);
    world.settle().await;
    assert_eq!(world.api.events(), [""; 0]);

    world.api.delete(crate::fake::OBJECTS, "b");
    world.settle().await;
    world.api.delete(DAEMONSETS, "intel-example-plugin-b");
    world.settle().await;
    assert_eq!(world.condition("a", "Degraded"), "False AsExpected");
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_stands_still_is_reported_until_it_goes_on() {
    let mut world = World::with_object(json!({})).await;
    world.pod("a", "node-1", "p1", "False");
    world.pods_are("a", 3, 1, 2);
    world.settle().await;
    assert_eq!(world.condition("a", "Progressing"), "True RollingOut");
    world.api.events();

    world.pass(600).await;
    assert_eq!(world.condition("a", "Progressing"), "False RolloutStalled");
    assert_eq!(world.condition("a", "Degraded"), "True RolloutStalled");
    assert!(
        world.message("a").contains("at 1 of 3 nodes: pods are not ready on node-1"),
        "{}",
        world.message("a")
    );
    assert_eq!(world.api.events(), ["Warning RolloutStalled a"]);
    world.is_steady().await;

    world.pods_are("a", 3, 2, 2);
    world.settle().await;
    assert_eq!(world.condition("a", "Progressing"), "True RollingOut");
    assert_eq!(world.condition("a", "Degraded"), "False AsExpected");
}
