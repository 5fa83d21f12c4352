//! Kernel uevents: which device came, went or changed, as the kernel says it (`lib/kobject_uevent.c`).
//!
//! On the real node they come from a netlink socket. They reach every network namespace that belongs to the first user
//! namespace, so those of ordinary pods, but not those of pods with a user namespace of their own.
//!
//! On a simulated node they are read from the file `/.uevents`, to which the simulator appends [`Uevent::encode`].

mod netlink;
mod simulated;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

use crate::{Host, HostError};

/// Where the uevents of a simulated node are, below its root.
pub const SIMULATED_FILE: &str = "/.uevents";

/// Makes that file, for a process that cannot make it later.
pub fn make_simulated_file(host: &Host) -> Result<(), HostError> {
    simulated::open(host).map(drop)
}

/// One uevent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uevent {
    /// `add`, `remove`, `change`, `bind`, `unbind`, `move`, `online`, `offline`, or what a later kernel may say.
    pub action: String,
    /// The device's folder, below `/sys`: `/devices/pci0000:00/0000:00:02.0/drm/card0`.
    pub devpath: String,
    /// Such as `drm`; empty if the event names none.
    pub subsystem: String,
    /// All that it says besides: `DEVNAME`, `MAJOR`, `DRIVER`, ...
    pub properties: BTreeMap<String, String>,
}

/// What happened since the last time.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// In the order in which they happened.
    pub events: Vec<Uevent>,
    /// There were more which nobody will ever tell about: look at everything.
    pub lost: bool,
}

/// Where uevents come from. Its descriptor is readable when [`drain`](Self::drain) may have something to tell.
#[derive(Debug)]
pub struct UeventSource(Kind);

#[derive(Debug)]
enum Kind {
    Netlink(netlink::Socket),
    Simulated(simulated::Log),
}

impl UeventSource {
    /// Listens from now on.
    pub fn open(host: &Host) -> Result<Self, HostError> {
        let kind = if host.is_simulated() {
            Kind::Simulated(simulated::Log::open(host)?)
        } else {
            Kind::Netlink(netlink::Socket::open()?)
        };
        Ok(Self(kind))
    }

    /// All uevents that wait, without waiting for more.
    pub fn drain(&mut self) -> Result<Drained, HostError> {
        match &mut self.0 {
            Kind::Netlink(socket) => socket.drain(),
            Kind::Simulated(file) => file.drain(),
        }
    }
}

impl AsFd for UeventSource {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Kind::Netlink(socket) => socket.as_fd(),
            Kind::Simulated(file) => file.as_fd(),
        }
    }
}

impl Uevent {
    /// Reads the kernel's format: `ACTION@DEVPATH` and then `KEY=VALUE`s, each with a NUL byte at its end.
    ///
    /// `None` for anything else, such as udev's own messages, which begin with `libudev`.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(message);
        let mut parts = text.split('\0');
        let (action, devpath) = parts.next()?.split_once('@')?;
        if action.is_empty() || !devpath.starts_with('/') {
            return None;
        }
        let mut event = Self { action: action.to_owned(), devpath: devpath.to_owned(), ..Self::default() };
        for part in parts.filter(|part| !part.is_empty()) {
            match part.split_once('=')? {
                ("ACTION" | "DEVPATH", _) => {}
                ("SUBSYSTEM", subsystem) => subsystem.clone_into(&mut event.subsystem),
                (key, value) => {
                    event.properties.insert(key.to_owned(), value.to_owned());
                }
            }
        }
        Some(event)
    }

    /// The event as the kernel writes it, with one more NUL byte that ends the record in [`SIMULATED_FILE`]. Append it
    /// with a single write. Must not contain NUL bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Self { action, devpath, subsystem, properties } = self;
        let mut text =
            format!("{action}@{devpath}\0ACTION={action}\0DEVPATH={devpath}\0SUBSYSTEM={subsystem}\0");
        for (key, value) in properties {
            text.extend([key, "=", value, "\0"]);
        }
        text.push('\0');
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests;
