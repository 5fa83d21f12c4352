//! Opening below a folder, and never outside of it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self as rfs, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The kernel gives up on a path with `..` in it when anything on the machine is renamed meanwhile (`openat2(2)`).
const MOST_TRIES: usize = 128;

/// Opens `path` below `folder`, and `how` it is kept there: with [`ResolveFlags::IN_ROOT`] the folder is the root for `..`
/// and for links, with [`ResolveFlags::BENEATH`] what leads out is an error. The mode is that of a file that is made.
pub fn open_below(
    folder: impl AsFd,
    path: &Path,
    flags: OFlags,
    mode: Mode,
    how: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    for _ in 0..MOST_TRIES {
        match rfs::openat2(&folder, path, flags | OFlags::CLOEXEC, mode, how) {
            Err(Errno::AGAIN) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}
