//! A tree of files for tests.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Host;

/// A folder that stands for a node's root, and that its owner may fill.
pub(crate) struct Tree(TempDir);

impl Tree {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn host(&self) -> Host {
        Host::at(self.0.path()).unwrap()
    }

    /// Where a path of the node really is.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn folder(&self, path: &str) -> &Self {
        std::fs::create_dir_all(self.at(path)).unwrap();
        self
    }

    pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        self.make_parent(path);
        std::fs::write(self.at(path), content).unwrap();
        self
    }

    pub(crate) fn link(&self, path: &str, target: &str) -> &Self {
        self.make_parent(path);
        symlink(target, self.at(path)).unwrap();
        self
    }

    fn make_parent(&self, path: &str) {
        let path = self.at(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
    }
}
