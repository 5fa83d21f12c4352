//! What is at a path, whose it is, and who may use it: for those who explain a node rather than use it.

use std::os::fd::AsRawFd as _;
use std::path::Path;

use rustix::fs::{self as rfs, FileType, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::{Host, HostError};

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A plain file.
    File,
    /// A folder.
    Folder,
    /// A character or block device.
    Device,
    /// A Unix socket.
    Socket,
    /// A pipe.
    Other,
}

/// What is at a path, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// The permissions, such as `0o660`.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// Whether a file system takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It does.
    Some,
    /// It has no space left.
    Full,
    /// It is mounted read-only.
    ReadOnly,
}

impl Host {
    /// What is at `path`, links followed. It is not opened, so it takes no right to read it.
    pub fn metadata(&self, path: impl AsRef<Path>) -> Result<Metadata, HostError> {
        let path = path.as_ref();
        let stat = self.stat(path).map_err(|e| HostError::new("look at", path, e))?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::CharacterDevice | FileType::BlockDevice => Kind::Device,
            FileType::Socket => Kind::Socket,
            _ => Kind::Other,
        };
        Ok(Metadata { kind, mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid })
    }

    /// At most `limit` bytes of a plain file that may be larger than attributes are, and whether that is all of it.
    pub fn read_bytes(&self, path: impl AsRef<Path>, limit: usize) -> Result<(Vec<u8>, bool), HostError> {
        let path = path.as_ref();
        let file = self.open_plain(path, OFlags::RDONLY)?;
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        while bytes.len() <= limit {
            let read = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut piece));
            match read.map_err(|e| HostError::new("read", path, e))? {
                0 => break,
                count => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
            }
        }
        let is_whole = bytes.len() <= limit;
        bytes.truncate(limit);
        Ok((bytes, is_whole))
    }

    /// Whether the file system of `path` takes writes at all, whoever asks.
    pub fn room(&self, path: impl AsRef<Path>) -> Result<Room, HostError> {
        let path = path.as_ref();
        let look = || rfs::fstatvfs(self.open(path, OFlags::PATH)?);
        let stat = look().map_err(|e| HostError::new("look at", path, e))?;
        Ok(if stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
            Room::ReadOnly
        } else if stat.f_blocks > 0 && stat.f_bavail == 0 {
            Room::Full
        } else {
            Room::Some
        })
    }

    /// The security label of what is at `path` (`security.selinux`), such as `system_u:object_r:container_file_t:s0`; `None`
    /// where it has none.
    pub fn security_label(&self, path: impl AsRef<Path>) -> Result<Option<String>, HostError> {
        let path = path.as_ref();
        let fail = |e: Errno| HostError::new("look at the label of", path, e);
        let file = self.open(path, OFlags::PATH).map_err(fail)?;
        let mut label = [0; 256];
        let place = format!("/proc/self/fd/{}", file.as_raw_fd());
        match rfs::getxattr(place, c"security.selinux", &mut label) {
            Ok(count) => {
                let text = String::from_utf8_lossy(label.get(..count).unwrap_or_default());
                Ok(Some(text.trim_end_matches('\0').to_owned()))
            }
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
            Err(error) => Err(fail(error)),
        }
    }

    /// Whether a program listens on the Unix socket at `path`. It sees a connection that ends at once.
    pub fn is_listened_on(&self, path: impl AsRef<Path>) -> Result<bool, HostError> {
        let path = path.as_ref();
        let fail = |e: Errno| HostError::new("connect to", path, e);
        // A socket's path has 107 bytes at most, which the way to it may exceed.
        let file = self.open(path, OFlags::PATH).map_err(fail)?;
        let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(fail)?;
        // Not waiting: the program may be stopped.
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(fail)?;
        match net::connect(&socket, &address) {
            // More wait than it has room for.
            Ok(()) | Err(Errno::AGAIN) => Ok(true),
            Err(Errno::CONNREFUSED) => Ok(false),
            Err(error) => Err(fail(error)),
        }
    }

    /// Whether this is the user that may see everything.
    pub fn is_root() -> bool {
        // The owner of one's own folder in /proc; there is no other way without a new dependency.
        rfs::stat("/proc/self").is_ok_and(|stat| stat.st_uid == 0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::tree::Tree;

    #[test]
    fn a_path_says_what_it_is_and_who_may_use_it() {
        let tree = Tree::new();
        tree.file("/a/file", "text").link("/link", "a/file");
        std::fs::set_permissions(tree.at("/a/file"), Permissions::from_mode(0o640)).unwrap();
        let host = tree.host();
        let found = host.metadata("/link").unwrap();
        assert_eq!((found.kind, found.mode), (Kind::File, 0o640));
        assert_eq!(host.metadata("/a").unwrap().kind, Kind::Folder);
        assert_eq!(Host::real().metadata("/dev/null").unwrap().kind, Kind::Device);
        assert!(host.metadata("/none").unwrap_err().is_not_found());
        assert_eq!(host.room("/a/file").unwrap(), Room::Some);
        assert!(host.room("/none").unwrap_err().is_not_found());
    }

    #[test]
    fn no_more_is_read_than_the_limit() {
        let tree = Tree::new();
        tree.file("/file", "x".repeat(10_000)).folder("/folder");
        let host = tree.host();
        for (limit, length, is_whole) in [(0, 0, false), (5000, 5000, false), (10_000, 10_000, true)] {
            let (bytes, whole) = host.read_bytes("/file", limit).unwrap();
            assert_eq!((bytes.len(), whole), (length, is_whole), "{limit}");
        }
        assert!(host.read_bytes("/folder", 10).is_err());
        assert!(host.read_bytes("/none", 10).unwrap_err().is_not_found());
    }

    #[test]
    fn a_socket_is_listened_on_until_its_program_has_gone() {
        let tree = Tree::new();
        let folder = format!("/{}", "long/".repeat(30));
        tree.folder(&folder).file("/file", "");
        let host = tree.host();
        let path = format!("{folder}s");
        // The path is too long to be bound to.
        let near = tree.at("/s");
        let listener = UnixListener::bind(&near).unwrap();
        std::fs::rename(near, tree.at(&path)).unwrap();
        assert_eq!(host.metadata(&path).unwrap().kind, Kind::Socket);
        assert!(host.is_listened_on(&path).unwrap());
        drop(listener);
        assert!(!host.is_listened_on(&path).unwrap());
        assert!(host.is_listened_on("/none").unwrap_err().is_not_found());
    }

    #[test]
    fn a_path_without_a_label_has_none() {
        let tree = Tree::new();
        tree.file("/file", "");
        let host = tree.host();
        // Where SELinux is on, all have one.
        let label = host.security_label("/file").unwrap();
        assert!(label.is_none_or(|label| label.split(':').count() >= 4));
        assert!(host.security_label("/none").unwrap_err().is_not_found());
    }
}
