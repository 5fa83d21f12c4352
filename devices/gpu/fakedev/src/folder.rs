//! The tree in a folder, with real device nodes.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::io::Errno;

use crate::Spec;
use crate::tree::{LABELS, Thing, things};

const FOLDER_MODE: u32 = 0o775;
const FILE_MODE: u32 = 0o644;
/// `/dev/null` (Documentation/admin-guide/devices.txt).
const NULL: (u32, u32) = (1, 3);
/// What is in `sys` at most.
const IN_SYS: [&str; 3] = ["bus", "class", "kernel"];

/// The tree could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It may be the machine's own. Nothing was changed.
    #[error(
        "{} is not removed, it was not made by this program: {reason}. Run it in a folder of its own, or remove it by hand",
        path.display()
    )]
    Foreign {
        /// The folder in the way.
        path: PathBuf,
        /// What is wrong about it.
        reason: String,
    },
    /// Only privileged processes may.
    #[error(
        "cannot make the device node {}: it takes root and the capability MKNOD; `simulate -profile` of the same file \
         takes neither",
        .0.display()
    )]
    Permission(PathBuf),
    /// The file system said no. What was made so far is still there.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// "look at", "remove", "make".
        operation: &'static str,
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes `dev`, `sys` and the file of labels in `folder`, and removes what an earlier run made there. Returns how many
/// things there are.
pub fn make(folder: &Path, spec: &Spec) -> Result<usize, FolderError> {
    let (dev, sys) = (folder.join("dev"), folder.join("sys"));
    check(&dev, &["dri"])?;
    check(&sys, &IN_SYS)?;
    check_nodes(&dev.join("dri"))?;
    for old in [&dev, &sys] {
        empty(old)?;
    }
    let labels = folder.join(LABELS);
    match fs::remove_file(&labels) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("remove", &labels)(error));
        }
        _ => {}
    }
    let things = things(spec);
    things.iter().try_for_each(|thing| make_thing(folder, thing))?;
    Ok(things.len())
}

/// That there is nothing in a folder but these.
fn check(folder: &Path, known: &[&str]) -> Result<(), FolderError> {
    let mut names = entries(folder)?.into_iter().map(|entry| entry.file_name());
    match names.find(|name| !known.iter().any(|known| name == *known)) {
        Some(name) => Err(foreign(folder, format!("it holds {}", Path::new(&name).display()))),
        None => Ok(()),
    }
}

/// That all in a folder are second nodes of `/dev/null`, and so nobody's GPUs.
fn check_nodes(folder: &Path) -> Result<(), FolderError> {
    for entry in entries(folder)? {
        let path = entry.path();
        let metadata = entry.metadata().map_err(io_error("look at", &path))?;
        if !metadata.file_type().is_char_device() || metadata.rdev() != makedev(NULL.0, NULL.1) {
            return Err(foreign(folder, format!("{} is no null device", path.display())));
        }
    }
    Ok(())
}

/// Not the folder itself: it may be a volume's.
fn empty(folder: &Path) -> Result<(), FolderError> {
    for entry in entries(folder)? {
        let path = entry.path();
        let is_folder = entry.file_type().map_err(io_error("look at", &path))?.is_dir();
        let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(io_error("remove", &path))?;
    }
    Ok(())
}

/// What is in a folder, which need not be there. A link is no folder: what it leads to is somebody else's.
fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, FolderError> {
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Ok(metadata) if !metadata.is_dir() => return Err(foreign(folder, "it is no folder".to_owned())),
        Ok(_) => {}
        Err(error) => return Err(io_error("look at", folder)(error)),
    }
    fs::read_dir(folder).and_then(Iterator::collect).map_err(io_error("look at", folder))
}

fn foreign(folder: &Path, reason: String) -> FolderError {
    FolderError::Foreign { path: folder.to_owned(), reason }
}

fn make_thing(folder: &Path, thing: &Thing) -> Result<(), FolderError> {
    let (Thing::Folder(path) | Thing::File(path, _) | Thing::Null(path)) = thing;
    let path = folder.join(path);
    let above = if matches!(thing, Thing::Folder(_)) { Some(&*path) } else { path.parent() };
    if let Some(above) = above {
        let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(above);
        made.map_err(io_error("make", above))?;
    }
    match thing {
        Thing::Folder(_) => Ok(()),
        Thing::File(_, content) => {
            let file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path);
            file.and_then(|mut file| file.write_all(content)).map_err(io_error("make", &path))
        }
        Thing::Null(_) => {
            let (kind, mode) = (FileType::CharacterDevice, Mode::from_raw_mode(FILE_MODE));
            match mknodat(CWD, &path, kind, mode, makedev(NULL.0, NULL.1)) {
                Err(Errno::PERM) => Err(FolderError::Permission(path)),
                result => result.map_err(|error| io_error("make", &path)(error.into())),
            }
        }
    }
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    move |source| FolderError::Io { operation, path: path.to_owned(), source }
}
