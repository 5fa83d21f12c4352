//! The `/sys` of a simulated node as a file system (FUSE), so that programs run on it unchanged: what they write to an
//! attribute goes to the node's [`Kernel`], whose error is theirs. All else passes through to the node's files.
//!
//! Nothing is cached, because the node changes behind the file system: by its kernel and by tests. inotify hears of no
//! change, as on a real sysfs. Unlike there, what is opened or mounted stands for a path: when a folder goes and another
//! one of its name comes, it is that.
//!
//! `files` is the file system; `paths` has the numbers by which it knows paths.

mod files;
mod paths;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use fuser::{Session, SessionACL};
use nix::sched::CloneFlags;
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount_change, move_mount,
};
use simulator::Kernel;

use files::Files;

/// Where the kernel's side of FUSE is.
pub const DEVICE: &str = "/dev/fuse";

/// Runs `act` on a thread with mounts of its own, among which the node's `/sys` is at `folder`. The processes that it starts
/// have these mounts too, and other processes do not; with the last of them the mount is gone. It is served as long as this
/// process runs. Needs root.
pub fn mounted<T: Send>(
    kernel: &Arc<Kernel>,
    folder: &Path,
    act: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    let mount = serve(kernel)?;
    let act = || {
        nix::sched::unshare(CloneFlags::CLONE_NEWNS)?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        move_mount(&mount, "", CWD, folder, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
        Ok(act())
    };
    let done = std::thread::scope(|scope| scope.spawn(act).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Serves the file system, which is mounted nowhere yet, until its last mount is gone.
fn serve(kernel: &Arc<Kernel>) -> io::Result<OwnedFd> {
    let files = Files::of(Arc::clone(kernel))?;
    let device = File::options().read(true).write(true).open(DEVICE)?;
    let context = fsopen("fuse", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = context.as_fd();
    for (option, value) in [
        ("source", "simulated"),
        ("subtype", "sysfs"),
        ("fd", &device.as_raw_fd().to_string()),
        ("rootmode", "40755"),
        ("user_id", "0"),
        ("group_id", "0"),
    ] {
        fsconfig_set_string(context, option, value)?;
    }
    // Who may do what is as the modes of files say.
    fsconfig_set_flag(context, "default_permissions")?;
    fsconfig_set_flag(context, "allow_other")?;
    fsconfig_create(context)?;
    // As sysfs is mounted.
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
        | MountAttrFlags::MOUNT_ATTR_RELATIME;
    let mount = fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    let mut session = Session::from_fd(files, device.into(), SessionACL::All);
    std::thread::Builder::new().name("sysfs".to_owned()).spawn(move || session.run())?;
    Ok(mount)
}
