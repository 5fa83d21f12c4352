//! The numbers by which FUSE knows paths.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fuser::FUSE_ROOT_ID;

/// A path keeps its number for ever, so that a mount on it stays when the kernel looks the path up again.
#[derive(Debug)]
pub(crate) struct Paths {
    /// From `FUSE_ROOT_ID` on.
    paths: Vec<PathBuf>,
    numbers: BTreeMap<PathBuf, u64>,
}

impl Paths {
    pub(crate) fn from(root: &Path) -> Self {
        let numbers = BTreeMap::from([(root.to_owned(), FUSE_ROOT_ID)]);
        Self { paths: vec![root.to_owned()], numbers }
    }

    pub(crate) fn path(&self, number: u64) -> Option<&Path> {
        let index = usize::try_from(number.checked_sub(FUSE_ROOT_ID)?).ok()?;
        self.paths.get(index).map(PathBuf::as_path)
    }

    pub(crate) fn number(&mut self, path: &Path) -> u64 {
        if let Some(number) = self.numbers.get(path) {
            return *number;
        }
        let number = FUSE_ROOT_ID + self.paths.len() as u64;
        self.paths.push(path.to_owned());
        self.numbers.insert(path.to_owned(), number);
        number
    }
}
