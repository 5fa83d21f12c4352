//! Device nodes: the special files below `/dev`.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self as rfs, FileType, OFlags};

use crate::{Host, HostError};

/// What a device node stands for: a driver's number and the device's number within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNumber {
    /// A block device; otherwise a character device.
    pub block: bool,
    /// The driver's number.
    pub major: u32,
    /// The device's number.
    pub minor: u32,
}

impl Host {
    /// The number of the device node at `path`, links followed.
    ///
    /// Anything that is no device node is an error, with one exception: below the root of a simulated node a plain file
    /// may stand in for a node that an ordinary user cannot make. It holds `c MAJOR:MINOR` or `b MAJOR:MINOR`.
    pub fn device_number(&self, path: impl AsRef<Path>) -> Result<DeviceNumber, HostError> {
        let path = path.as_ref();
        let stat = self.stat(path).map_err(|e| HostError::new("look at", path, e))?;
        let block = match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice => false,
            FileType::BlockDevice => true,
            FileType::RegularFile if self.is_simulated() => return self.stand_in(path),
            other => {
                return Err(HostError::invalid(path, format!("not a device node but a {other:?}")));
            }
        };
        Ok(DeviceNumber { block, major: rfs::major(stat.st_rdev), minor: rfs::minor(stat.st_rdev) })
    }

    /// Opens the device node at `path`, links followed, for reading and writing: to ask its driver for something. With
    /// `exclusive` the driver is asked that nobody else may open it (`O_EXCL`), which not every driver heeds.
    ///
    /// The path must be one of a device node, or of what stands in for it, as for [`device_number`](Self::device_number).
    pub fn open_device(&self, path: impl AsRef<Path>, exclusive: bool) -> Result<OwnedFd, HostError> {
        let path = path.as_ref();
        // Opening anything else could hang or do harm.
        self.device_number(path)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | if exclusive { OFlags::EXCL } else { OFlags::empty() };
        self.open(path, flags).map_err(|e| HostError::new("open", path, e))
    }

    fn stand_in(&self, path: &Path) -> Result<DeviceNumber, HostError> {
        let text = self.read(path)?;
        let parse = || {
            let (kind, numbers) = text.split_once(' ')?;
            let (major, minor) = numbers.split_once(':')?;
            let block = match kind {
                "b" => true,
                "c" => false,
                _ => return None,
            };
            Some(DeviceNumber { block, major: major.parse().ok()?, minor: minor.parse().ok()? })
        };
        parse().ok_or_else(|| {
            let stand_in = "a plain file which does not stand in for a device node with `c MAJOR:MINOR`";
            HostError::invalid(path, stand_in.to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn message(error: &HostError) -> String {
        format!("{error}: {}", error.source)
    }

    #[test]
    fn a_device_node_has_a_number() {
        let null = DeviceNumber { block: false, major: 1, minor: 3 };
        assert_eq!(Host::real().device_number("/dev/null").unwrap(), null);
        assert!(Host::real().device_number("/dev/no such device").unwrap_err().is_not_found());
    }

    #[test]
    fn a_plain_file_stands_in_on_a_simulated_node() {
        let tree = Tree::new();
        tree.file("/dev/dri/card0", "c 226:0\n")
            .file("/dev/sda", "b 8:0")
            .link("/dev/char/226:0", "../dri/card0");
        let host = tree.host();
        let card = DeviceNumber { block: false, major: 226, minor: 0 };
        assert_eq!(host.device_number("/dev/dri/card0").unwrap(), card);
        assert_eq!(host.device_number("/dev/char/226:0").unwrap(), card);
        let disk = DeviceNumber { block: true, major: 8, minor: 0 };
        assert_eq!(host.device_number("/dev/sda").unwrap(), disk);
    }

    #[test]
    fn only_device_nodes_are_opened() {
        let tree = Tree::new();
        tree.file("/dev/card0", "c 226:0\n").file("/dev/note", "text").folder("/dev/dri");
        let host = tree.host();
        host.open_device("/dev/card0", false).unwrap();
        host.open_device("/dev/card0", true).unwrap();
        for path in ["/dev/note", "/dev/dri"] {
            assert_eq!(host.open_device(path, false).unwrap_err().path, Path::new(path));
        }
        assert!(host.open_device("/dev/none", false).unwrap_err().is_not_found());
        Host::real().open_device("/dev/null", false).unwrap();
    }

    #[test]
    fn nothing_stands_in_on_the_real_node() {
        let tree = Tree::new();
        tree.file("/card0", "c 226:0");
        let error = Host::real().device_number(tree.at("/card0")).unwrap_err();
        assert!(message(&error).contains("not a device node but a RegularFile"), "{}", message(&error));
    }

    #[test]
    fn what_is_no_device_node_is_an_error() {
        let tree = Tree::new();
        tree.folder("/dev/folder")
            .link("/dev/one", "two")
            .link("/dev/two", "one")
            .link("/dev/dangling", "nothing");
        let host = tree.host();
        assert!(message(&host.device_number("/dev/folder").unwrap_err()).contains("a Directory"));
        assert!(!host.device_number("/dev/one").unwrap_err().is_not_found());
        assert!(host.device_number("/dev/dangling").unwrap_err().is_not_found());
        for text in ["", "c", "c 226", "c 226:", "d 1:2", "c 1:2:3", "c -1:2", "c 4294967296:0"] {
            tree.file("/dev/card0", text);
            let error = host.device_number("/dev/card0").unwrap_err();
            assert!(message(&error).contains("does not stand in"), "{text}: {}", message(&error));
        }
    }
}
