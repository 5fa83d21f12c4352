//! The file of `node` on disk, and when it changes.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use device_plugin::Readable;
use host::Host;
use host::watch::FolderWatch;

use super::config::MAX_BYTES;

/// A file that is written in place raises no event that is listened to, and events can be had for no network file
/// system.
const RESYNC: Duration = Duration::from_secs(10);
/// An editor or the kubelet makes several changes that belong together.
const QUIET: Duration = Duration::from_millis(50);

/// A file that is read again when it may have changed.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    /// What was read last, or why nothing was.
    last: Option<Found>,
    watch: Option<Readable<FolderWatch>>,
}

/// The text, or `None` where there is no such file in its folder, which is as good as an empty one: a `ConfigMap` may be
/// optional.
type Found = Result<Option<String>, String>;

impl ConfigFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, last: None, watch: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds now.
    pub(super) fn read(&mut self) -> Result<String, String> {
        let found = read(&self.path);
        self.last = Some(found.clone());
        self.text(found)
    }

    /// Waits until it holds something else, or cannot be read any more, or again.
    pub(super) async fn changed(&mut self) -> Result<String, String> {
        self.watch = self.watch.take().or_else(|| watch(&self.path));
        loop {
            self.event().await;
            tokio::time::sleep(QUIET).await;
            let found = read(&self.path);
            if self.last.as_ref() != Some(&found) {
                self.last = Some(found.clone());
                return self.text(found);
            }
        }
    }

    fn text(&self, found: Found) -> Result<String, String> {
        let path = self.path.display();
        let text = found.map_err(|error| format!("{path}: {error}"))?;
        Ok(text.unwrap_or_else(|| {
            tracing::warn!("{path} is not there: all families run with their defaults");
            String::new()
        }))
    }

    /// Something happened in the folder, or nothing was heard for a while.
    async fn event(&mut self) {
        let Some(watch) = &mut self.watch else {
            return tokio::time::sleep(RESYNC).await;
        };
        let heard = tokio::time::timeout(RESYNC, watch.drain(FolderWatch::drain)).await;
        if let Ok(Err(_) | Ok(Err(_))) = heard {
            self.watch = None;
        }
    }
}

/// The folder that names the file: the kubelet changes a mounted `ConfigMap` by a link beside it.
fn watch(path: &Path) -> Option<Readable<FolderWatch>> {
    let folder = folder_of(path).canonicalize().ok()?;
    FolderWatch::new(&Host::real(), &[folder]).ok().and_then(|watch| Readable::new(watch).ok())
}

fn read(path: &Path) -> Found {
    let mut text = String::new();
    let limit = MAX_BYTES as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound && folder_of(path).is_dir() => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock is paused: it jumps to the time of the next look when nothing else is left to do.
    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_written_in_place_is_read_again_after_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, "one").unwrap();
        let mut file = ConfigFile::new(path.clone());
        assert_eq!(file.read(), Ok("one".to_owned()));
        let began = tokio::time::Instant::now();
        let change = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            std::io::Write::write_all(&mut file, b"two").unwrap();
        };
        let (text, ()) = tokio::join!(file.changed(), change);
        assert_eq!(text, Ok("two".to_owned()));
        assert!(began.elapsed() <= RESYNC + Duration::from_secs(2), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_is_named_and_read_when_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        std::fs::create_dir(&path).unwrap();
        let mut file = ConfigFile::new(path.clone());
        assert!(file.read().unwrap_err().starts_with(&path.display().to_string()));
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, [0xff]).unwrap();
        assert!(file.changed().await.unwrap_err().contains("UTF-8"));
        // No longer than the longest that is good, and that is told from a good one.
        std::fs::write(&path, "x".repeat(2 * MAX_BYTES)).unwrap();
        assert_eq!(file.changed().await.unwrap().len(), MAX_BYTES + 1);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.changed().await, Ok(String::new()));
    }
}
