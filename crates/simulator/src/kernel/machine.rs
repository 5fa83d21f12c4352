//! The node in the hands of its kernel.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use host::uevent::Uevent;
use host::{Host, PciAddress, PciId};
use rustix::io::Errno;

use super::{drivers, sriov};
use crate::{SimulatedNode, SimulatorError};

/// The kinds of functions that a driver is for: vendor and device.
pub(super) type Ids = Vec<(PciId, PciId)>;

/// What a kernel knows that its node does not show.
#[derive(Debug)]
pub(super) struct Memory {
    /// Major and minor number.
    pub(super) release: (u16, u16),
    /// What drivers have known from the start, besides the well-known ones.
    pub(super) known: BTreeMap<String, Ids>,
    /// What drivers were told (`new_id`).
    pub(super) told: BTreeMap<String, Ids>,
    /// Where virtual functions are, by their physical one: offset and stride.
    pub(super) places: BTreeMap<PciAddress, (u16, u16)>,
}

/// The node while one write has its effects.
pub(super) struct Machine<'a> {
    pub(super) node: &'a mut SimulatedNode,
    pub(super) memory: &'a mut Memory,
}

/// The kernel's answer.
pub(super) type Done<T = ()> = io::Result<T>;

/// The kernel's no.
pub(super) fn refuse<T>(errno: Errno) -> Done<T> {
    Err(errno.into())
}

/// The kernel's no if something is not so.
pub(super) fn ensure(good: bool, errno: Errno) -> Done {
    if good { Ok(()) } else { refuse(errno) }
}

/// The simulation does not work.
fn broken(error: SimulatorError) -> io::Error {
    io::Error::other(error)
}

impl Memory {
    /// What the kernel of a node remembers when it has just come up.
    pub(super) fn of(host: &Host) -> Self {
        let (known, places) = (drivers::known(host), sriov::places(host));
        Self { release: (6, 16), known, told: BTreeMap::new(), places }
    }
}

impl Machine<'_> {
    /// Does what `value` in the attribute at `path`, which has no links in it, stands for.
    pub(super) fn write(&mut self, path: &Path, value: &str) -> Done {
        let shown = path.to_string_lossy();
        let parts: Vec<&str> = shown.split('/').collect();
        match parts.as_slice() {
            [
                "",
                "sys",
                "bus",
                "pci",
                "drivers",
                driver,
                file @ ("bind" | "unbind" | "new_id" | "remove_id"),
            ] => self.write_to_pci_driver(driver, file, value),
            ["", "sys", "bus", "pci", "drivers_probe"] => self.probe(value),
            ["", "sys", "bus", "dsa", "drivers", driver, file @ ("bind" | "unbind")] => {
                self.write_to_dsa_driver(driver, file, value)
            }
            ["", "sys", "devices", ..] => match self.function_above(path) {
                Some((function, rest)) => self.write_to_function(&function, &rest, path, value),
                None => self.hold(path, value),
            },
            _ => self.hold(path, value),
        }
    }

    /// The attribute at `path` shows `value` from now on.
    pub(super) fn hold(&mut self, path: &Path, value: &str) -> Done {
        // Most of what is cleared is clear; a file costs far more to make than to read.
        if self.read(path).as_deref() == Some(value) {
            return Ok(());
        }
        self.node.set_attribute(path, value.strip_suffix('\n').unwrap_or(value)).map_err(broken)
    }

    /// As [`hold`](Self::hold), if the node has the attribute: not all kernels do.
    pub(super) fn show(&mut self, path: &Path, value: &str) -> Done {
        if self.exists(path) { self.hold(path, value) } else { Ok(()) }
    }

    /// What an attribute shows, without the white space at its end.
    pub(super) fn read(&self, path: &Path) -> Option<String> {
        self.node.host().read(path).ok()
    }

    pub(super) fn parse<T: FromStr>(&self, path: &Path) -> Option<T> {
        self.read(path)?.parse().ok()
    }

    pub(super) fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.node.host().exists(path)
    }

    /// The names in a folder, sorted; none if it is not there.
    pub(super) fn names(&self, folder: &Path) -> Vec<String> {
        self.node.host().names(folder).unwrap_or_default()
    }

    /// The name of what a link leads to.
    pub(super) fn link_name(&self, link: &Path) -> Option<String> {
        self.node.host().link_name(link).ok()
    }

    /// Makes what the words of a `use` line stand for, with what is at `folder`.
    pub(super) fn graft(&mut self, folder: &Path, words: &str) -> Done {
        self.node.graft(folder, words).map_err(broken)
    }

    /// Removes a folder and all that leads to it.
    pub(super) fn uproot(&mut self, folder: &Path) -> Done {
        self.node.uproot(folder).map_err(broken)
    }

    /// Removes files and links.
    pub(super) fn cut(&mut self, paths: &[PathBuf]) -> Done {
        self.node.cut(paths).map_err(broken)
    }

    pub(super) fn announce(
        &mut self,
        action: &str,
        subsystem: &str,
        folder: &Path,
        properties: &[(&str, &str)],
    ) -> Done {
        let event = Uevent {
            action: action.to_owned(),
            devpath: folder.to_string_lossy().trim_start_matches("/sys").to_owned(),
            subsystem: subsystem.to_owned(),
            properties: properties.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        };
        self.node.uevent(&event).map_err(broken)
    }
}
