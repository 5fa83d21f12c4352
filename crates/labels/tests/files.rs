//! Files of labels.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use labels::{FileError, Labels, remove, write, write_until};

fn labels(value: &str) -> Labels {
    let mut labels = Labels::default();
    labels.insert("example.com/a", value).unwrap();
    labels
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_file_is_replaced_only_when_it_says_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    assert!(write(&labels("1"), &folder, "a.txt").unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), "example.com/a=1\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    assert!(!write(&labels("1"), &folder, "a.txt").unwrap());
    assert!(write(&labels("2"), &folder, "a.txt").unwrap());
    fs::write(&path, "example.com/a=2\nmore\n").unwrap();
    assert!(write(&labels("2"), &folder, "a.txt").unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), "example.com/a=2\n");
    assert_eq!(names(folder.path()), ["a.txt"], "nothing is left beside it");
}

#[test]
fn a_file_may_say_until_when_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let write = |seconds| write_until(&labels("1"), at(seconds), &folder, "a.txt").unwrap();
    assert!(write(1_795_698_520));
    let text = fs::read_to_string(folder.path().join("a.txt")).unwrap();
    assert_eq!(text, "# +expiry-time=2026-11-26T13:08:40Z\nexample.com/a=1\n");
    assert!(!write(1_795_698_520));
    assert!(write(1_795_698_521));
}

#[test]
fn who_has_the_old_file_open_reads_it_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    write(&labels("1"), &folder, "a.txt").unwrap();
    let old = fs::File::open(folder.path().join("a.txt")).unwrap();
    write(&labels("2"), &folder, "a.txt").unwrap();
    assert_eq!(std::io::read_to_string(old).unwrap(), "example.com/a=1\n");
}

#[test]
fn a_link_is_replaced_and_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    // A link is as long as where it leads, which is as long as the text here.
    let elsewhere = folder.path().join("a-file-elsewhere");
    fs::write(&elsewhere, "example.com/a=1\n").unwrap();
    symlink("a-file-elsewhere", folder.path().join("a.txt")).unwrap();
    assert!(write(&labels("1"), &folder, "a.txt").unwrap());
    assert!(write(&labels("2"), &folder, "a.txt").unwrap());
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), "example.com/a=1\n");
}

#[test]
fn what_cannot_be_written_says_where_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none");
    let error = write(&labels("1"), &missing, "a.txt").unwrap_err();
    assert_eq!(error.to_string(), format!("cannot write {}/a.txt", missing.display()));
    fs::create_dir(folder.path().join("a.txt")).unwrap();
    assert!(matches!(write(&labels("1"), &folder, "a.txt"), Err(FileError::Io { operation: "write", .. })));
    assert!(matches!(remove(&folder, "a.txt"), Err(FileError::Io { operation: "remove", .. })));
    assert_eq!(names(folder.path()), ["a.txt"]);
}

#[test]
fn names_that_leave_the_folder_or_hide_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["", ".", "..", ".a", "../a", "a/b", "/a", "a\0"] {
        assert!(matches!(write(&labels("1"), &folder, name), Err(FileError::Name(_))), "{name}");
        assert!(matches!(remove(&folder, name), Err(FileError::Name(_))), "{name}");
    }
}

#[test]
fn a_file_longer_than_is_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut labels = Labels::default();
    labels.insert_chunks("example.com/a", &"1".repeat(60_000)).unwrap();
    let error = write(&labels, &folder, "a.txt").unwrap_err();
    assert!(matches!(error, FileError::Length { bytes: 65_537.. }), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn removing_takes_the_file_and_none_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    write(&labels("1"), &folder, "a.txt").unwrap();
    remove(&folder, "a.txt").unwrap();
    remove(&folder, "a.txt").unwrap();
    assert!(names(folder.path()).is_empty());
}
