//! The store: `<folder>/<interface id>/<name>.gbs` or `.aocx`.

use std::fs::{DirBuilder, File};
use std::io::{self, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use host::{Host, HostError};
use rustix::fs::{self as rfs, AtFlags, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

use crate::bitstream::{Bitstream, Kind, changed};
use crate::error::{Error, Listing};
use crate::id::{Id, Name};

/// A folder of bitstreams on a node.
///
/// Nothing outside of the folder is read or written: no name has a `..`, and a link that leads out is an error.
#[derive(Debug, Clone)]
pub struct Store {
    host: Host,
    folder: PathBuf,
}

/// What to do with a file that is in the store already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Leave it and fail.
    Never,
    /// Put the new one in its place.
    Existing,
}

/// So much of a file is in memory while it is copied.
const BUFFER: usize = 256 * 1024;

impl Store {
    /// Where the store is, unless someone says otherwise.
    pub const DEFAULT: &str = "/srv/intel.com/fpga";

    /// The store in `folder` of the node. Nothing is opened yet.
    pub fn new(host: &Host, folder: impl Into<PathBuf>) -> Self {
        Self { host: host.clone(), folder: folder.into() }
    }

    /// Opens the bitstream of that interface and name, and checks that it is what its place says.
    ///
    /// `.gbs` is looked for first. The first file that is there is the answer, also if it is bad.
    pub fn find(&self, interface: Id, name: &Name) -> Result<Bitstream, Error> {
        let store = self.open()?;
        for kind in Kind::ALL {
            let inside = Path::new(&interface.to_string()).join(file_name(name, kind));
            let path = self.folder.join(&inside);
            let file = match beneath(&store, &inside, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
                Ok(file) => File::from(file),
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(Error::io("open", &path, explained(error))),
            };
            let bitstream = Bitstream::read(file, path)?;
            check(&bitstream, interface, name)?;
            return Ok(bitstream);
        }
        Err(self.missing(interface, name))
    }

    /// Where `bitstream` belongs in this store, whether it is there or not.
    pub fn path_of(&self, bitstream: &Bitstream) -> Result<PathBuf, Error> {
        let folder = self.folder_of(bitstream.interface_id());
        Ok(folder.join(file_name(&name_of(bitstream)?, bitstream.kind())))
    }

    /// Copies `bitstream` to its place. Whoever looks for it meanwhile finds the old file or the new one, whole. Returns
    /// where it is now.
    ///
    /// Folders that are missing are made, for everybody to read.
    pub fn install(&self, bitstream: &Bitstream, replace: Replace) -> Result<PathBuf, Error> {
        let interface = bitstream.interface_id().to_string();
        let name = file_name(&name_of(bitstream)?, bitstream.kind());
        let folder = self.folder.join(&interface);
        let path = folder.join(&name);
        let outside = self.host.outside(&self.folder);
        let made = DirBuilder::new().recursive(true).mode(0o755).create(outside);
        made.map_err(|error| Error::io("make", &self.folder, error))?;
        let store = self.open()?;
        match rfs::mkdirat(&store, &interface, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(Error::io("make", &folder, error)),
        }
        let to = beneath(&store, Path::new(&interface), OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(|error| Error::io("open", &folder, explained(error)))?;
        put(bitstream, &to, &name, replace).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists(path.clone()),
            _ => Error::io("write", &path, error),
        })?;
        Ok(path)
    }

    fn open(&self) -> Result<OwnedFd, Error> {
        self.host.open_folder(&self.folder).map_err(host_error)
    }

    fn folder_of(&self, interface: Id) -> PathBuf {
        self.folder.join(interface.to_string())
    }

    /// What is there instead. Only what could be found is listed.
    fn missing(&self, interface: Id, name: &Name) -> Error {
        let folder = self.folder_of(interface);
        match self.host.names(&folder) {
            Ok(mut names) => {
                names.retain(|name| is_file_name(name));
                Error::NoBitstream { folder, name: name.clone(), known: Listing::new(names) }
            }
            Err(error) if error.is_not_found() => {
                let mut names = self.host.names(&self.folder).unwrap_or_default();
                names.retain(|name| name.parse::<Id>().is_ok_and(|id| id.to_string() == *name));
                Error::NoInterface { store: self.folder.clone(), interface, known: Listing::new(names) }
            }
            Err(error) => host_error(error),
        }
    }
}

fn file_name(name: &Name, kind: Kind) -> String {
    format!("{name}.{}", kind.extension())
}

fn is_file_name(text: &str) -> bool {
    let Some((name, _)) = text.rsplit_once('.') else { return false };
    let kind = Kind::of(Path::new(text));
    kind.zip(name.parse().ok()).is_some_and(|(kind, name)| file_name(&name, kind) == text)
}

fn name_of(bitstream: &Bitstream) -> Result<Name, Error> {
    bitstream.name().ok_or_else(|| Error::Nameless(bitstream.path().to_owned()))
}

/// A file that was copied to the wrong place would program something else than was asked for.
fn check(bitstream: &Bitstream, interface: Id, name: &Name) -> Result<(), Error> {
    let misplaced = |what, found| Err(Error::Misplaced { path: bitstream.path().to_owned(), what, found });
    if bitstream.interface_id() != interface {
        return misplaced("interface id", bitstream.interface_id().to_string());
    }
    match bitstream.name() {
        Some(found) if found == *name => Ok(()),
        found => {
            let what = if bitstream.kind() == Kind::Gbs { "function id" } else { "hash" };
            misplaced(what, found.map_or("missing".to_owned(), |found| found.to_string()))
        }
    }
}

/// Opens `path` below `folder`. No `..` and no link leads out of it.
fn beneath(folder: impl AsFd, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    host::open_below(folder, path, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)
}

/// "Invalid cross-device link" says nothing to anybody.
fn explained(error: Errno) -> io::Error {
    match error {
        Errno::XDEV => io::Error::other("a link leads out of the store"),
        error => error.into(),
    }
}

/// Writes the file beside its place, and then moves it there.
fn put(bitstream: &Bitstream, folder: &OwnedFd, name: &str, replace: Replace) -> io::Result<()> {
    // Two containers may have the same process id.
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    let unfinished = format!(".{name}.{}.{now}", std::process::id());
    let result = copy(bitstream, folder, &unfinished).and_then(|()| {
        let flags = match replace {
            Replace::Never => RenameFlags::NOREPLACE,
            Replace::Existing => RenameFlags::empty(),
        };
        Ok(rfs::renameat_with(folder, &unfinished, folder, name, flags)?)
    });
    if result.is_err() {
        // What failed before matters, not whether this does.
        let _ = rfs::unlinkat(folder, &unfinished, AtFlags::empty());
    }
    result?;
    // The new name is to outlast a loss of power too.
    Ok(rfs::fsync(folder)?)
}

fn copy(bitstream: &Bitstream, folder: &OwnedFd, name: &str) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut to = File::from(rfs::openat(folder, name, flags, Mode::from_raw_mode(0o644))?);
    let from = bitstream.whole();
    let len = from.extent.len;
    let count = io::copy(&mut BufReader::with_capacity(BUFFER, from), &mut to)?;
    if count != len {
        return Err(changed());
    }
    to.sync_all()
}

fn host_error(error: HostError) -> Error {
    Error::Io { operation: error.operation, path: error.path, source: error.source }
}
