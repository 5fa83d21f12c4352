//! The kernel of a simulated node with accelerators.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use host::{Attributes, Host};
use simulator::SimulatedNode;

const EBUSY: i32 = 16;
pub(crate) const ENODEV: i32 = 19;

/// A node on which accelerators and PCI functions can be bound, and configured while they are disabled.
#[derive(Debug)]
pub(crate) struct Kernel {
    node: Mutex<SimulatedNode>,
    written: Mutex<Vec<(PathBuf, String)>>,
    refused: Mutex<Vec<Refusal>>,
    ignored: Mutex<Vec<String>>,
}

/// A write that is to fail.
#[derive(Debug)]
struct Refusal {
    path_end: String,
    /// How many such writes go well before.
    after: usize,
    is_once: bool,
}

pub(crate) type Done = io::Result<()>;

pub(crate) fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

pub(crate) fn check(good: bool, code: i32) -> Done {
    if good { Ok(()) } else { Err(errno(code)) }
}

impl Kernel {
    pub(crate) fn run(node: SimulatedNode) -> Arc<Self> {
        Arc::new(Self {
            node: Mutex::new(node),
            written: Mutex::default(),
            refused: Mutex::default(),
            ignored: Mutex::default(),
        })
    }

    pub(crate) fn host(self: &Arc<Self>) -> Host {
        self.node().host().with_attributes(Arc::<Self>::clone(self))
    }

    pub(crate) fn node(&self) -> MutexGuard<'_, SimulatedNode> {
        self.node.lock().unwrap()
    }

    pub(crate) fn written(&self) -> Vec<(PathBuf, String)> {
        self.written.lock().unwrap().clone()
    }

    /// From now on, writes to attributes whose path ends like this fail.
    pub(crate) fn refuse(&self, path_end: &str) {
        let refusal = Refusal { path_end: path_end.to_owned(), after: 0, is_once: false };
        self.refused.lock().unwrap().push(refusal);
    }

    /// One such write fails, when so many have gone well.
    pub(crate) fn refuse_once(&self, path_end: &str, after: usize) {
        let refusal = Refusal { path_end: path_end.to_owned(), after, is_once: true };
        self.refused.lock().unwrap().push(refusal);
    }

    /// From now on, writes to attributes of this name do nothing.
    pub(crate) fn ignore(&self, name: &str) {
        self.ignored.lock().unwrap().push(format!("/{name}"));
    }

    fn is_refused(&self, path: &str) -> bool {
        let mut refused = self.refused.lock().unwrap();
        let Some(index) = refused.iter().position(|refusal| path.ends_with(&refusal.path_end)) else {
            return false;
        };
        let refusal = &mut refused[index];
        if let Some(after) = refusal.after.checked_sub(1) {
            refusal.after = after;
            return false;
        }
        if refusal.is_once {
            refused.remove(index);
        }
        true
    }

    /// What a file holds; empty if there is none.
    pub(crate) fn read(&self, path: &Path) -> String {
        self.node().host().read(path).unwrap_or_default()
    }

    pub(crate) fn number(&self, path: &Path) -> i64 {
        self.read(path).parse().unwrap_or(-1)
    }

    pub(crate) fn set(&self, path: &Path, value: &str) {
        if self.node().host().exists(path) {
            self.node().set_attribute(path, value.trim()).unwrap();
        }
    }

    pub(crate) fn names(&self, folder: &Path, start: &str) -> Vec<PathBuf> {
        let names = self.node().host().names(folder).unwrap_or_default();
        names.iter().filter(|name| name.starts_with(start)).map(|name| folder.join(name)).collect()
    }
}

impl Attributes for Kernel {
    fn write(&self, path: &Path, value: &str) -> Done {
        self.written.lock().unwrap().push((path.to_owned(), value.to_owned()));
        let shown = path.to_str().unwrap();
        check(!self.is_refused(shown), EBUSY)?;
        if self.ignored.lock().unwrap().iter().any(|name| shown.ends_with(name)) {
            return Ok(());
        }
        let words: Vec<&str> = shown.split('/').collect();
        match words.as_slice() {
            ["", "sys", "bus", bus, "drivers", driver, file] => self.bind(bus, driver, file, value),
            [.., "driver_override"] => {
                self.set(path, value);
                Ok(())
            }
            _ => self.attribute(path, value.trim()),
        }
    }
}
