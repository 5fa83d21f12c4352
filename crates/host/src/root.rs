//! The root folder and the reads below it.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{self as rfs, Access, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::below::open_below;
use crate::write::Attributes;

/// No attribute that we read is longer than a page (`Documentation/filesystems/sysfs.rst`); the few files in `/proc` and
/// debugfs that are get room too, and a file that never ends cannot fill the memory.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// No attribute of sysfs is longer.
const PAGE: usize = 4096;

/// A pipe or a device in an attribute's place must not hang discovery.
pub(crate) const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// A node, real or simulated. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Host {
    root: Arc<Root>,
    /// Who is told of writes; the files themselves if nobody.
    pub(crate) attributes: Option<Arc<dyn Attributes>>,
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

    /// Whether the path just is not there, as opposed to being unreadable. An attribute that was opened before its device
    /// went counts too.
    pub fn is_not_found(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            || self.source.raw_os_error() == Some(Errno::NODEV.raw_os_error())
    }
}

impl Host {
    /// The node that this process runs on.
    pub fn real() -> Self {
        Self { root: Arc::new(Root { path: PathBuf::from("/"), folder: None }), attributes: None }
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
        Ok(Self { root: Arc::new(Root { path, folder: Some(folder) }), attributes: None })
    }

    /// Whether the root is a folder of a simulated node.
    pub fn is_simulated(&self) -> bool {
        self.root.folder.is_some()
    }

    /// Where `path` of the node lies for other processes of this machine: the root and the path joined, `..` taken out.
    /// This is what the container runtime must be told.
    pub fn outside(&self, path: impl AsRef<Path>) -> PathBuf {
        let mut inside = PathBuf::new();
        for part in path.as_ref().components() {
            match part {
                Component::Normal(name) => inside.push(name),
                Component::ParentDir => _ = inside.pop(),
                Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
            }
        }
        self.root.path.join(inside)
    }

    /// Whether `path`, with links followed, is there.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        let path = path.as_ref();
        if self.root.folder.is_none() {
            return rfs::access(&*absolute(path), Access::EXISTS).is_ok();
        }
        self.open(path, OFlags::PATH).is_ok()
    }

    /// Whether the folder at `path` was removed while something keeps it: it is a mount of a folder that the node does not
    /// have any more, so nothing will ever appear in it.
    pub fn is_removed_folder(&self, path: impl AsRef<Path>) -> bool {
        let folder = self.open(path.as_ref(), OFlags::PATH | OFlags::DIRECTORY);
        folder.and_then(rfs::fstat).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// The text of a small file, white space trimmed from both ends.
    ///
    /// Anything but a plain file is an error, and so is one that is not UTF-8 or larger than any attribute.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<String, HostError> {
        self.read_up_to(path, MAX_FILE_BYTES)
    }

    /// As [`Host::read`], for a file that may have up to `limit` bytes: no attribute, but one of `/proc` that grows with the
    /// machine, or one that no kernel makes.
    pub fn read_up_to(&self, path: impl AsRef<Path>, limit: u64) -> Result<String, HostError> {
        let path = path.as_ref();
        let file = self.open(path, READ).map_err(|error| HostError::new("read", path, error))?;
        text_up_to(file, path, limit)
    }

    /// The names in a folder, sorted by bytes, without `.` and `..`. Names that are not UTF-8 are left out: neither the
    /// kernel nor udev makes any.
    pub fn names(&self, folder: impl AsRef<Path>) -> Result<Vec<String>, HostError> {
        let folder = folder.as_ref();
        let fail = |e: Errno| HostError::new("list", folder, e);
        let fd = self.open(folder, OFlags::RDONLY | OFlags::DIRECTORY).map_err(fail)?;
        rfs::Dir::new(fd).and_then(names_of).map_err(fail)
    }

    /// The folder at `path`, for calls that begin at one (`openat(2)`). It cannot be listed.
    pub fn open_folder(&self, path: impl AsRef<Path>) -> Result<OwnedFd, HostError> {
        let path = path.as_ref();
        let folder = self.open(path, OFlags::PATH | OFlags::DIRECTORY);
        folder.map_err(|e| HostError::new("open", path, e))
    }

    /// The last part of what the link at `path` points to: a device's driver, its IOMMU group, its subsystem.
    pub fn link_name(&self, path: impl AsRef<Path>) -> Result<String, HostError> {
        let path = path.as_ref();
        let target = self.link_target(path)?;
        match target.file_name().and_then(OsStr::to_str) {
            Some(name) => Ok(name.to_owned()),
            None => {
                Err(HostError::invalid(path, format!("points to {}, which has no name", target.display())))
            }
        }
    }

    /// The text of the link at `path`, not followed.
    pub fn link_target(&self, path: impl AsRef<Path>) -> Result<PathBuf, HostError> {
        let path = path.as_ref();
        let fail = |e: Errno| HostError::new("follow", path, e);
        let target = if self.root.folder.is_none() {
            rfs::readlink(&*absolute(path), Vec::new()).map_err(|e| match e {
                Errno::INVAL => HostError::invalid(path, "not a link".to_owned()),
                e => fail(e),
            })?
        } else {
            let link = self.open(path, OFlags::PATH | OFlags::NOFOLLOW).map_err(fail)?;
            rfs::readlinkat(&link, c"", Vec::new()).map_err(|e| match e {
                // What the kernel says of an open file that is no link.
                Errno::NOENT => HostError::invalid(path, "not a link".to_owned()),
                e => fail(e),
            })?
        };
        Ok(PathBuf::from(OsStr::from_bytes(target.as_bytes())))
    }

    /// `path` as the node sees it with every link followed.
    pub fn resolve(&self, path: impl AsRef<Path>) -> Result<PathBuf, HostError> {
        let path = path.as_ref();
        let fail = |e: Errno| HostError::new("follow", path, e);
        let fd = self.open(path, OFlags::PATH).map_err(fail)?;
        let magic = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
        let real = rfs::readlink(magic, Vec::new()).map_err(fail)?;
        let real = real.as_bytes();
        if real.ends_with(b" (deleted)") {
            return Err(fail(Errno::NOENT));
        }
        let inside = Path::new(OsStr::from_bytes(real)).strip_prefix(&self.root.path);
        let inside =
            inside.ok().ok_or_else(|| HostError::invalid(path, "the root folder was moved".to_owned()))?;
        Ok(Path::new("/").join(inside))
    }

    /// Whether there is a file at `path` that nobody may read, such as a driver's `bind`.
    pub fn is_write_only(&self, path: impl AsRef<Path>) -> bool {
        let any = Mode::RUSR | Mode::RGRP | Mode::ROTH;
        self.stat(path.as_ref()).is_ok_and(|stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                && !Mode::from_raw_mode(stat.st_mode).intersects(any)
        })
    }

    /// What `path`, with links followed, is.
    pub(crate) fn stat(&self, path: &Path) -> rustix::io::Result<Stat> {
        if self.root.folder.is_none() {
            return rfs::stat(&*absolute(path));
        }
        rfs::fstat(self.open(path, OFlags::PATH)?)
    }

    /// Opens `path`, which must be a plain file.
    pub(crate) fn open_plain(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, HostError> {
        let fail = |e: Errno| HostError::new("read", path, e);
        // NONBLOCK: a pipe or a device in an attribute's place must not hang discovery.
        let file = self.open(path, flags | OFlags::NONBLOCK | OFlags::NOCTTY).map_err(fail)?;
        check_plain(&file, path)?;
        Ok(file)
    }

    /// Opens `path` below the root, never outside.
    pub(crate) fn open(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o644) } else { Mode::empty() };
        match &self.root.folder {
            None => rfs::open(&*absolute(path), flags | OFlags::CLOEXEC, mode),
            Some(folder) => open_below(folder, path, flags, mode, ResolveFlags::IN_ROOT),
        }
    }
}

