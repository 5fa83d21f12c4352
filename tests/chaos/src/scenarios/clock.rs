//! The time of day jumps, forth and back, by hours and by decades. (Monotonic clocks do not jump, on any machine.)

use std::time::Duration;

use crate::plugin::without_capabilities;
use crate::traced::Traced;
use crate::world::{Outcome, World};

const HOUR: i64 = 3600;
const YEAR: i64 = 365 * 24 * HOUR;

pub(super) async fn run(world: &mut World) -> Outcome<()> {
    let plugin = Traced::start(&without_capabilities(&world.command()), &world.path("log"))?;
    world.quiet().await?;
    for round in 0..world.order.rounds {
        // Before 1970 there is none: that is where the last one ends.
        let (what, seconds) = match world.random.usize(..6) {
            0 => ("forth by up to an hour", world.random.i64(1..HOUR)),
            1 => ("back by up to an hour", -world.random.i64(1..HOUR)),
            2 => ("forth by up to 20 years", world.random.i64(1..20 * YEAR)),
            3 => ("back by up to 20 years", -world.random.i64(1..20 * YEAR)),
            4 => ("beyond 2106", 100 * YEAR),
            _ => ("to 1970", -100 * YEAR),
        };
        world.inject(what);
        plugin.set_clock(seconds);
        match world.random.usize(..3) {
            0 => world.kubelet.restart().await?,
            1 => {
                world.toggle_some()?;
                // Another jump while it is at it.
                tokio::time::sleep(Duration::from_millis(world.random.u64(..5))).await;
                plugin.set_clock(-seconds);
            }
            _ => world.toggle_some()?,
        }
        world.quiet().await?;
        world.allocate_all().await?;
        plugin.check_alive()?;
        world.measure_process(plugin.id(), round, world.order.rounds)?;
    }
    if plugin.asked_for_time() == 0 {
        return Err("the plugin never asked for the time of day, so nothing was tested".into());
    }
    plugin.end()?;
    world.end()
}
