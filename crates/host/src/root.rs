//! The root folder and the reads below it.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{self as rfs, Mode, OFlags, ResolveFlags};

/// No attribute that we read is longer than a page (`Documentation/filesystems/sysfs.rst`); the few files in `/proc` and
/// debugfs that are get room too, and a file that never ends cannot fill the memory.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// A node, real or simulated. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Host {
    root: Arc<Root>,
}

#[derive(Debug)]
struct Root {
    path: PathBuf,
    /// `None` for `/`, where nothing can leave the root.
    folder: Option<OwnedFd>,
}

/// A path of the node that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}", path.display())]
pub struct HostError {
    /// What was tried, as a verb: "read", "list", "follow".
    pub operation: &'static str,
    /// The path as the node sees it, without the root.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl HostError {
    pub(crate) fn new(operation: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self { operation, path: path.to_owned(), source: source.into() }
    }

    /// The file has content that this attribute cannot have.
    pub(crate) fn invalid(path: &Path, message: String) -> Self {
        Self::new("understand", path, io::Error::new(io::ErrorKind::InvalidData, message))
    }

    /// Whether the path just is not there, as opposed to being unreadable.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

impl Host {
    /// The node that this process runs on.
    pub fn real() -> Self {
        Self { root: Arc::new(Root { path: PathBuf::from("/"), folder: None }) }
    }

    /// The node below `root`; `/` and the empty path are the real one.
    pub fn at(root: impl AsRef<Path>) -> Result<Self, HostError> {
        let root = root.as_ref();
        if root.as_os_str().is_empty() {
            return Ok(Self::real());
        }
        let path = root.canonicalize().map_err(|e| HostError::new("use as the root folder", root, e))?;
        if path == Path::new("/") {
            return Ok(Self::real());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rfs::open(&path, flags, Mode::empty())
            .map_err(|e| HostError::new("use as the root folder", root, e))?;
        Ok(Self { root: Arc::new(Root { path, folder: Some(folder) }) })
    }

    /// Whether the root is a folder of a simulated node.
    pub fn is_simulated(&self) -> bool {
        self.root.folder.is_some()
    }

    /// Where `path` of the node lies for other processes of this machine: the root and the path joined. This is what the
    /// container runtime must be told.
    pub fn outside(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.path.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Whether `path`, with links followed, is there.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.open(path.as_ref(), OFlags::PATH).is_ok()
    }

    /// The text of a small file, white space trimmed from both ends.
    ///
    /// A file that is not UTF-8, or that is larger than any attribute, is an error.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<String, HostError> {
        let path = path.as_ref();
        // NONBLOCK: a pipe or a device in an attribute's place must not hang discovery.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = std::fs::File::from(self.open(path, flags).map_err(|e| HostError::new("read", path, e))?);
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| HostError::new("read", path, e))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(HostError::invalid(path, format!("more than {MAX_FILE_BYTES} bytes")));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(e) => Err(HostError::invalid(path, format!("not text: {e}"))),
        }
    }

    /// The names in a folder, sorted by bytes, without `.` and `..`. Names that are not UTF-8 are left out: neither the
    /// kernel nor udev makes any.
    pub fn names(&self, folder: impl AsRef<Path>) -> Result<Vec<String>, HostError> {
        let folder = folder.as_ref();
        let fail = |e: rustix::io::Errno| HostError::new("list", folder, e);
        let fd = self.open(folder, OFlags::RDONLY | OFlags::DIRECTORY).map_err(fail)?;
        let mut names = Vec::new();
        for entry in rfs::Dir::new(fd).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The last part of what the link at `path` points to: a device's driver, its IOMMU group, its subsystem.
    pub fn link_name(&self, path: impl AsRef<Path>) -> Result<String, HostError> {
        let path = path.as_ref();
        let target = self.link_target(path)?;
        match target.file_name().and_then(OsStr::to_str) {
            Some(name) => Ok(name.to_owned()),
            None => Err(HostError::invalid(path, format!("points to {}, which has no name", target.display()))),
        }
    }

    /// The text of the link at `path`, not followed.
    pub fn link_target(&self, path: impl AsRef<Path>) -> Result<PathBuf, HostError> {
        let path = path.as_ref();
        let fail = |e: rustix::io::Errno| HostError::new("follow", path, e);
        let link = self.open(path, OFlags::PATH | OFlags::NOFOLLOW).map_err(fail)?;
        let target = rfs::readlinkat(&link, c"", Vec::new()).map_err(fail)?;
        Ok(PathBuf::from(OsStr::from_bytes(target.as_bytes())))
    }

    /// `path` as the node sees it with every link followed.
    pub fn resolve(&self, path: impl AsRef<Path>) -> Result<PathBuf, HostError> {
        let path = path.as_ref();
        let fail = |e: rustix::io::Errno| HostError::new("follow", path, e);
        let fd = self.open(path, OFlags::PATH).map_err(fail)?;
        let magic = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
        let real = rfs::readlink(magic, Vec::new()).map_err(fail)?;
        let real = Path::new(OsStr::from_bytes(real.as_bytes()));
        let inside = real.strip_prefix(&self.root.path).unwrap_or(real);
        Ok(Path::new("/").join(inside))
    }

    /// Opens `path` below the root, never outside.
    pub(crate) fn open(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        match &self.root.folder {
            None => rfs::open(path, flags, Mode::empty()),
            Some(folder) => rfs::openat2(folder, path, flags, Mode::empty(), ResolveFlags::IN_ROOT),
        }
    }
}
