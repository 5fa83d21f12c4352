//! No inotify for the plugin: neither instances nor watches. It runs in a user namespace of its own, where these limits
//! (`/proc/sys/user`) are zero for it and nobody else.

use std::fs;
use std::time::Duration;

use crate::plugin::without_capabilities;
use crate::world::{Outcome, World};

/// Sets the limit named by `$0` to zero and becomes the plugin.
const SCRIPT: &str = r#"echo 0 >/proc/sys/user/$0; exec "$@""#;

const REGISTERED: Duration = Duration::from_millis(1500);

const LIMITS: [(&str, &str); 2] = [
    ("max_inotify_instances", "rounds without instances"),
    ("max_inotify_watches", "rounds without watches"),
];

pub(super) async fn run(world: &mut World) -> Outcome<()> {
    for (limit, what) in LIMITS {
        let mut words: Vec<String> =
            ["unshare", "--user", "--map-root-user", "sh", "-ec", SCRIPT, limit].map(str::to_owned).into();
        words.extend(without_capabilities(&world.command()));
        world.as_a_runtime_waits().await;
        world.plugin = Some(world.start_as(&words)?);
        world.quiet().await?;
        let rounds = world.order.rounds.div_ceil(LIMITS.len());
        for round in 0..rounds {
            world.inject(what);
            world.toggle_some()?;
            if round % 2 == 0 {
                // A kubelet that comes anew is noticed before the change is.
                world.kubelet.restart().await?;
                world.inject("kubelet restarts");
                // Within a second it registers, and may tell what it knew before it looks at devices again.
                world.agree().await?;
                tokio::time::sleep(REGISTERED).await;
            }
            world.quiet().await?;
            world.allocate_all().await?;
            if let Some(plugin) = &world.plugin {
                world.measure_process(plugin.id(), round, rounds)?;
            }
        }
        let log = fs::read_to_string(world.path("log"))?;
        if !log.contains("nothing tells of changes") {
            return Err(format!("the plugin had inotify although {limit} was to be zero").into());
        }
        fs::remove_file(world.path("log"))?;
        world.end()?;
    }
    Ok(())
}
