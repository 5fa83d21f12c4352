//! Which files may be opened and which TCP ports used, by Landlock.
//!
//! Numbers and versions are those of <https://docs.kernel.org/userspace-api/landlock.html>. Looking a path up, reading links, the
//! state of a file, watching it, and connecting to a socket in it are never forbidden.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{self as rfs, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::calls::{self, Ruleset};
use crate::{Access, Connects, Rules};

const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const REMOVE_DIR: u64 = 1 << 4;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_DIR: u64 = 1 << 7;
const MAKE_REG: u64 = 1 << 8;
const MAKE_SOCK: u64 = 1 << 9;
const MAKE_SYM: u64 = 1 << 12;
/// To move files between folders, which version 1 always forbids.
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
/// What a file can have that is no folder.
const OF_FILES: u64 = WRITE_FILE | READ_FILE | TRUNCATE;

const BIND_TCP: u64 = 1 << 0;
const CONNECT_TCP: u64 = 1 << 1;

const ABSTRACT_UNIX_SOCKET: u64 = 1 << 0;
const SIGNAL: u64 = 1 << 1;

impl Access {
    fn bits(self) -> u64 {
        match self {
            Self::List => READ_DIR,
            Self::Read => READ_DIR | READ_FILE,
            Self::Write => READ_DIR | READ_FILE | WRITE_FILE | TRUNCATE,
            Self::Keep => Self::Write.bits() | MAKE_REG | MAKE_SYM | REMOVE_FILE,
            Self::Folders => Self::Keep.bits() | MAKE_DIR | REMOVE_DIR | REFER,
            Self::Sockets => READ_DIR | MAKE_SOCK | REMOVE_FILE,
        }
    }
}

/// What this version of Landlock can forbid, and how many fields of the struct it knows.
fn all(version: i64) -> (Ruleset, usize) {
    // Each bit is the next right; what there is to know of files is in the first 13.
    let files = match version {
        ..=1 => (1 << 13) - 1,
        2 => (1 << 14) - 1,
        3 | 4 => (1 << 15) - 1,
        _ => (1 << 16) - 1,
    };
    let (network, scopes) = (BIND_TCP | CONNECT_TCP, ABSTRACT_UNIX_SOCKET | SIGNAL);
    let known = match version {
        ..=3 => 1,
        4 | 5 => 2,
        _ => 3,
    };
    (Ruleset { files, network, scopes }, known)
}

/// The answer says what is in force, or why nothing is.
pub(crate) fn restrict(rules: &Rules) -> Result<String, String> {
    let version = calls::landlock_version().map_err(|error| match error.raw_os_error() {
        Some(libc::ENOSYS) => "the kernel does not have it".to_owned(),
        Some(libc::EOPNOTSUPP) => "it was not switched on when the node was booted (lsm=landlock)".to_owned(),
        _ => format!("{error}: something else forbids to use it"),
    })?;
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(format!("it would hold for one of {threads} threads only"));
    }
    enforce(rules, version).map_err(|error| error.to_string())?;
    let ports = if version < 4 { ", without TCP ports" } else { "" };
    Ok(format!("version {version}{ports}"))
}

fn enforce(rules: &Rules, version: i64) -> io::Result<()> {
    let (mut forbidden, known) = all(version);
    if version < 2 && rules.paths.iter().any(|(_, access)| access.bits() & REFER != 0) {
        return Err(io::Error::other("version 1 lets no file be moved between folders"));
    }
    if rules.connects == Connects::Anywhere {
        forbidden.network &= !CONNECT_TCP;
    }
    let set = calls::create_ruleset(forbidden, known)?;
    for (path, access) in &rules.paths {
        let allowed = access.bits() & forbidden.files;
        allow(&set, path, allowed)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    }
    let asked = if let Connects::To(port) = rules.connects { Some(port) } else { None };
    for (port, right) in [(rules.listens_on, BIND_TCP), (asked, CONNECT_TCP)] {
        if let Some(port) = port.filter(|_| known > 1) {
            calls::allow_port(&set, port, right)?;
        }
    }
    calls::restrict_self(&set)
}

fn allow(set: &OwnedFd, path: &Path, allowed: u64) -> io::Result<()> {
    let opened = match rfs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Ok(opened) => opened,
        // Nor could the process use it.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let is_folder = FileType::from_raw_mode(rfs::fstat(&opened)?.st_mode) == FileType::Directory;
    match if is_folder { allowed } else { allowed & OF_FILES } {
        0 => Ok(()),
        allowed => calls::allow_path(set, opened.as_fd(), allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_forbids_all_that_it_knows() {
        for (version, files, known) in [
            (1, 0x1fff, 1),
            (2, 0x3fff, 1),
            (3, 0x7fff, 1),
            (4, 0x7fff, 2),
            (5, 0xffff, 2),
            (6, 0xffff, 3),
            (9, 0xffff, 3),
        ] {
            let (forbidden, fields) = all(version);
            assert_eq!((forbidden.files, fields), (files, known), "version {version}");
        }
    }
}
