//! Opening below a folder that stands for the root.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self as rfs, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The kernel gives up on a path with `..` in it when anything on the machine is renamed meanwhile (`openat2(2)`).
const MOST_TRIES: usize = 128;

/// Opens `path` as if `folder` were the root: neither `..` nor a link leads out of it. With
/// [`ResolveFlags::NO_SYMLINKS`] in `extra`, no link is followed at all. The mode is that of a file that is made.
pub fn open_in_root(
    folder: impl AsFd,
    path: &Path,
    flags: OFlags,
    mode: Mode,
    extra: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    for _ in 0..MOST_TRIES {
        match rfs::openat2(&folder, path, flags | OFlags::CLOEXEC, mode, ResolveFlags::IN_ROOT | extra) {
            Err(Errno::AGAIN) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}
