//! What the operator does when it is told of an object's DaemonSet, and nothing has changed for the object.

use controller::Fence;
use serde_json::json;
use tokio::runtime::Builder;

use crate::Operation;
use crate::fake::DAEMONSETS;
use crate::world::{World, daemonset_of};

/// So many that it matters little in which order tokio's `select!`, which throws dice, polls its branches.
const ROUNDS: u64 = 40;

/// From the events of a watch to the ends of rounds, on an API server in memory. The clock jumps over waits.
pub(crate) fn unchanged() -> Operation {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let world = runtime.block_on(async {
        let mut world = World::empty();
        world.object("a", json!({}));
        world.start(Fence::open()).await;
        world
    });
    world.api.writes();
    let mut number = 0;
    Operation::new(format!("{ROUNDS} rounds for an object that stays as it is"), move || {
        let before = rounds(&world);
        for _ in 0..ROUNDS {
            number += 1;
            world.api.edit("kubelet", DAEMONSETS, &daemonset_of("a"), |daemonset| {
                daemonset["metadata"]["annotations"] = json!({"seen": format!("{number:03}")});
            });
            runtime.block_on(world.pass(1));
        }
        assert_eq!(rounds(&world), before + ROUNDS);
        assert_eq!(world.api.writes(), [""; 0]);
    })
}

fn rounds(world: &World) -> u64 {
    let page = world.metrics.render();
    let counts = page.lines().filter(|line| line.starts_with("controller_runtime_reconcile_total"));
    counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}
