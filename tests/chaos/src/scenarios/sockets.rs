//! Somebody meddles with the sockets: the plugin's, and the kubelet's.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use crate::world::{Outcome, World, socket_of};

/// For a plugin to notice, and to do what it should not.
const A_MOMENT: Duration = Duration::from_millis(50);

pub(super) async fn run(world: &mut World) -> Outcome<()> {
    world.plugin = Some(world.start()?);
    world.quiet().await?;
    for round in 0..world.order.rounds {
        // In turn, so that a few rounds have each; of which resource is left to chance.
        meddle(world, round % 10).await?;
        world.quiet().await?;
        if round % 10 == 0 {
            world.allocate_all().await?;
        }
        world.measure(round)?;
    }
    world.end()
}

async fn meddle(world: &mut World, how: usize) -> Outcome<()> {
    let kubelets = world.kubelet.folder().join("kubelet.sock");
    // A socket is there for a resource that has devices, or had some.
    let resources: Vec<String> = world.hardware().lists().into_keys().collect();
    if resources.is_empty() {
        world.toggle()?;
        return Ok(());
    }
    let resource = resources.get(world.random.usize(..resources.len())).cloned().unwrap_or_default();
    let socket = world.kubelet.folder().join(socket_of(&resource));
    match how {
        0 => {
            world.inject("sockets deleted");
            fs::remove_file(&socket)?;
        }
        1 => {
            world.inject("replaced by a file");
            replace(&socket, |path| fs::write(path, "no socket"))?;
        }
        2 => {
            world.inject("replaced by a dead socket");
            replace(&socket, |path| UnixListener::bind(path).map(drop))?;
        }
        3 => {
            world.inject("replaced by a link to nowhere");
            replace(&socket, |path| symlink("nowhere", path))?;
        }
        4 => {
            world.inject("replaced by a folder for a moment");
            fs::remove_file(&socket)?;
            // The plugin may be faster.
            while fs::create_dir(&socket).is_err() {
                let _ = fs::remove_file(&socket);
            }
            tokio::time::sleep(A_MOMENT).await;
            fs::remove_dir(&socket)?;
        }
        5 => {
            world.inject("replaced by a living socket for a moment");
            let mut listener = None;
            replace(&socket, |path| UnixListener::bind(path).map(|bound| listener = Some(bound)))?;
            tokio::time::sleep(A_MOMENT).await;
            // The list goes on as before over the connection that there is.
            world.toggle_some()?;
            world.quiet().await?;
            drop(listener);
            if world.random.bool() {
                fs::remove_file(&socket)?;
            }
        }
        6 => {
            world.inject("made unreadable");
            fs::set_permissions(&socket, Permissions::from_mode(0o0))?;
            world.toggle_some()?;
            world.quiet().await?;
            fs::set_permissions(&socket, Permissions::from_mode(0o755))?;
        }
        7 => {
            world.inject("kubelet.sock made unreadable");
            fs::set_permissions(&kubelets, Permissions::from_mode(0o0))?;
            fs::remove_file(&socket)?;
            tokio::time::sleep(A_MOMENT).await;
            world.toggle_some()?;
            fs::set_permissions(&kubelets, Permissions::from_mode(0o755))?;
        }
        8 => {
            world.inject("kubelet.sock deleted, kubelet restarted");
            fs::remove_file(&kubelets)?;
            tokio::time::sleep(A_MOMENT).await;
            world.toggle_some()?;
            world.kubelet.restart().await?;
        }
        _ => {
            world.inject("all sockets deleted at once");
            for entry in fs::read_dir(world.kubelet.folder())?.flatten() {
                if entry.path().extension().is_some_and(|end| end == "sock") && entry.path() != kubelets {
                    let _ = fs::remove_file(entry.path());
                }
            }
            world.toggle_some()?;
        }
    }
    Ok(())
}

/// Puts something in the place of what is at the path, in one step.
fn replace(path: &Path, make: impl FnOnce(&Path) -> std::io::Result<()>) -> std::io::Result<()> {
    let new = path.with_extension("new");
    make(&new)?;
    fs::rename(&new, path)
}
