//! The file in which the kubelet remembers allocations over restarts. Its name is the real kubelet's, its content is not.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::state::{Allocations, State};

const FILE: &str = "kubelet_internal_checkpoint";

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) pods: Allocations,
    /// Healthy devices by resource. Only the resources' names are read again.
    pub(super) registered: BTreeMap<String, Vec<String>>,
}

impl Checkpoint {
    /// What a kubelet saved in `folder`; nothing if it did not, or if that cannot be read.
    pub(super) fn read(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let content = match std::fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(error) => {
                tracing::warn!("cannot read {}: {error}; no allocation is remembered", path.display());
                return Self::default();
            }
        };
        serde_json::from_slice(&content).unwrap_or_else(|error| {
            tracing::warn!("cannot understand {}: {error}; no allocation is remembered", path.display());
            Self::default()
        })
    }
}

/// Saves what has to survive a restart. Like the kubelet this writes another file and puts it in the place of the first,
/// which those who watch the folder see.
pub(super) fn write(folder: &Path, state: &State) {
    let known = state.resources.iter().filter(|(_, resource)| !resource.forgotten);
    let registered = known.map(|(name, resource)| {
        let healthy = resource.devices.iter().filter(|(_, device)| device.healthy);
        (name.clone(), healthy.map(|(id, _)| id.clone()).collect())
    });
    let checkpoint = Checkpoint { pods: state.pods.clone(), registered: registered.collect() };
    let path = folder.join(FILE);
    let new = folder.join(format!(".{FILE}"));
    let written = serde_json::to_vec(&checkpoint)
        .map_err(io::Error::from)
        .and_then(|content| std::fs::write(&new, content))
        .and_then(|()| std::fs::rename(&new, &path));
    if let Err(error) = written {
        tracing::warn!("cannot write {}: {error}; allocations will be forgotten", path.display());
    }
}
