//! Device nodes: the special files below `/dev`.

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
        let fail = |e: rustix::io::Errno| HostError::new("look at", path, e);
        let fd = self.open(path, OFlags::PATH).map_err(fail)?;
        let stat = rfs::fstat(&fd).map_err(fail)?;
        let block = match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice => false,
            FileType::BlockDevice => true,
            FileType::RegularFile if self.is_simulated() => return self.stand_in(path),
            other => return Err(HostError::invalid(path, format!("not a device node but a {other:?}"))),
        };
        Ok(DeviceNumber { block, major: rfs::major(stat.st_rdev), minor: rfs::minor(stat.st_rdev) })
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
        parse().ok_or_else(|| HostError::invalid(path, "a plain file where a device node is expected".to_owned()))
    }
}
