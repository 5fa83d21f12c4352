//! The memory of a traced program.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;

use nix::errno::Errno;
use nix::unistd::Pid;

/// No bitstream for tests is longer.
const MOST_BYTES: usize = 64 << 20;

/// The longest path that the kernel takes.
const MOST_PATH: usize = 4096;

/// The memory of the process that a thread belongs to, while it is stopped.
pub(crate) struct Memory(File);

impl Memory {
    pub(crate) fn of(thread: Pid) -> Result<Self, Errno> {
        let file = OpenOptions::new().read(true).write(true).open(format!("/proc/{thread}/mem"));
        file.map(Self).ok().ok_or(Errno::EFAULT)
    }

    pub(crate) fn read(&self, address: u64, length: usize) -> Result<Vec<u8>, Errno> {
        if length > MOST_BYTES {
            return Err(Errno::ENOMEM);
        }
        let mut bytes = vec![0; length];
        self.0.read_exact_at(&mut bytes, address).ok().ok_or(Errno::EFAULT)?;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&self, address: u64) -> Result<[u8; N], Errno> {
        let mut bytes = [0; N];
        self.0.read_exact_at(&mut bytes, address).ok().ok_or(Errno::EFAULT)?;
        Ok(bytes)
    }

    pub(crate) fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.0.write_all_at(bytes, address).ok().ok_or(Errno::EFAULT)
    }

    /// A text that ends with a zero byte.
    pub(crate) fn text(&self, address: u64) -> Option<String> {
        let mut bytes = vec![0; MOST_PATH];
        // It may be at the end of what is mapped.
        let count = self.0.read_at(&mut bytes, address).ok()?;
        let text = bytes.get(..count)?.split(|byte| *byte == 0).next()?;
        String::from_utf8(text.to_vec()).ok()
    }
}
