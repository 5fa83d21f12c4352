//! Files to read, and a store to find them in.

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};

use fpga_bitstream::{Bitstream, Error, Id, Malformed, Name, Store, writer};
use host::Host;
use tempfile::TempDir;

pub(crate) const INTERFACE: &str = "69528db6eb31577a8c3668f9faa081f6";
pub(crate) const AFU: &str = "d8424dc4a4a3c413f89e433683f9040b";
/// What all programs of the compiler report.
pub(crate) const OPENCL: &str = "18b79ffa2ee54aa096ef4230dafacb5f";
pub(crate) const HASH: &str = "51d09f7db1d0f3a8b5e9b41c0f0d3a4e6f7a8b9c";

pub(crate) fn id(text: &str) -> Id {
    text.parse().unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A good GBS file.
pub(crate) fn gbs() -> Vec<u8> {
    writer::gbs(id(INTERFACE), id(AFU), b"bits")
}

/// A good AOCX file.
pub(crate) fn aocx() -> Vec<u8> {
    writer::aocx(HASH, &writer::gbs(id(INTERFACE), id(OPENCL), b"bits"))
}

/// What comes of a file of this name and content.
pub(crate) fn read(file_name: &str, content: &[u8]) -> Result<Bitstream, Error> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(file_name);
    fs::write(&path, content).unwrap();
    Bitstream::open(path)
}

/// What is wrong with such a file.
pub(crate) fn problem(file_name: &str, content: &[u8]) -> Malformed {
    match read(file_name, content).unwrap_err() {
        Error::Malformed { path, problem } => {
            assert!(path.ends_with(file_name));
            problem
        }
        error => panic!("{error:?}"),
    }
}

/// The error's whole text.
pub(crate) fn chain(error: &Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

/// A simulated node with a store.
pub(crate) struct Scene {
    pub(crate) root: TempDir,
    pub(crate) store: Store,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let root = TempDir::new().unwrap();
        fs::create_dir_all(root.path().join("srv/intel.com/fpga")).unwrap();
        let store = Store::new(&Host::at(root.path()).unwrap(), Store::DEFAULT);
        Self { root, store }
    }

    /// A path of the store, outside of the node.
    pub(crate) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.path().join("srv/intel.com/fpga").join(path)
    }

    /// A file below the store.
    pub(crate) fn with(self, path: &str, content: &[u8]) -> Self {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// The names below a folder of the store.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(folder)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}
