//! No inotify for the plugin: neither instances nor watches. It runs in a user namespace of its own, where these limits
//! (`/proc/sys/user`) are zero for it and nobody else.

use crate::plugin::without_capabilities;
use crate::world::{Outcome, World};

/// Sets the limit named by `$0` to zero and becomes the plugin.
const SCRIPT: &str = r#"echo 0 >/proc/sys/user/$0; exec "$@""#;

const LIMITS: [(&str, &str); 2] = [
    ("max_inotify_instances", "rounds without instances"),
    ("max_inotify_watches", "rounds without watches"),
];

pub(super) async fn run(world: &mut World) -> Outcome<()> {
    for (number, (limit, what)) in LIMITS.into_iter().enumerate() {
        let mut words: Vec<String> =
            ["unshare", "--user", "--map-root-user", "sh", "-ec", SCRIPT, limit].map(str::to_owned).into();
        words.extend(without_capabilities(&world.command()));
        world.plugin = Some(world.start_as(&words)?);
        world.quiet().await?;
        let rounds = world.order.rounds / LIMITS.len();
        for round in 0..rounds {
            world.inject(what);
            world.toggle_some()?;
            if round % 2 == 0 {
                world.quiet().await?;
                world.kubelet.restart().await?;
                world.toggle_some()?;
            }
            world.quiet().await?;
            // Of the last process, which is measured as if there were no other.
            if number + 1 == LIMITS.len() {
                let last = round + 1 == rounds;
                world.measure(if last {
                    world.order.rounds - 1
                } else if round == rounds / 10 {
                    world.order.rounds / 10
                } else {
                    round
                })?;
            }
        }
        let log = std::fs::read_to_string(world.path("log"))?;
        if !log.contains("nothing tells of changes") {
            return Err(format!("the plugin had inotify although {limit} was to be zero").into());
        }
        std::fs::write(world.path("log"), "")?;
        world.end()?;
    }
    Ok(())
}
