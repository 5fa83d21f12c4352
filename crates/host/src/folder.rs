//! A folder that is held open: much is read below it, and the way to it is walked once.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self as rfs, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::below::open_below;
use crate::root::{READ, names_of, text_of};
use crate::{Host, HostError};

/// An open folder of a node. What is read is of this folder even if another has taken its place: of a device that is gone,
/// every attribute [is not found](HostError::is_not_found).
#[derive(Debug)]
pub struct Folder {
    host: Host,
    path: PathBuf,
    descriptor: OwnedFd,
}

impl Host {
    /// Opens the folder at `path`, links followed.
    pub fn folder(&self, path: impl AsRef<Path>) -> Result<Folder, HostError> {
        let path = path.as_ref();
        let descriptor = self
            .open(path, OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(|error| HostError::new("list", path, error))?;
        Ok(Folder { host: self.clone(), path: path.to_owned(), descriptor })
    }
}

impl Folder {
    /// The path by which it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As [`Host::names`], of this folder.
    pub fn names(&self) -> Result<Vec<String>, HostError> {
        let folder = rfs::Dir::read_from(&self.descriptor);
        folder.and_then(names_of).map_err(|error| HostError::new("list", &self.path, error))
    }

    /// As [`Host::read`], of a file below this folder; `name` is the way from it.
    pub fn read(&self, name: impl AsRef<Path>) -> Result<String, HostError> {
        let path = self.path.join(&name);
        match self.open(name.as_ref()) {
            Ok(file) => text_of(file, &path),
            // A link leads out of the folder; where in the node, only the whole path can tell.
            Err(Errno::XDEV) => self.host.read(&path),
            Err(error) => Err(HostError::new("read", &path, error)),
        }
    }

    /// Below a prefix, `name` does not lead out of the folder.
    fn open(&self, name: &Path) -> rustix::io::Result<OwnedFd> {
        let flags = READ | OFlags::CLOEXEC;
        if self.host.is_simulated() {
            open_below(&self.descriptor, name, flags, Mode::empty(), ResolveFlags::BENEATH)
        } else {
            rfs::openat(&self.descriptor, name, flags, Mode::empty())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    #[test]
    fn what_is_below_a_folder_is_read() {
        let tree = Tree::new();
        tree.file("/sys/devices/a/state", "on\n").file("/sys/devices/a/queue/mode", "shared\n");
        tree.link("/sys/bus/a", "../devices/a");
        let folder = tree.host().folder("/sys/bus/a").unwrap();
        assert_eq!(folder.path(), Path::new("/sys/bus/a"));
        assert_eq!(folder.names().unwrap(), ["queue", "state"]);
        assert_eq!(folder.names().unwrap(), ["queue", "state"]);
        assert_eq!(folder.read("state").unwrap(), "on");
        assert_eq!(folder.read("queue/mode").unwrap(), "shared");
        let error = folder.read("queue/none").unwrap_err();
        assert!(error.is_not_found());
        assert_eq!(error.path, Path::new("/sys/bus/a/queue/none"));
        assert!(tree.host().folder("/sys/bus/b").unwrap_err().is_not_found());
        assert!(!tree.host().folder("/sys/bus/a/state").unwrap_err().to_string().is_empty());
    }

    #[test]
    fn a_link_out_of_the_folder_stays_below_the_root() {
        let tree = Tree::new();
        tree.file("/etc/passwd", "the node's\n").folder("/sys/a");
        tree.link("/sys/a/absolute", "/etc/passwd").link("/sys/a/up", "../../../../../../../../etc/passwd");
        let folder = tree.host().folder("/sys/a").unwrap();
        for name in ["absolute", "up", "/etc/passwd"] {
            assert_eq!(folder.read(name).unwrap(), "the node's", "{name}");
        }
    }

    #[test]
    fn what_is_no_attribute_is_an_error() {
        let tree = Tree::new();
        tree.folder("/sys/a/folder").file("/sys/a/binary", [0xff]).link("/sys/a/loop", "loop");
        let folder = tree.host().folder("/sys/a").unwrap();
        for name in ["folder", "binary", "loop"] {
            assert!(!folder.read(name).unwrap_err().is_not_found(), "{name}");
        }
    }

    #[test]
    fn a_folder_that_is_gone_has_nothing() {
        let tree = Tree::new();
        tree.file("/sys/a/state", "on\n");
        let folder = tree.host().folder("/sys/a").unwrap();
        std::fs::remove_dir_all(tree.at("/sys/a")).unwrap();
        assert!(folder.read("state").unwrap_err().is_not_found());
        assert_eq!(folder.names().unwrap_or_default(), [""; 0]);
    }

    #[test]
    fn what_takes_a_folders_place_is_not_read() {
        let tree = Tree::new();
        tree.file("/sys/a/old", "on\n");
        let folder = tree.host().folder("/sys/a").unwrap();
        std::fs::rename(tree.at("/sys/a"), tree.at("/sys/b")).unwrap();
        tree.file("/sys/a/new", "on\n");
        assert_eq!(folder.read("old").unwrap(), "on");
        assert!(folder.read("new").unwrap_err().is_not_found());
    }

    #[test]
    fn the_real_node_has_folders_too() {
        let folder = Host::real().folder("/proc/self").unwrap();
        assert!(folder.read("status").unwrap().starts_with("Name:"));
        assert!(folder.read("no such file").unwrap_err().is_not_found());
    }
}
