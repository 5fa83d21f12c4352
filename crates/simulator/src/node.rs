//! The simulated node.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use host::uevent::SIMULATED_FILE;
use host::{DeviceNumber, Host};

use crate::SimulatorError;
use crate::profile::{Entry, Fragment, Line, Profile};
use crate::tree::{Links, Tree};

mod change;
mod graft;
mod ruin;
mod temporary;

pub use change::Damage;
pub(crate) use change::pci_class;
pub use ruin::Ruin;
pub use temporary::TemporaryNode;

/// What every node has, whatever its devices.
const FOLDERS: [&str; 8] = [
    "/dev",
    "/proc",
    "/sys/bus",
    "/sys/class",
    "/sys/dev",
    "/sys/devices",
    "/var/lib/kubelet/device-plugins",
    "/var/run/cdi",
];

/// A folder that looks like a node's `/sys`, `/dev` and so on, and changes as a node's do.
///
/// The folder stays when this is dropped.
#[derive(Debug)]
pub struct SimulatedNode {
    tree: Tree,
    host: Host,
    uevents: File,
    devices: BTreeMap<String, Vec<Line>>,
    /// The lines that belong to no device.
    unnamed: Vec<Line>,
    /// What was made, and by which line.
    made: BTreeMap<PathBuf, String>,
    /// How many things each folder holds of those made; one that holds none any more is removed.
    folders: BTreeMap<PathBuf, usize>,
}

/// The steps in which the kernel and udev make a device appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// The kernel's sysfs, and all that is not in `/dev`.
    Sysfs,
    /// The kernel's devtmpfs.
    Nodes,
    Uevents,
    /// What udev makes when it hears of the device.
    UdevLinks,
}

impl Step {
    /// A device goes as `device_del` (drivers/base/core.c) takes it away, and udev hears of it last. (The kernel sends the
    /// event a moment before the folder is gone; after it is the order that tests can rely on.)
    const OF_REMOVAL: [Self; 4] = [Self::Nodes, Self::Sysfs, Self::Uevents, Self::UdevLinks];

    fn order_of_removal(lines: &[Line]) -> impl Iterator<Item = &Line> {
        Self::OF_REMOVAL
            .into_iter()
            .flat_map(|step| lines.iter().rev().filter(move |line| Self::of(line) == step))
    }

    fn of(line: &Line) -> Self {
        match &line.entry {
            Entry::Uevent { .. } => Self::Uevents,
            Entry::Link { path, .. } if path.starts_with("/dev") => Self::UdevLinks,
            entry if entry.path().is_some_and(|path| path.starts_with("/dev")) => Self::Nodes,
            _ => Self::Sysfs,
        }
    }
}

impl SimulatedNode {
    /// Makes the node in the folder `root`, which is made if it is not there. Device nodes are real ones if this process
    /// may make them, else plain files that stand in for them ([`Host::device_number`]).
    ///
    /// No uevents are sent: the node has just booted. After an error, what was made so far is still there.
    pub fn create(root: impl AsRef<Path>, profile: &Profile) -> Result<Self, SimulatorError> {
        Self::create_in(Tree::open(root.as_ref(), false)?, profile)
    }

    /// As [`create`](Self::create), but with plain files for all device nodes, even if this process is root.
    pub fn create_with_stand_ins(root: impl AsRef<Path>, profile: &Profile) -> Result<Self, SimulatorError> {
        Self::create_in(Tree::open(root.as_ref(), true)?, profile)
    }

    fn create_in(tree: Tree, profile: &Profile) -> Result<Self, SimulatorError> {
        let host = Host::at(tree.path())?;
        let uevents = tree.open_log(Path::new(SIMULATED_FILE))?;
        let (devices, made, folders) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut node = Self { tree, host, uevents, devices, unnamed: Vec::new(), made, folders };
        for folder in FOLDERS {
            node.claim_folder(Path::new(folder))?;
        }
        for Fragment { device, lines } in profile.fragments() {
            lines.iter().try_for_each(|line| node.make(line))?;
            match device {
                Some(device) => drop(node.devices.insert(device.clone(), lines.clone())),
                None => node.unnamed.extend(lines.iter().cloned()),
            }
        }
        // Only now, because the lines of one device may point to another.
        for Fragment { lines, .. } in profile.fragments() {
            node.check_links(lines)?;
        }
        Ok(node)
    }

    /// The folder that holds the node.
    pub fn root(&self) -> &Path {
        self.tree.path()
    }

    /// The node, as programs see it.
    pub fn host(&self) -> Host {
        self.host.clone()
    }

    /// The names of the devices (`as=NAME`) that the node has now, sorted.
    pub fn devices(&self) -> impl Iterator<Item = &str> {
        self.devices.keys().map(String::as_str)
    }

    /// Plugs in a device: `words` are those of a `use` line, such as
    /// `flex-170 as=card8 pci=0000:8d:00.0 card=8 render=136`.
    ///
    /// Things appear in the order of the kernel and udev: sysfs, device nodes, uevents, links in `/dev`. After an error
    /// nothing of the device is left.
    pub fn add(&mut self, words: &str) -> Result<(), SimulatorError> {
        let place = format!("use {words}");
        let Fragment { device, lines } = Fragment::parse(words, &place)?;
        let Some(device) = device else {
            return Err(SimulatorError::line(&place, "expected `as=NAME`, the name of the new device"));
        };
        if self.devices.contains_key(&device) {
            return Err(SimulatorError::line(&place, format!("the node has a device {device} already")));
        }
        let lines = self.make_all(lines)?;
        self.devices.insert(device, lines);
        Ok(())
    }

