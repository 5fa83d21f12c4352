//! What the operator does when it is told of an object's DaemonSet, and nothing has changed for the object.

use std::rc::Rc;

use controller::Fence;
use serde_json::json;
use tokio::runtime::Builder;

use crate::Operation;
use crate::fake::DAEMONSETS;
use crate::world::{World, daemonset_of};

/// From the event of a watch to the end of the round, on an API server in memory. The clock jumps over the wait after it.
pub(crate) fn unchanged() -> Operation {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let world = Rc::new(runtime.block_on(async {
        let mut world = World::empty();
        world.object("a", json!({}));
        world.start(Fence::open()).await;
        world
    }));
    world.api.writes();
    let (told, mut number) = (world.clone(), 0);
    Operation::new("a round for an object that stays as it is", move || {
        let before = rounds(&world);
        runtime.block_on(world.pass(5));
        assert_eq!(rounds(&world), before + 1);
        assert_eq!(world.api.writes(), [""; 0]);
    })
    .after(move || {
        number += 1;
        told.api.edit("kubelet", DAEMONSETS, &daemonset_of("a"), |daemonset| {
            daemonset["metadata"]["annotations"] = json!({"seen": format!("{number:03}")});
        });
    })
}

fn rounds(world: &World) -> u64 {
    let page = world.metrics.render();
    let counts = page.lines().filter(|line| line.starts_with("controller_runtime_reconcile_total"));
    counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}
