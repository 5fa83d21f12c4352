//! What nodes offer, in statuses and in the metrics.

use serde_json::{Value, json};

use crate::fake::NODES;
use crate::world::World;

pub(crate) const RED: &str = "example.intel.com/red";

impl World {
    pub(crate) fn node(&self, name: &str, capacity: &str, allocatable: &str) {
        let status =
            json!({"capacity": {"cpu": "8", RED: capacity}, "allocatable": {"cpu": "8", RED: allocatable}});
        self.api.create(NODES, json!({"metadata": {"name": name}, "status": status}));
    }

    pub(crate) fn set_healthy(&self, node: &str, allocatable: &str) {
        self.api.edit("kubelet", NODES, node, |node| node["status"]["allocatable"][RED] = json!(allocatable));
    }

    pub(crate) fn offers(&self) -> Value {
        self.status("a")["resources"].clone()
    }

    /// The samples about devices on the page of metrics.
    fn shown(&self) -> Vec<String> {
        let page = self.metrics.render();
        page.lines().filter(|line| line.starts_with("operator_device")).map(str::to_owned).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_sums_what_its_nodes_offer_and_the_metrics_what_all_do() {
    let mut world = World::empty();
    world.node("node-1", "8", "8");
    world.node("node-2", "8", "7");
    world.object("a", json!({}));
    world.start(controller::Fence::open()).await;
    assert_eq!(world.offers(), Value::Null, "it has no pods");
    let expected = [
        "operator_device_nodes{resource=\"example.intel.com/red\"} 2",
        "operator_devices{resource=\"example.intel.com/red\",health=\"Healthy\"} 15",
        "operator_devices{resource=\"example.intel.com/red\",health=\"Unhealthy\"} 1",
    ];
    assert_eq!(world.shown(), expected);

    world.pod("a", "node-2", "p2", "True");
    world.settle().await;
    let expected =
        json!([{"name": RED, "nodes": 1, "devices": 8, "unhealthy": 1, "unhealthyNodes": ["node-2"]}]);
    assert_eq!(world.offers(), expected);
    world.is_steady().await;

    world.set_healthy("node-2", "8");
    world.settle().await;
    assert_eq!(world.api.writes(), ["patch exampledeviceplugins/a/status"]);
    assert_eq!(world.offers(), json!([{"name": RED, "nodes": 1, "devices": 8, "unhealthy": 0}]));

    // Another's nodes, and what is no device, are nobody's business.
    world.set_healthy("node-1", "0");
    world.api.edit("kubelet", NODES, "node-2", |node| node["status"]["allocatable"]["cpu"] = json!("7"));
    world.settle().await;
    assert_eq!(world.api.writes(), [""; 0]);
    assert_eq!(
        world.shown()[2],
        "operator_devices{resource=\"example.intel.com/red\",health=\"Unhealthy\"} 8"
    );

    world.api.delete(NODES, "node-2");
    world.settle().await;
    assert_eq!(world.offers(), Value::Null);
    // Who leads no more knows nothing.
    world.stop();
    world.settle().await;
    assert_eq!(world.shown(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_list_nodes_all_else_is_done() {
    let mut world = World::empty();
    world.node("node-1", "8", "8");
    world.api.fail("list nodes", 403, "User \"x\" cannot list resource \"nodes\"", 1000);
    world.object("a", json!({}));
    world.start(controller::Fence::open()).await;
    world.pod("a", "node-1", "p1", "True");
    world.settle().await;
    assert_eq!(world.status("a")["nodeNames"], json!(["node-1"]));
    assert_eq!(world.offers(), Value::Null);

    world.api.heal();
    world.pass(120).await;
    assert_eq!(world.offers()[0]["devices"], 8);
    // What was known stays while it cannot be known.
    world.api.fail("list nodes", 403, "User \"x\" cannot list resource \"nodes\"", 1000);
    world.start(controller::Fence::open()).await;
    world.settle().await;
    assert_eq!(world.offers()[0]["devices"], 8);
}
