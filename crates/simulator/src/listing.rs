//! A tree as text.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use host::{DeviceNumber, Host};

use crate::SimulatorError;
use crate::profile::Entry;

/// All that is in the folder `root`, in the format of a profile and sorted: two trees are equal if their listings are.
///
/// Folders are listed where they are empty. Pipes and sockets, which no profile can make, are listed as comments. The
/// simulator's own files, whose names begin with a dot, are left out.
pub fn listing(root: impl AsRef<Path>) -> Result<String, SimulatorError> {
    let host = Host::at(root)?;
    let mut text = String::new();
    for name in names(&host, Path::new("/"))? {
        if !name.to_string_lossy().starts_with("/.") {
            list(&host, &name, &mut text)?;
        }
    }
    Ok(text)
}

fn list(host: &Host, path: &Path, text: &mut String) -> Result<(), SimulatorError> {
    let outside = host.outside(path);
    let metadata = fs::symlink_metadata(&outside).map_err(|e| SimulatorError::io("list", path, e))?;
    if metadata.is_dir() {
        let names = names(host, path)?;
        if !names.is_empty() {
            return names.iter().try_for_each(|name| list(host, name, text));
        }
    }
    let line = match entry(host, path, &metadata).map_err(|e| SimulatorError::io("list", path, e))? {
        Some(entry) => entry.to_string(),
        None => format!("# {} is a pipe or a socket", path.display()),
    };
    text.push_str(&line);
    text.push('\n');
    Ok(())
}

fn entry(host: &Host, path: &Path, metadata: &Metadata) -> io::Result<Option<Entry>> {
    let kind = metadata.file_type();
    let outside = host.outside(path);
    let path = path.to_owned();
    Ok(Some(if kind.is_dir() {
        Entry::Folder { path }
    } else if kind.is_symlink() {
        let dangling = !host.exists(&path);
        Entry::Link { path, target: fs::read_link(outside)?, dangling }
    } else if kind.is_char_device() || kind.is_block_device() {
        let (major, minor) = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
        Entry::Node { path, block: kind.is_block_device(), major, minor }
    } else if path.starts_with("/dev")
        && let Ok(DeviceNumber { block, major, minor }) = host.device_number(&path)
    {
        // A plain file that stands in for a node.
        Entry::Node { path, block, major, minor }
    } else if kind.is_file() {
        Entry::File { path, content: fs::read(outside)? }
    } else {
        return Ok(None);
    }))
}

/// The paths in a folder, sorted.
fn names(host: &Host, folder: &Path) -> Result<Vec<PathBuf>, SimulatorError> {
    let fail = |e: io::Error| SimulatorError::io("list", folder, e);
    let mut paths = fs::read_dir(host.outside(folder))
        .map_err(fail)?
        .map(|entry| entry.map(|entry| folder.join(entry.file_name())).map_err(fail))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort_unstable();
    Ok(paths)
}
