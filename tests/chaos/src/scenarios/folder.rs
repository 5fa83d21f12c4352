//! The kubelet's folder goes and comes again.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use crate::world::{Outcome, World};

/// For a plugin to notice, and to do what it should not.
const A_MOMENT: Duration = Duration::from_millis(50);

pub(super) async fn run(world: &mut World) -> Outcome<()> {
    world.plugin = Some(world.start()?);
    world.quiet().await?;
    let folder = world.kubelet.folder().to_owned();
    for round in 0..world.order.rounds {
        match round % 5 {
            0 => {
                world.inject("removed and made again");
                world.kubelet.stop().await;
                remove(&folder)?;
                tokio::time::sleep(A_MOMENT).await;
                world.toggle_some()?;
                world.kubelet.restart().await?;
            }
            1 => {
                world.inject("removed below a running kubelet");
                remove(&folder)?;
                world.toggle_some()?;
                world.kubelet.restart().await?;
            }
            2 => {
                world.inject("moved away and back");
                let away = folder.with_extension("away");
                fs::rename(&folder, &away)?;
                tokio::time::sleep(A_MOMENT).await;
                world.toggle_some()?;
                fs::rename(&away, &folder)?;
            }
            3 => {
                world.inject("replaced by a file for a moment");
                world.kubelet.stop().await;
                remove(&folder)?;
                fs::write(&folder, "no folder")?;
                tokio::time::sleep(A_MOMENT).await;
                world.toggle_some()?;
                fs::remove_file(&folder)?;
                world.kubelet.restart().await?;
            }
            _ => {
                world.inject("made unreadable for a moment");
                fs::set_permissions(&folder, Permissions::from_mode(0o0))?;
                tokio::time::sleep(A_MOMENT).await;
                world.toggle_some()?;
                fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
            }
        }
        world.quiet().await?;
        world.allocate_all().await?;
        world.measure(round)?;
    }
    world.end()
}

/// Removes the folder, in which a plugin may make a socket at any time.
fn remove(folder: &Path) -> std::io::Result<()> {
    loop {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
            removed => return removed,
        }
    }
}
