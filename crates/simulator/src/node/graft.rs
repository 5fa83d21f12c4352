//! Parts of a node that come and go while it runs because its kernel says so, whoever made what they belong to.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::SimulatedNode;
use crate::SimulatorError;
use crate::profile::{Entry, Fragment, Line};
use crate::tree::Links;

impl SimulatedNode {
    /// Makes what `words` of a `use` line stand for. It goes with the device that has `folder`, if one does. What is in the
    /// way is replaced: sysfs is the kernel's.
    pub(crate) fn graft(&mut self, folder: &Path, words: &str) -> Result<(), SimulatorError> {
        let lines = Fragment::parse(words, &format!("use {words}"))?.lines;
        let paths: Vec<PathBuf> = lines
            .iter()
            .filter(|line| !matches!(line.entry, Entry::Folder { .. }))
            .filter_map(|line| line.entry.path().map(Path::to_owned))
            .collect();
        self.cut(&paths)?;
        let lines = self.make_all(lines)?;
        let has_folder = |line: &Line| line.entry.path().and_then(Path::parent) == Some(folder);
        let owner = self.devices.values_mut().find(|lines| lines.iter().any(has_folder));
        owner.unwrap_or(&mut self.unnamed).extend(lines);
        Ok(())
    }

    /// Removes the files and links at `paths`, without an announcement. They need not be there.
    pub(crate) fn cut(&mut self, paths: &[PathBuf]) -> Result<(), SimulatorError> {
        let lines = self.take_lines(|entry| entry.path().is_some_and(|path| paths.iter().any(|p| p == path)));
        self.unmake(&lines)?;
        paths.iter().try_for_each(|path| self.tree.remove(path, Links::Refuse))
    }

    /// Removes a folder of sysfs with all that it holds and all that leads to it: links, device nodes, and udev's links to
    /// those. It is announced as devices are that are pulled out.
    pub(crate) fn uproot(&mut self, folder: &Path) -> Result<(), SimulatorError> {
        let mut lines = self.take_lines(|entry| is_of(entry, folder));
        let numbers: BTreeSet<PathBuf> = lines
            .iter()
            .filter_map(|line| line.entry.path())
            .filter(|path| path.starts_with("/sys/dev"))
            .map(Path::to_owned)
            .collect();
        let nodes = self.take_lines(|entry| number_of(entry).is_some_and(|path| numbers.contains(&path)));
        let paths: BTreeSet<&Path> = nodes.iter().filter_map(|line| line.entry.path()).collect();
        let by_udev = self.take_lines(|entry| target_of(entry).is_some_and(|path| paths.contains(&*path)));
        lines.extend(nodes);
        lines.extend(by_udev);
        self.unmake(&lines)?;
        self.tree.remove(folder, Links::Refuse)
    }

    /// The lines that were made and match, which belong to nobody any more. A device without lines is no more.
    fn take_lines(&mut self, matches: impl Fn(&Entry) -> bool) -> Vec<Line> {
        let mut taken = Vec::new();
        for lines in self.devices.values_mut().chain([&mut self.unnamed]) {
            taken.extend(lines.extract_if(.., |line| matches(&line.entry)));
        }
        self.devices.retain(|_, lines| !lines.is_empty());
        taken
    }
}

/// Whether a thing is in a folder, leads to it, or says that it comes and goes.
fn is_of(entry: &Entry, folder: &Path) -> bool {
    if let Entry::Uevent { devpath, .. } = entry {
        return Path::new("/sys").join(devpath.trim_start_matches('/')).starts_with(folder);
    }
    entry.path().is_some_and(|path| path.starts_with(folder))
        || target_of(entry).is_some_and(|target| target.starts_with(folder))
}

/// What a link leads to. The folders of a node's own links are no links.
fn target_of(entry: &Entry) -> Option<PathBuf> {
    let Entry::Link { path, target, .. } = entry else { return None };
    let mut found = PathBuf::new();
    for part in path.parent()?.join(target).components() {
        if part == Component::ParentDir {
            found.pop();
        } else {
            found.push(part);
        }
    }
    Some(found)
}

/// The link in sysfs that stands for a device node.
fn number_of(entry: &Entry) -> Option<PathBuf> {
    let Entry::Node { block, major, minor, .. } = entry else { return None };
    let kind = if *block { "block" } else { "char" };
    Some(Path::new("/sys/dev").join(kind).join(format!("{major}:{minor}")))
}
