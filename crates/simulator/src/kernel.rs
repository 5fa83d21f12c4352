//! What the kernel of a simulated node does when an attribute is written to.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use host::{Attributes, Host};

use crate::SimulatedNode;

/// A simulated node that reacts to writes as the kernel does: drivers are bound, virtual functions appear, values that
/// the hardware cannot take are refused. An attribute without a behaviour of its own just holds what was written.
#[derive(Debug)]
pub struct Kernel {
    node: Mutex<SimulatedNode>,
    written: Mutex<Vec<(PathBuf, String)>>,
    refused: Mutex<Vec<(String, io::ErrorKind)>>,
}

impl Kernel {
    /// The node gets a kernel.
    pub fn run(node: SimulatedNode) -> Arc<Self> {
        Arc::new(Self { node: Mutex::new(node), written: Mutex::default(), refused: Mutex::default() })
    }

    /// The node, as programs see it: what they write reaches this kernel.
    pub fn host(self: &Arc<Self>) -> Host {
        self.node().host().with_attributes(Arc::<Self>::clone(self))
    }

    /// The node itself, to change it behind the programs' backs.
    pub fn node(&self) -> MutexGuard<'_, SimulatedNode> {
        lock(&self.node)
    }

    /// All that was written so far, in order, refused or not: the attribute, without links, and the value.
    pub fn written(&self) -> Vec<(PathBuf, String)> {
        lock(&self.written).clone()
    }

    /// From now on, writes to attributes whose path ends like this fail.
    pub fn refuse(&self, path_end: &str, error: io::ErrorKind) {
        lock(&self.refused).push((path_end.to_owned(), error));
    }
}

impl Attributes for Kernel {
    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        lock(&self.written).push((path.to_owned(), value.to_owned()));
        let shown = path.to_string_lossy();
        if let Some((_, error)) = lock(&self.refused).iter().find(|(end, _)| shown.ends_with(end)) {
            return Err((*error).into());
        }
        self.node().set_attribute(path, value).map_err(io::Error::other)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
