//! SIGKILL at every system call between the question for a device and its answer ([`crate::traced`] says why that is every await
//! point). After each, a new process has to bring everything back.

use std::fs;

use simulator::kubelet::PodRequest;

use crate::cdi::{Reader, files};
use crate::plugin::without_capabilities;
use crate::traced::Traced;
use crate::world::{Outcome, World};

const RESOURCE: &str = "gpu.intel.com/i915";

pub(super) async fn run(world: &mut World) -> Outcome<()> {
    let reader = Reader::start(world);
    let mut plugin = start(world).await?;
    let calls = measure(world, &plugin).await?;
    for round in 0..world.order.rounds {
        // In order, and beyond the last; a few rounds are spread over all.
        let at = if world.order.short {
            world.random.u64(1..=calls)
        } else {
            u64::try_from(round)? % (calls + 2) + 1
        };
        remove_files(world)?;
        plugin.kill_at(at);
        let admitted = world.kubelet.admit(&PodRequest::of("during", RESOURCE, 1)).await;
        let killed = plugin.kill()?;
        world.inject(match (killed, &admitted) {
            (true, Err(_)) => "killed before the answer",
            (true, Ok(_)) => "killed after the answer",
            (false, Ok(_)) => "killed when all was done",
            (false, Err(error)) => return Err(format!("a plugin that was let alone: {error}").into()),
        });
        if world.random.bool() {
            world.toggle_some()?;
        }
        world.as_a_runtime_waits().await;
        plugin = start(world).await?;
        world.kubelet.remove_pod("during");
        world.kubelet.admit(&PodRequest::of("after", RESOURCE, 1)).await?;
        world.kubelet.remove_pod("after");
        if round % 10 == 0 {
            world.allocate_all().await?;
        }
        plugin.check_alive()?;
        let expected: usize = world.hardware().lists().values().map(std::collections::BTreeMap::len).sum();
        let found = files(&world.path("cdi")).len();
        world.checks.check(if found >= expected {
            Ok(())
        } else {
            Err(format!("there are {found} CDI files for {expected} devices"))
        });
        world.checks.verdict()?;
    }
    drop(reader);
    plugin.end()?;
    world.end()
}

/// Starts a plugin on what the last one left, and waits until all is right.
async fn start(world: &mut World) -> Outcome<Traced> {
    while world.hardware().lists().is_empty() {
        world.toggle()?;
    }
    let plugin = Traced::start(&without_capabilities(&world.command()), &world.path("log"))?;
    world.quiet().await?;
    Ok(plugin)
}

/// How many system calls there are between the question and the answer, with a CDI file to be written.
async fn measure(world: &World, plugin: &Traced) -> Outcome<u64> {
    remove_files(world)?;
    plugin.count();
    world.kubelet.admit(&PodRequest::of("first", RESOURCE, 1)).await?;
    let calls = plugin.counted();
    world.kubelet.remove_pod("first");
    Ok(calls)
}

/// So that answering makes them anew.
fn remove_files(world: &World) -> Outcome<()> {
    for file in files(&world.path("cdi")) {
        fs::remove_file(file)?;
    }
    Ok(())
}
