//! The system calls that no crate has safe functions for. The one place with `unsafe` code.
//!
//! Structs are those of `include/uapi/linux/landlock.h`.

#![expect(unsafe_code, reason = "the kernel takes untyped pointers")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr;

use libc::{c_long, sock_filter, sock_fprog};

/// `struct landlock_ruleset_attr`: what is forbidden unless a rule allows it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ruleset {
    pub(crate) files: u64,
    /// Since version 4.
    pub(crate) network: u64,
    /// Since version 6.
    pub(crate) scopes: u64,
}

/// `struct landlock_path_beneath_attr`, of 12 bytes.
#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// `struct landlock_net_port_attr`.
#[repr(C)]
struct Port {
    allowed: u64,
    port: u64,
}

const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: u32 = 1;
const RULE_NET_PORT: u32 = 2;

/// The version of Landlock that the kernel has.
pub(crate) fn landlock_version() -> io::Result<c_long> {
    // SAFETY: without a struct, its size is 0.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            ptr::null::<Ruleset>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    checked(version)
}

/// A set of rules, empty yet. Of the struct, the kernel knows the first `known` fields.
pub(crate) fn create_ruleset(ruleset: Ruleset, known: usize) -> io::Result<OwnedFd> {
    let bytes = known.min(3) * size_of::<u64>();
    // SAFETY: the kernel reads so many bytes of the struct, and it has them.
    let made =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, ptr::from_ref(&ruleset), bytes, 0_u32) };
    let made = i32::try_from(checked(made)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}

/// Allows what these bits say of a file, or of all below a folder.
pub(crate) fn allow_path(rules: &OwnedFd, parent: BorrowedFd<'_>, allowed: u64) -> io::Result<()> {
    let rule = PathBeneath { allowed, parent: parent.as_raw_fd() };
    // SAFETY: the kernel reads a struct of the kind that is named, and both descriptors are open.
    let added = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            rules.as_raw_fd(),
            RULE_PATH_BENEATH,
            ptr::from_ref(&rule),
            0_u32,
        )
    };
    checked(added).map(drop)
}

/// Allows what these bits say of a TCP port.
pub(crate) fn allow_port(rules: &OwnedFd, port: u16, allowed: u64) -> io::Result<()> {
    let rule = Port { allowed, port: port.into() };
    // SAFETY: the kernel reads a struct of the kind that is named, and the descriptor is open.
    let added = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            rules.as_raw_fd(),
            RULE_NET_PORT,
            ptr::from_ref(&rule),
            0_u32,
        )
    };
    checked(added).map(drop)
}

/// Restricts this thread, and those that it starts, to these rules.
pub(crate) fn restrict_self(rules: &OwnedFd) -> io::Result<()> {
    // SAFETY: no pointers.
    let restricted = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0_u32) };
    checked(restricted).map(drop)
}

/// Runs this program at each system call of the process, in all of its threads, beside those that there are. What it refuses, the
/// kernel's audit log tells if it `is_logged`.
pub(crate) fn filter(program: &[sock_filter], is_logged: bool) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    // The kernel does not write to it, whatever the type says.
    let program = sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    let log = if is_logged { libc::SECCOMP_FILTER_FLAG_LOG } else { 0 };
    let flags = libc::SECCOMP_FILTER_FLAG_TSYNC | log;
    // SAFETY: the struct has the address and length of a slice, which the kernel copies.
    let filtered = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, ptr::from_ref(&program))
    };
    match checked(filtered)? {
        0 => Ok(()),
        thread => Err(io::Error::other(format!("thread {thread} has another filter"))),
    }
}

fn checked(answer: c_long) -> io::Result<c_long> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}
