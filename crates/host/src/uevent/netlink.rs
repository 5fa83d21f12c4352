//! Uevents of the real node.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{self, AddressFamily, RecvFlags, SocketFlags, SocketType};

use super::{Drained, Uevent};
use crate::HostError;

/// The multicast group in which the kernel sends; udev sends what it makes of it in group 2.
const KERNEL_GROUP: u32 = 1;

/// The kernel's own limit is 2 KiB for the properties (`UEVENT_BUFFER_SIZE`), and a path before them.
const LONGEST_MESSAGE: usize = 8 * 1024;

#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    pub(super) fn open() -> Result<Self, HostError> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let open = || {
            let socket =
                net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT))?;
            net::bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
            Ok(Self(socket))
        };
        open().map_err(fail)
    }

    pub(super) fn drain(&mut self) -> Result<Drained, HostError> {
        let mut drained = Drained::default();
        let mut buffer = [0; LONGEST_MESSAGE];
        loop {
            let (_, length, sender) = match net::recvfrom(&self.0, &mut buffer, RecvFlags::TRUNC) {
                Ok(received) => received,
                Err(Errno::AGAIN) => return Ok(drained),
                Err(Errno::INTR) => continue,
                Err(Errno::NOBUFS) => {
                    drained.lost = true;
                    continue;
                }
                Err(e) => return Err(fail(e)),
            };
            // Only the kernel has the address 0; with enough privilege, a process can send here too.
            let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
            if sender.is_none_or(|sender| sender.pid() != 0) {
                continue;
            }
            match buffer.get(..length).and_then(Uevent::parse) {
                Some(event) => drained.events.push(event),
                None => drained.lost = true,
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn fail(error: Errno) -> HostError {
    HostError::new("listen to the kernel's uevents of", Path::new("/sys"), error)
}
