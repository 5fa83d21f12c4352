//! Devices come and go, one by one and in bursts, while somebody asks for them all the time.

use std::time::Duration;

use crate::cdi::Reader;
use crate::race::Race;
use crate::world::{Outcome, World};

/// How often it is checked, beside each change, that what is right stays so.
const CHECKED_EVERY: usize = 100;

/// For a question to reach a plugin's socket.
const FOR_THE_QUESTION: Duration = Duration::from_millis(3);

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
        if burst == 1 {
            one(world).await?;
        } else {
            (0..burst).try_for_each(|_| world.toggle().map(drop))?;
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

/// One change. A device that went is asked for at once; now and then the plugin stands still before, and hears of both at the same time: it
/// can then know that the device has gone only by looking.
async fn one(world: &mut World) -> Outcome<()> {
    let stands_still = world.random.u8(..8) == 0;
    let plugin = world.plugin.take().ok_or("no plugin runs")?;
    if stands_still {
        world.inject("of them while the plugin stood still");
        plugin.stand_still();
    }
    let part = world.toggle()?;
    let has_gone = !world.hardware().is_there(part);
    let go_on = async {
        if stands_still {
            if has_gone {
                tokio::time::sleep(FOR_THE_QUESTION).await;
            }
            plugin.go_on();
        }
    };
    let ask = async {
        if has_gone {
            // Whether it is refused is for the oracle to say.
            let _ = world.ask(part).await;
        }
    };
    tokio::join!(ask, go_on);
    world.plugin = Some(plugin);
    Ok(())
}
