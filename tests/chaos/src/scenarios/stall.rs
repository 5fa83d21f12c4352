//! The kubelet stands still for a minute (SIGSTOP), while it runs or just when it has made its socket, and devices change meanwhile.

use std::fs;
use std::time::{Duration, Instant};

use crate::kubelet::KubeletProcess;
use crate::race::Race;
use crate::world::{Outcome, PATIENCE, World};

/// Between two device changes while the kubelet stands still.
const PACE: Duration = Duration::from_millis(100);

pub(super) async fn run(world: &mut World) -> Outcome<()> {
    let still = if world.order.short { Duration::from_secs(3) } else { Duration::from_mins(1) };
    world.kubelet.stop().await;
    let folder = world.kubelet.folder().to_owned();
    let mut kubelet = KubeletProcess::start(&folder)?;
    world.plugin = Some(world.start()?);
    agree(world, &mut kubelet).await?;
    let race = Race::start(world);
    for round in 0..world.order.rounds {
        if round % 2 == 0 {
            world.inject("stands still with open streams");
            kubelet.stand_still()?;
        } else {
            world.inject("stands still when it has made its socket");
            drop(kubelet);
            let socket = folder.join("kubelet.sock");
            fs::remove_file(&socket)?;
            kubelet = KubeletProcess::start(&folder)?;
            let since = Instant::now();
            while !socket.exists() {
                if since.elapsed() > PATIENCE {
                    return Err("the kubelet makes no socket".into());
                }
                std::thread::yield_now();
            }
            kubelet.stand_still()?;
        }
        let since = Instant::now();
        while since.elapsed() < still {
            world.toggle_some()?;
            tokio::time::sleep(PACE).await;
        }
        kubelet.go_on()?;
        agree(world, &mut kubelet).await?;
        world.measure(round)?;
    }
    drop(race);
    // The plugin ends while the kubelet stands still, too.
    kubelet.stand_still()?;
    world.end()
}

async fn agree(world: &mut World, kubelet: &mut KubeletProcess) -> Outcome<()> {
    let (since, expected) = (Instant::now(), world.hardware().lists());
    kubelet.agree(&expected, PATIENCE).await?;
    world.slowest = world.slowest.max(since.elapsed());
    world.checks.check(Ok(()));
    world.checks.verdict()?;
    if let Some(plugin) = &mut world.plugin {
        plugin.check_alive()?;
    }
    Ok(())
}
