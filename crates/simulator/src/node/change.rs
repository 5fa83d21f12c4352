//! Changes of a simulated node, thing by thing.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use host::uevent::{SIMULATED_FILE, Uevent};

use super::SimulatedNode;
use crate::SimulatorError;
use crate::profile::{Entry, Line, path_from};
use crate::tree::Links;

/// Longer than any attribute can be.
const HUGE: usize = 1 << 20;

/// Ways in which a file of a node can be useless. Taking away the permission to read is not among them: root reads
/// what it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Nothing is there.
    Missing,
    /// A file of 0 bytes.
    Empty,
    /// Bytes that are no text.
    Binary,
    /// A mebibyte of text.
    Huge,
    /// An empty folder.
    Folder,
    /// A link to what is not there.
    DanglingLink,
    /// A link to itself.
    LinkLoop,
    /// A pipe into which nobody writes.
    Pipe,
}

impl Damage {
    /// All of them, for tests that try each.
    pub const ALL: [Self; 8] = [
        Self::Missing,
        Self::Empty,
        Self::Binary,
        Self::Huge,
        Self::Folder,
        Self::DanglingLink,
        Self::LinkLoop,
        Self::Pipe,
    ];
}

/// Paths may lead through links of the node, such as `/sys/class/drm/card0/device/vendor`. The last name of a path is
/// never followed.
impl SimulatedNode {
    /// Makes `path` a file that holds `text` and a newline, in one step, so that no reader sees half of it. The folder
    /// must be there, the file need not.
    pub fn set_attribute(&mut self, path: impl AsRef<Path>, text: &str) -> Result<(), SimulatorError> {
        self.tree.replace_file(&checked(path.as_ref())?, format!("{text}\n").as_bytes())
    }

    /// Removes what is at `path`; a folder with all that it holds.
    pub fn delete(&mut self, path: impl AsRef<Path>) -> Result<(), SimulatorError> {
        self.damage(path, Damage::Missing)
    }

    /// Makes what is at `path` useless. [`set_attribute`](Self::set_attribute) heals a file.
    pub fn damage(&mut self, path: impl AsRef<Path>, damage: Damage) -> Result<(), SimulatorError> {
        let path = &checked(path.as_ref())?;
        // A test that damages what was never there tests nothing.
        self.tree.require(path)?;
        match damage {
            Damage::Missing => self.tree.remove(path, Links::Follow),
            Damage::Empty => self.tree.replace_file(path, b""),
            Damage::Binary => self.tree.replace_file(path, b"\x7fELF\x00\xff\xfe\x80\n"),
            Damage::Huge => self.tree.replace_file(path, &vec![b'8'; HUGE]),
            Damage::Folder => self.tree.replace_by_folder(path),
            Damage::DanglingLink => self.tree.replace_by_link(path, Path::new("not/there")),
            Damage::LinkLoop => match path.file_name() {
                Some(name) => self.tree.replace_by_link(path, Path::new(name)),
                None => Ok(()),
            },
            Damage::Pipe => self.tree.replace_by_pipe(path),
        }
    }

    /// Announces something, without changing anything.
    pub fn uevent(&mut self, event: &Uevent) -> Result<(), SimulatorError> {
        let path = Path::new(SIMULATED_FILE);
        let words = [&event.action, &event.devpath, &event.subsystem];
        let mut texts = words.into_iter().chain(event.properties.keys()).chain(event.properties.values());
        if texts.any(|text| text.contains('\0')) {
            return Err(invalid(path, "a uevent cannot hold a zero byte"));
        }
        self.uevents.write_all(&event.encode()).map_err(|e| SimulatorError::io("append to", path, e))
    }

    /// Announces what a `uevent` line says; other lines say nothing.
    pub(super) fn announce(&mut self, action: &str, line: &Line) -> Result<(), SimulatorError> {
        let Entry::Uevent { subsystem, devpath, variables } = &line.entry else { return Ok(()) };
        self.uevent(&Uevent {
            action: action.to_owned(),
            devpath: devpath.clone(),
            subsystem: subsystem.clone(),
            properties: variables.iter().map(as_the_kernel_says).collect(),
        })
    }
}

fn as_the_kernel_says((name, value): &(String, String)) -> (String, String) {
    let class = pci_class(value).filter(|_| name == "PCI_CLASS");
    (name.clone(), class.unwrap_or_else(|| value.clone()))
}

/// The class of a PCI function, `0x0b4000` in sysfs, as it is in an event: `B4000` (`pci_uevent`).
pub(crate) fn pci_class(shown: &str) -> Option<String> {
    shown.strip_prefix("0x").map(|digits| digits.trim_start_matches('0').to_uppercase())
}

fn checked(path: &Path) -> Result<PathBuf, SimulatorError> {
    path_from(path).map_err(|message| invalid(path, message))
}

fn invalid(path: &Path, message: impl Into<String>) -> SimulatorError {
    SimulatorError::io("use", path, io::Error::new(io::ErrorKind::InvalidInput, message.into()))
}
