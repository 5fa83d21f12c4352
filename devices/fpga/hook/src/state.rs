//! What the container runtime says on standard input: the container's state
//! (<https://github.com/opencontainers/runtime-spec/blob/main/runtime.md#state>).

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A state is some hundred bytes, and has room for annotations, of which Kubernetes allows 256 KiB.
const MAX_STATE: u64 = 1 << 20;

/// What can be wrong with a state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Standard input cannot be read.
    #[error("cannot read the container's state from standard input")]
    Read(#[source] std::io::Error),
    /// It does not end.
    #[error("the container's state on standard input is longer than {MAX_STATE} bytes")]
    TooLong,
    /// It is no JSON, or not of this shape.
    #[error("cannot understand the container's state on standard input, an OCI state in JSON")]
    Syntax(#[source] serde_json::Error),
    /// It names no bundle, or one that depends on where the hook runs.
    #[error("the container's state on standard input has the bundle {0:?}, not an absolute path")]
    Bundle(PathBuf),
}

#[derive(Deserialize)]
struct State {
    #[serde(default)]
    bundle: PathBuf,
}

/// The container's bundle, a folder. Reads the state to its end, as a runtime fails that cannot write all of it.
pub fn bundle(input: impl Read) -> Result<PathBuf, StateError> {
    let mut text = Vec::new();
    input.take(MAX_STATE + 1).read_to_end(&mut text).map_err(StateError::Read)?;
    if text.len() as u64 > MAX_STATE {
        return Err(StateError::TooLong);
    }
    let State { bundle } = serde_json::from_slice(&text).map_err(StateError::Syntax)?;
    if bundle.is_absolute() { Ok(bundle) } else { Err(StateError::Bundle(bundle)) }
}

/// The file of a bundle that says what the container is.
pub(crate) fn config(bundle: &Path) -> PathBuf {
    bundle.join("config.json")
}