/// The text of an open file; `path` is where it is.
pub(crate) fn text_of(file: OwnedFd, path: &Path) -> Result<String, HostError> {
    text_up_to(file, path, MAX_FILE_BYTES)
}

fn text_up_to(file: OwnedFd, path: &Path, limit: u64) -> Result<String, HostError> {
    let fail = |e: io::Error| HostError::new("read", path, e);
    let mut file = File::from(file);
    let is_attribute = is_attribute(path);
    if !is_attribute {
        check_plain(&file, path)?;
    }
    let mut page = [0; PAGE];
    let count = match file.read(&mut page) {
        Ok(count) => count,
        Err(error) => return Err(check_plain(&file, path).err().unwrap_or_else(|| fail(error))),
    };
    let mut bytes = Cow::Borrowed(page.get(..count).unwrap_or_default());
    // The kernel gives an attribute of sysfs in one piece; all else is asked until there is no more.
    if count == PAGE || !is_attribute {
        file.by_ref().take(limit).read_to_end(bytes.to_mut()).map_err(fail)?;
    }
    if bytes.is_empty() {
        // A pipe into which nobody writes, and the like.
        check_plain(&file, path)?;
    }
    if bytes.len() as u64 > limit {
        return Err(HostError::invalid(path, format!("more than {limit} bytes")));
    }
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(e) => Err(HostError::invalid(path, format!("not text: {e}"))),
    }
}

/// The names in an open folder.
pub(crate) fn names_of(folder: rfs::Dir) -> rustix::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in folder {
        match entry?.file_name().to_str() {
            Ok("." | "..") | Err(_) => {}
            Ok(name) => names.push(name.to_owned()),
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// At the real root a path needs no file descriptor to begin at, and a look at it is one system call instead of three.
fn absolute(path: &Path) -> Cow<'_, Path> {
    if path.is_absolute() { Cow::Borrowed(path) } else { Cow::Owned(Path::new("/").join(path)) }
}

/// Whether the path is one of sysfs, and not of a file system that is mounted in it.
fn is_attribute(path: &Path) -> bool {
    // Comparing part by part would cost as much as the system calls.
    let path = path.as_os_str().as_bytes();
    path.starts_with(b"/sys/") && !path.starts_with(b"/sys/kernel/debug")
}

fn check_plain(file: impl AsFd, path: &Path) -> Result<(), HostError> {
    let stat = rfs::fstat(file).map_err(|e| HostError::new("read", path, e))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        other => Err(HostError::invalid(path, format!("not a plain file but a {other:?}"))),
    }
}

#[cfg(test)]
mod tests;
