//! Programs that put themselves, and files for those that run them, on a node: what init containers do.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The program that runs, whatever its name.
pub const THIS_PROGRAM: &str = "/proc/self/exe";

/// Nothing is half there then: each file is the old one or the new one.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}", path.display())]
pub struct InstallError {
    /// What was tried, as a verb.
    pub operation: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl InstallError {
    fn new(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self { operation, path: path.to_owned(), source }
    }
}

/// Copies a program to `path`, for everybody to run.
pub fn program(program: &Path, path: &Path) -> Result<(), InstallError> {
    let mut program = File::open(program).map_err(|source| InstallError::new("open", program, source))?;
    replace(path, |unfinished| {
        let mut to = create(unfinished, 0o755)?;
        io::copy(&mut program, &mut to)?;
        to.sync_all()
    })
}

/// Makes a folder, and those that it is in, where they are not yet.
pub fn folder(path: &Path) -> Result<(), InstallError> {
    let made = DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.map_err(|source| InstallError::new("make", path, source))
}

/// Makes something beside its place and moves it there, so that whoever looks finds the old or the new one, whole. What is
/// running goes on with the old one.
pub fn replace(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), InstallError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Two containers may have the same process id.
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    let unfinished = path.with_file_name(format!(".{name}.{}.{now}", std::process::id()));
    let result = make(&unfinished).and_then(|()| fs::rename(&unfinished, path));
    if result.is_err() {
        // What failed before matters.
        let _ = fs::remove_file(&unfinished);
    }
    result.map_err(|source| InstallError::new("write", path, source))
}

/// A new file with these permissions.
pub fn create(path: &Path, mode: u32) -> io::Result<File> {
    let file = File::options().write(true).create_new(true).open(path)?;
    // Whatever the mask says.
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}
