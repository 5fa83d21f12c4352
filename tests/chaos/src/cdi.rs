//! A reader of CDI files, as container runtimes are: whatever happens, it must never see half a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::oracle::Checks;
use crate::world::World;

/// Between two looks, so that there is a processor left for the plugin.
const PACE: Duration = Duration::from_micros(300);

/// Reads all files again and again until it is dropped, and has each one checked.
#[derive(Debug)]
pub(crate) struct Reader {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    pub(crate) fn start(world: &World) -> Self {
        let (folder, checks) = (world.path("cdi"), Arc::clone(&world.checks));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                read_all(&folder, &checks);
                std::thread::sleep(PACE);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // It does not panic.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The names that runtimes read, by the extensions that they read.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "yaml" || end == "json")).collect()
}

fn read_all(folder: &Path, checks: &Checks) {
    for path in files(folder) {
        // It may have gone since.
        if let Ok(text) = fs::read(&path) {
            checks.check(whole(&text).map_err(|why| format!("half a CDI file, {}: {why}", path.display())));
        }
    }
}

/// Whether these are the bytes of a whole CDI file that gives a device.
pub(crate) fn whole(text: &[u8]) -> Result<(), String> {
    let file: Value =
        serde_json::from_slice(text).map_err(|error| format!("{error} in {} bytes", text.len()))?;
    let nodes = file.pointer("/devices/0/containerEdits/deviceNodes").and_then(Value::as_array);
    if file.get("cdiVersion").is_some_and(Value::is_string) && nodes.is_some_and(|nodes| !nodes.is_empty()) {
        Ok(())
    } else {
        Err("there is no device in it".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_file_is_less_than_the_whole() {
        let text = br#"{"cdiVersion": "0.5.0", "kind": "intel.cdi.k8s.io/gpu", "devices": [
            {"name": "card0", "containerEdits": {"deviceNodes": [{"path": "/dev/dri/card0"}]}}]}"#;
        assert_eq!(whole(text), Ok(()));
        for length in 0..text.len() {
            assert!(whole(&text[..length]).is_err(), "{length} bytes");
        }
        assert!(whole(br#"{"cdiVersion": "0.5.0", "devices": []}"#).is_err());
    }
}