    /// Pulls out a device: its device nodes and its part of sysfs go, the uevents are sent, the links in `/dev` go.
    ///
    /// Where one device sits below another, as virtual functions do, remove them first, as the kernel does.
    pub fn remove(&mut self, device: &str) -> Result<(), SimulatorError> {
        let Some(lines) = self.devices.remove(device) else {
            let known = self.devices().collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            return Err(SimulatorError::UnknownDevice { name: device.to_owned(), known });
        };
        self.unmake(&lines)
    }

    /// Makes and announces what `lines` say, and returns them in the order in which that was done. After an error nothing of
    /// them is left.
    fn make_all(&mut self, mut lines: Vec<Line>) -> Result<Vec<Line>, SimulatorError> {
        lines.sort_by_key(Step::of);
        for (done, line) in lines.iter().enumerate() {
            let made = self.make(line).and_then(|()| self.announce("add", line));
            if let Err(error) = made {
                self.unmake(lines.get(..done).unwrap_or_default())?;
                return Err(error);
            }
        }
        if let Err(error) = self.check_links(&lines) {
            self.unmake(&lines)?;
            return Err(error);
        }
        Ok(lines)
    }

    fn make(&mut self, line: &Line) -> Result<(), SimulatorError> {
        let Some(path) = line.entry.path() else { return Ok(()) };
        if let Entry::Folder { path } = &line.entry {
            return self.claim_folder(path);
        }
        if let Some(first) = self.made.get(path) {
            let message = format!("{} is made by {first} already", path.display());
            return Err(SimulatorError::line(&line.place, message));
        }
        let parent = path.parent().unwrap_or(Path::new("/"));
        self.claim_folder(parent)?;
        let made = match &line.entry {
            Entry::Folder { .. } | Entry::Uevent { .. } => Ok(()),
            Entry::File { content, .. } => self.tree.make_file(path, content),
            Entry::Link { target, .. } => self.tree.make_link(path, target),
            Entry::Node { block, major, minor, .. } => {
                let number = DeviceNumber { block: *block, major: *major, minor: *minor };
                self.tree.make_node(path, number)
            }
        };
        if let Err(error) = made {
            self.release_folder(parent)?;
            return Err(error);
        }
        self.made.insert(path.to_owned(), line.place.clone());
        Ok(())
    }

    /// Removes what `lines` made, whatever it has become since.
    fn unmake(&mut self, lines: &[Line]) -> Result<(), SimulatorError> {
        for line in Step::order_of_removal(lines) {
            match &line.entry {
                Entry::Uevent { .. } => self.announce("remove", line)?,
                Entry::Folder { path } => self.release_folder(path)?,
                Entry::File { path, .. } | Entry::Link { path, .. } | Entry::Node { path, .. } => {
                    self.tree.remove(path, Links::Refuse)?;
                    self.made.remove(path);
                    self.release_folder(path.parent().unwrap_or(Path::new("/")))?;
                }
            }
        }
        Ok(())
    }

    /// Counts one more thing in `folder`, which is made if there was none.
    fn claim_folder(&mut self, folder: &Path) -> Result<(), SimulatorError> {
        let Some(parent) = folder.parent() else { return Ok(()) };
        if let Some(count) = self.folders.get_mut(folder) {
            *count += 1;
            return Ok(());
        }
        self.claim_folder(parent)?;
        if let Err(error) = self.tree.make_folder(folder) {
            self.release_folder(parent)?;
            return Err(error);
        }
        self.folders.insert(folder.to_owned(), 1);
        Ok(())
    }

    /// Counts one thing less in `folder`, which goes with the last one.
    fn release_folder(&mut self, folder: &Path) -> Result<(), SimulatorError> {
        let Some(parent) = folder.parent() else { return Ok(()) };
        match self.folders.get_mut(folder) {
            None => return Ok(()),
            Some(count) if *count > 1 => {
                *count -= 1;
                return Ok(());
            }
            Some(_) => self.folders.remove(folder),
        };
        if folder.starts_with("/sys") {
            // With attributes that came later: a device's folder goes as a whole.
            self.tree.remove(folder, Links::Refuse)?;
        } else {
            self.tree.remove_folder(folder)?;
        }
        self.release_folder(parent)
    }

    fn check_links(&self, lines: &[Line]) -> Result<(), SimulatorError> {
        for line in lines {
            if let Entry::Link { path, target, dangling: false } = &line.entry
                && !self.host.exists(path)
            {
                let (path, target) = (path.display(), target.display());
                let message = format!("{path} -> {target} leads nowhere; write `dangling` if that is meant");
                return Err(SimulatorError::line(&line.place, message));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_goes_node_first_and_udev_hears_of_it_last() {
        let words = "class-device parent=/devices/a class=drm name=card0 major=226 minor=0 node=dri/card0";
        let lines = Fragment::parse(words, "test").unwrap().lines;
        let order: Vec<String> = Step::order_of_removal(&lines).map(|line| line.entry.to_string()).collect();
        let expected = [
            "char /dev/dri/card0 226:0",
            "link /sys/class/drm/card0 ",
            "link /sys/devices/a/drm/card0/subsystem ",
            "link /sys/devices/a/drm/card0/device ",
            "link /sys/dev/char/226:0 ",
            "file /sys/devices/a/drm/card0/uevent ",
            "file /sys/devices/a/drm/card0/dev ",
            "uevent drm /devices/a/drm/card0 ",
            "link /dev/char/226:0 ",
        ];
        assert_eq!(order.len(), expected.len());
        for (line, start) in order.iter().zip(expected) {
            assert!(line.starts_with(start), "{line} where {start} should be");
        }
    }
}
