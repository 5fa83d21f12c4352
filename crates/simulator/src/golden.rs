//! Golden files: what a user sees, kept in the repository to be read and compared.

use std::fs;
use std::path::Path;

/// Checks that the file at `path` holds `found`. Cargo runs tests in the folder of their package, so `path` starts there.
///
/// With `UPDATE_GOLDEN=1` the file is written anew, to be read in the next commit.
///
/// # Panics
///
/// When it holds something else, is not there, or cannot be written.
#[track_caller]
#[expect(clippy::panic, reason = "an assertion of tests")]
pub fn golden(path: impl AsRef<Path>, found: &str) {
    let path = path.as_ref();
    let shown = path.display();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let folder = path.parent().unwrap_or(Path::new("."));
        if let Err(error) = fs::create_dir_all(folder).and_then(|()| fs::write(path, found)) {
            panic!("cannot write {shown}: {error}");
        }
    }
    let expected = match fs::read_to_string(path) {
        Ok(expected) => expected,
        Err(error) => panic!("cannot read {shown}: {error}; UPDATE_GOLDEN=1 writes it"),
    };
    assert_eq!(expected, found, "{shown}: run with UPDATE_GOLDEN=1 and read the difference");
}
