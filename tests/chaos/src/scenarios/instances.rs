//! Two instances of one plugin: a rolling update, with the new one first or the old one gone first, and with one that is killed.
//!
//! That one ends within the same milliseconds as the other registers is too much for a kubelet that does not tell them apart.

use std::collections::BTreeMap;

use simulator::kubelet::State;

use crate::plugin::Plugin;
use crate::world::{Outcome, World};

pub(super) async fn run(world: &mut World) -> Outcome<()> {
    world.plugin = Some(world.start()?);
    world.quiet().await?;
    for round in 0..world.order.rounds {
        let old = world.plugin.take();
        match round % 4 {
            0 => {
                world.inject("new one started and the old one ended at once");
                start(world, !world.order.kubelet_tells_instances_apart()).await?;
                old.map_or(Ok(()), Plugin::end)?;
            }
            1 => {
                world.inject("new one registered before the old one ended");
                start(world, true).await?;
                world.toggle_some()?;
                world.quiet().await?;
                old.map_or(Ok(()), Plugin::end)?;
            }
            2 => {
                world.inject("old one ended before the new one started");
                old.map_or(Ok(()), Plugin::end)?;
                world.toggle_some()?;
                world.as_a_runtime_waits().await;
                start(world, false).await?;
            }
            _ => {
                world.inject("old one killed beside the new one");
                start(world, !world.order.kubelet_tells_instances_apart()).await?;
                if let Some(old) = old {
                    old.kill()?;
                }
            }
        }
        world.toggle_some()?;
        world.quiet().await?;
        world.allocate_all().await?;
    }
    world.end()
}

/// Starts a new one, and waits until it has registered if it is to.
async fn start(world: &mut World, until_registered: bool) -> Outcome<()> {
    let before = registrations(world);
    world.plugin = Some(world.start()?);
    if until_registered {
        let is_newer = |name: &String, count: usize| count > before.get(name).copied().unwrap_or_default();
        let all_newer = |state: &State| {
            let known = |name: &String| state.resources.get(name).map_or(0, |known| known.registrations);
            before.keys().all(|name| is_newer(name, known(name)))
        };
        world.kubelet.wait_until(all_newer).await?;
    }
    Ok(())
}

/// How often each resource that has devices has been registered.
fn registrations(world: &World) -> BTreeMap<String, usize> {
    let known = world.kubelet.resources();
    let lists = world.hardware().lists();
    let count = |name: &String| known.get(name).map_or(0, |resource| resource.registrations);
    lists.keys().map(|name| (name.clone(), count(name))).collect()
}
