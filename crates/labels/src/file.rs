//! The file in node-feature-discovery's folder.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Labels;

/// Node-feature-discovery reads no longer file.
const MAX_BYTES: usize = 64 << 10;

/// A file of labels that could not be written or removed. The one that was there before is whole.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It would leave the folder, or be passed over by node-feature-discovery.
    #[error("{0:?} is no name for a file of labels: one part of a path, with no dot at its beginning")]
    Name(String),
    /// Node-feature-discovery would pass over all of it.
    #[error("{bytes} bytes of labels are more than node-feature-discovery reads from one file, {MAX_BYTES}")]
    Length {
        /// How long the file would be.
        bytes: usize,
    },
    /// The file system said no.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// "write", "remove".
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Makes the file `name` in `folder` hold these labels; does nothing when it does. True when it had to write.
///
/// The file is replaced as a whole, so node-feature-discovery never reads half of it. The folder must be there.
pub fn write(labels: &Labels, folder: impl AsRef<Path>, name: &str) -> Result<bool, FileError> {
    put(&labels.text(), folder.as_ref(), name)
}

/// The same for labels that node-feature-discovery takes off the node at `expiry`, to the second, unless the file is written
/// anew: those of a program that was killed go away.
pub fn write_until(
    labels: &Labels,
    expiry: SystemTime,
    folder: impl AsRef<Path>,
    name: &str,
) -> Result<bool, FileError> {
    // One of the directives of
    // https://kubernetes-sigs.github.io/node-feature-discovery/stable/usage/customization-guide.html#input-format
    let text = format!("# +expiry-time={}\n{}", cli::rfc3339(expiry), labels.text());
    put(&text, folder.as_ref(), name)
}

fn put(text: &str, folder: &Path, name: &str) -> Result<bool, FileError> {
    let path = path_of(folder, name)?;
    if text.len() > MAX_BYTES {
        return Err(FileError::Length { bytes: text.len() });
    }
    if holds(&path, text) {
        return Ok(false);
    }
    let replaced = replace(folder, name, text);
    replaced.map_err(|source| FileError::Io { operation: "write", path, source })?;
    Ok(true)
}

/// Removes the file `name` from `folder`, if it is there: node-feature-discovery then takes the labels off the node.
pub fn remove(folder: impl AsRef<Path>, name: &str) -> Result<(), FileError> {
    let path = path_of(folder.as_ref(), name)?;
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(FileError::Io { operation: "remove", path, source })
        }
        _ => Ok(()),
    }
}

/// Fails if no file of labels can have this name.
pub fn check_name(name: &str) -> Result<(), FileError> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(FileError::Name(name.to_owned()));
    }
    Ok(())
}

fn path_of(folder: &Path, name: &str) -> Result<PathBuf, FileError> {
    check_name(name)?;
    Ok(folder.join(name))
}

/// Whether a plain file is there with this text. A pipe in its place must not be waited for.
fn holds(path: &Path, text: &str) -> bool {
    let found = fs::symlink_metadata(path);
    found.is_ok_and(|found| found.is_file() && found.len() == text.len() as u64)
        && fs::read(path).is_ok_and(|found| found == text.as_bytes())
}

/// In a folder of its own until it is whole: some versions of node-feature-discovery read every plain file of theirs.
fn replace(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    // Two containers may have the same process id.
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    let unfinished = folder.join(format!(".{name}.{}.{now}", std::process::id()));
    fs::create_dir(&unfinished)?;
    let result = fill(&unfinished.join(name), text)
        .and_then(|()| fs::rename(unfinished.join(name), folder.join(name)));
    // What failed before matters.
    let _ = fs::remove_dir_all(&unfinished);
    result
}

fn fill(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    // For node-feature-discovery, which may be another user, whatever the mask says.
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
