//! Two instances of one plugin: a rolling update, with the new one first or the old one gone first, and with one that is killed.

use std::collections::BTreeMap;

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
                world.plugin = Some(world.start()?);
                old.map_or(Ok(()), Plugin::end)?;
            }
            1 => {
                world.inject("new one registered before the old one ended");
                let before = registrations(world);
                world.plugin = Some(world.start()?);
                let is_newer =
                    |name: &String, count: usize| count > before.get(name).copied().unwrap_or_default();
                world
                    .kubelet
                    .wait_until(|state| {
                        before.keys().all(|name| {
                            state.resources.get(name).is_some_and(|known| is_newer(name, known.registrations))
                        })
                    })
                    .await?;
                world.toggle_some()?;
                world.quiet().await?;
                old.map_or(Ok(()), Plugin::end)?;
            }
            2 => {
                world.inject("old one ended before the new one started");
                old.map_or(Ok(()), Plugin::end)?;
                world.toggle_some()?;
                world.plugin = Some(world.start()?);
            }
            _ => {
                world.inject("old one killed beside the new one");
                world.plugin = Some(world.start()?);
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

/// How often each resource that has devices has been registered.
fn registrations(world: &World) -> BTreeMap<String, usize> {
    let known = world.kubelet.resources();
    let lists = world.hardware().lists();
    let count = |name: &String| known.get(name).map_or(0, |resource| resource.registrations);
    lists.keys().map(|name| (name.clone(), count(name))).collect()
}
