//! Devices come and go, one by one and in bursts, while somebody asks for them all the time.

use crate::cdi::Reader;
use crate::race::Race;
use crate::world::{Outcome, World};

/// How often it is checked, beside each change, that what is right stays so.
const CHECKED_EVERY: usize = 100;

pub(super) async fn run(world: &mut World) -> Outcome<()> {
    world.plugin = Some(world.start()?);
    world.quiet().await?;
    let races = [Race::start(world), Race::start(world)];
    let reader = Reader::start(world);
    let mut flaps = 0;
    let mut round = 0;
    while flaps < world.order.rounds {
        // Most changes are waited for: each device that went must be seen to have gone. Some come so fast that
        // the plugin may take them together; then the end counts.
        let burst = if world.random.u8(..10) == 0 { world.random.usize(2..20) } else { 1 };
        for _ in 0..burst {
            let part = world.toggle()?;
            // At once, before the plugin can have heard of it.
            if burst == 1 && !world.hardware().is_there(part) {
                let _ = world.ask(part).await;
            }
        }
        world.agree().await?;
        flaps += burst;
        if flaps / CHECKED_EVERY != round {
            round = flaps / CHECKED_EVERY;
            world.quiet().await?;
        }
        let tenth = world.order.rounds / 10;
        if world.usage[0].is_none() && flaps >= tenth {
            world.measure(tenth)?;
        }
    }
    world.quiet().await?;
    world.allocate_all().await?;
    world.measure(world.order.rounds - 1)?;
    drop((races, reader));
    world.end()
}
