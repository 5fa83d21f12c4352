//! The kubelet restarts again and again, with device changes before, meanwhile and after, and with what can go wrong within its
//! `Register`.

use std::time::Duration;

use simulator::kubelet::RegisterFault;

use crate::race::Race;
use crate::world::{Outcome, World};

/// How often all devices are asked for.
const ASKED_EVERY: usize = 25;

pub(super) async fn run(world: &mut World) -> Outcome<()> {
    world.plugin = Some(world.start()?);
    world.quiet().await?;
    let race = Race::start(world);
    for round in 0..world.order.rounds {
        match world.random.usize(..6) {
            0 => {
                world.toggle_some()?;
                world.kubelet.restart().await?;
            }
            1 => {
                world.kubelet.stop().await;
                world.toggle_some()?;
                world.kubelet.restart().await?;
            }
            2 => {
                world.kubelet.restart().await?;
                world.toggle_some()?;
            }
            3 => {
                // No change at all: the list has to come all the same.
                world.kubelet.restart().await?;
            }
            4 => {
                world.kubelet.restart().await?;
                world.kubelet.restart().await?;
                world.toggle_some()?;
                world.kubelet.restart().await?;
                world.inject("kubelet restarts");
                world.inject("kubelet restarts");
            }
            _ => within_register(world).await?,
        }
        world.inject("kubelet restarts");
        world.quiet().await?;
        if round % ASKED_EVERY == 0 {
            world.allocate_all().await?;
        }
        world.measure(round)?;
    }
    drop(race);
    world.end()
}

/// The first plugin that registers after a restart finds that the kubelet refuses, hesitates, or dies half way.
async fn within_register(world: &mut World) -> Outcome<()> {
    let fault = match world.random.usize(..4) {
        0 => RegisterFault::Refuse("not now".to_owned()),
        1 => RegisterFault::Hang(Duration::from_millis(world.random.u64(1..100))),
        2 => RegisterFault::StopBeforeDial,
        _ => RegisterFault::StopBeforeAnswer,
    };
    let stops = matches!(fault, RegisterFault::StopBeforeDial | RegisterFault::StopBeforeAnswer);
    world.kubelet.stop().await;
    // Somebody has to register, or nothing goes wrong.
    if world.hardware().lists().is_empty() {
        world.toggle()?;
    }
    world.kubelet.set_faults(|faults| faults.register.push_back(fault));
    world.kubelet.restart().await?;
    world.inject("faults within Register");
    if stops {
        world.kubelet.wait_until(|state| !state.running).await?;
        world.toggle_some()?;
        world.kubelet.restart().await?;
    }
    Ok(())
}
