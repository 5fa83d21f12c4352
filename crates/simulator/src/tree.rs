//! The folder that holds a simulated node: making, changing and removing single things in it.
//!
//! No operation leaves the root. Those that a profile asks for follow no links at all, so that a path says where a
//! thing really is; those that a test asks for follow links in the folders of the path, inside the root, but never the
//! last name.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use host::DeviceNumber;
use rustix::fs::{self as rfs, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::SimulatorError;

/// Where a new content is written before it takes the place of the old one.
const SCRATCH_FILE: &str = ".new-content";

const FILE_MODE: Mode = Mode::from_raw_mode(0o644);
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);
/// Not for everybody: on a machine that has the hardware, the nodes work.
const NODE_MODE: Mode = Mode::from_raw_mode(0o660);

/// What is done with the links in the folders of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    Refuse,
    Follow,
}

#[derive(Debug)]
pub(crate) struct Tree {
    path: PathBuf,
    root: OwnedFd,
    /// Plain files stand in for device nodes.
    stand_ins: bool,
}

impl Tree {
    /// The tree in the folder `root`, which is made if it is not there.
    pub(crate) fn open(root: &Path, stand_ins: bool) -> Result<Self, SimulatorError> {
        let fail = |e: io::Error| SimulatorError::io("make the folder", root, e);
        std::fs::create_dir_all(root).map_err(fail)?;
        let path = root.canonicalize().map_err(fail)?;
        if path == Path::new("/") {
            return Err(SimulatorError::Root { path, message: "it is the root of this machine" });
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rfs::open(&path, flags, Mode::empty()).map_err(|e| fail(e.into()))?;
        Ok(Self { path, root, stand_ins })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder; one that is there already is as good.
    pub(crate) fn make_folder(&self, path: &Path) -> Result<(), SimulatorError> {
        self.within(path, "make the folder", Links::Refuse, |parent, name| {
            match rfs::mkdirat(parent, name, FOLDER_MODE) {
                // A link to a folder would not do, nor would a file.
                Err(Errno::EXIST) => open_folder(parent, name, OFlags::PATH).map(drop),
                other => other,
            }
        })
    }

    pub(crate) fn make_file(&self, path: &Path, content: &[u8]) -> Result<(), SimulatorError> {
        self.within(path, "make the file", Links::Refuse, |parent, name| write_new(parent, name, content))
    }

    pub(crate) fn make_link(&self, path: &Path, target: &Path) -> Result<(), SimulatorError> {
        self.within(path, "make the link", Links::Refuse, |parent, name| rfs::symlinkat(target, parent, name))
    }

    /// Makes a device node, or a stand-in for it where this process may not.
    pub(crate) fn make_node(&self, path: &Path, number: DeviceNumber) -> Result<(), SimulatorError> {
        let DeviceNumber { block, major, minor } = number;
        self.within(path, "make the device node", Links::Refuse, |parent, name| {
            if !self.stand_ins {
                let kind = if block { FileType::BlockDevice } else { FileType::CharacterDevice };
                match rfs::mknodat(parent, name, kind, NODE_MODE, rfs::makedev(major, minor)) {
                    Err(Errno::PERM) => {}
                    other => return other,
                }
            }
            let kind = if block { 'b' } else { 'c' };
            write_new(parent, name, format!("{kind} {major}:{minor}\n").as_bytes())
        })
    }

    /// Makes `path` a file with `content` in one step, whatever file or link or empty folder it was.
    pub(crate) fn replace_file(&self, path: &Path, content: &[u8]) -> Result<(), SimulatorError> {
        self.within(path, "write", Links::Follow, |parent, name| {
            match rfs::unlinkat(&self.root, SCRATCH_FILE, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(e) => return Err(e),
            }
            write_new(&self.root, OsStr::new(SCRATCH_FILE), content)?;
            match rfs::renameat(&self.root, SCRATCH_FILE, parent, name) {
                Err(Errno::ISDIR) => {
                    rfs::unlinkat(parent, name, AtFlags::REMOVEDIR)?;
                    rfs::renameat(&self.root, SCRATCH_FILE, parent, name)
                }
                other => other,
            }
        })
    }

    /// Makes `path` a link to what need not be there.
    pub(crate) fn replace_by_link(&self, path: &Path, target: &Path) -> Result<(), SimulatorError> {
        self.within(path, "replace", Links::Follow, |parent, name| {
            remove_all(parent, name)?;
            rfs::symlinkat(target, parent, name)
        })
    }

    /// Makes `path` an empty folder.
    pub(crate) fn replace_by_folder(&self, path: &Path) -> Result<(), SimulatorError> {
        self.within(path, "replace", Links::Follow, |parent, name| {
            remove_all(parent, name)?;
            rfs::mkdirat(parent, name, FOLDER_MODE)
        })
    }

    /// Makes `path` a pipe without a writer.
    pub(crate) fn replace_by_pipe(&self, path: &Path) -> Result<(), SimulatorError> {
        self.within(path, "replace", Links::Follow, |parent, name| {
            remove_all(parent, name)?;
            rfs::mknodat(parent, name, FileType::Fifo, FILE_MODE, 0)
        })
    }

    /// Removes what is at `path`, folders with all they hold. It need not be there, nor its folder.
    pub(crate) fn remove(&self, path: &Path, links: Links) -> Result<(), SimulatorError> {
        match self.parent(path, links).and_then(|(parent, name)| remove_all(&parent, name)) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
            Err(e) => Err(SimulatorError::io("remove", path, e)),
        }
    }

    /// Removes a folder if it is there and empty, or what has taken its place.
    pub(crate) fn remove_folder(&self, path: &Path) -> Result<(), SimulatorError> {
        let remove =
            |(parent, name): (OwnedFd, &OsStr)| match rfs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
                Err(Errno::NOTDIR) => rfs::unlinkat(&parent, name, AtFlags::empty()),
                other => other,
            };
        match self.parent(path, Links::Refuse).and_then(remove) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NOTEMPTY) => Ok(()),
            Err(e) => Err(SimulatorError::io("remove the folder", path, e)),
        }
    }

    /// Whether something, if only a dangling link, is at `path`.
    pub(crate) fn require(&self, path: &Path) -> Result<(), SimulatorError> {
        self.within(path, "find", Links::Follow, |parent, name| {
            rfs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map(drop)
        })
    }

    /// Opens a file for appending, made if it is not there.
    pub(crate) fn open_log(&self, path: &Path) -> Result<File, SimulatorError> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |parent: &OwnedFd, name: &OsStr| rfs::openat(parent, name, flags, FILE_MODE);
        Ok(File::from(self.within(path, "open", Links::Refuse, open)?))
    }

    /// Runs `change` with the folder that holds `path` and the name of `path` in it.
    fn within<T>(
        &self,
        path: &Path,
        operation: &'static str,
        links: Links,
        change: impl FnOnce(&OwnedFd, &OsStr) -> rustix::io::Result<T>,
    ) -> Result<T, SimulatorError> {
        self.parent(path, links).and_then(|(parent, name)| change(&parent, name)).map_err(|e| match e {
            Errno::LOOP if links == Links::Refuse => {
                let message = "a folder of the path is a link; write the path that the link leads to";
                SimulatorError::io(operation, path, io::Error::new(io::ErrorKind::InvalidInput, message))
            }
            e => SimulatorError::io(operation, path, e),
        })
    }

    fn parent<'a>(&self, path: &'a Path, links: Links) -> rustix::io::Result<(OwnedFd, &'a OsStr)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Errno::INVAL);
        };
        let how = match links {
            Links::Refuse => ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS,
            Links::Follow => ResolveFlags::IN_ROOT,
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        Ok((host::open_below(&self.root, parent, flags, Mode::empty(), how)?, name))
    }
}

fn open_folder(parent: &OwnedFd, name: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rfs::openat(parent, name, flags, Mode::empty())
}

fn write_new(parent: &OwnedFd, name: &OsStr, content: &[u8]) -> rustix::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(rfs::openat(parent, name, flags, FILE_MODE)?);
    file.write_all(content).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
}

fn remove_all(parent: &OwnedFd, name: &OsStr) -> rustix::io::Result<()> {
    match rfs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(e) => return Err(e),
    }
    let folder = open_folder(parent, name, OFlags::RDONLY)?;
    let mut names = Vec::new();
    for entry in rfs::Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    for name in names {
        remove_all(&folder, OsStr::from_bytes(name.as_bytes()))?;
    }
    rfs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}
