//! Watches the folder where the kubelet and the plugins have their sockets.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use host::Host;
use host::watch::FolderWatch;
use tokio::sync::watch;

use crate::error_chain;
use crate::readable::Readable;

/// Looks again though nothing told to, in case an event got lost.
const SLOW: Duration = Duration::from_secs(10);
/// Looks when nothing can tell.
const FAST: Duration = Duration::from_secs(1);

/// Tells one socket file from another that took its place. Inode numbers are used again at once, so the time of
/// making counts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketIdentity {
    device: u64,
    inode: u64,
    made: (i64, i64),
}

impl SocketIdentity {
    /// Of the file at `path`; `None` when there is none.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let found = std::fs::symlink_metadata(path).ok()?;
        Some(Self { device: found.dev(), inode: found.ino(), made: (found.mtime(), found.mtime_nsec()) })
    }
}

/// A value that changes whenever something may have changed in the kubelet's folder. The first watch is in place when
/// this returns, so nothing that happens after it is missed. Ends when nobody listens any more.
pub(crate) fn follow(folder: &Path) -> watch::Receiver<u64> {
    let (ticks, receiver) = watch::channel(0);
    let watch = watch_folder(folder);
    let folder = folder.to_owned();
    tokio::spawn(async move {
        tokio::select! {
            () = ticks.closed() => {}
            () = run(watch, folder, &ticks) => {}
        }
    });
    receiver
}

fn watch_folder(folder: &Path) -> Option<Readable<FolderWatch>> {
    let watch = FolderWatch::new(&Host::real(), &[PathBuf::from(folder)])
        .map_err(|error| error_chain(&error))
        .and_then(|watch| Readable::new(watch).map_err(|error| error.to_string()));
    watch
        .inspect_err(|error| {
            tracing::warn!("looking at {} every {FAST:?} instead of watching it: {error}", folder.display());
        })
        .ok()
}

async fn run(mut watch: Option<Readable<FolderWatch>>, folder: PathBuf, ticks: &watch::Sender<u64>) {
    loop {
        let mut broken = false;
        let pause = if watch.is_some() { SLOW } else { FAST };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            relevant = changes(watch.as_mut()) => match relevant {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    tracing::warn!("lost the watch on {}: {error}", folder.display());
                    broken = true;
                }
            },
        }
        if broken {
            watch = None;
        }
        ticks.send_modify(|tick| *tick = tick.wrapping_add(1));
    }
}

/// Waits for events; true when one is about a socket, or the folder itself and who may look into it, and not about the
/// kubelet's checkpoint, which it rewrites at every list.
async fn changes(watch: Option<&mut Readable<FolderWatch>>) -> Result<bool, String> {
    let Some(watch) = watch else {
        return std::future::pending().await;
    };
    let changes = watch.drain(FolderWatch::drain).await.map_err(|error| error.to_string())?;
    let changes = changes.map_err(|error| error_chain(&error))?;
    Ok(changes.overflow
        || changes.folders.iter().any(|folder| {
            folder.replaced || folder.names.is_empty() || folder.names.iter().any(|name| is_socket(name))
        }))
}

fn is_socket(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "sock")
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn sockets_and_the_folders_own_permissions_matter_and_other_files_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = watch_folder(folder.path()).unwrap();
        fs::write(folder.path().join("kubelet_internal_checkpoint"), "").unwrap();
        assert_eq!(changes(Some(&mut watch)).await, Ok(false));
        fs::write(folder.path().join("kubelet.sock"), "").unwrap();
        assert_eq!(changes(Some(&mut watch)).await, Ok(true));
        fs::set_permissions(folder.path(), Permissions::from_mode(0o500)).unwrap();
        assert_eq!(changes(Some(&mut watch)).await, Ok(true));
    }
}
