//! Who is in which group.

use std::path::{Path, PathBuf};

use super::super::machine::{Done, Machine};
use crate::Damage;

impl Machine<'_> {
    /// The parts of a kind (`wq` or `engine`) that are in a group.
    pub(super) fn members(&self, device: &Path, kind: &str, group: &Path) -> Vec<PathBuf> {
        let name = group.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.split_once('.').map_or("", |(_, number)| number);
        let mut parts = self.parts(device, kind);
        parts.retain(|part| self.shows(&part.join("group_id"), number));
        parts
    }

    /// The parts of a kind that are in any group.
    pub(super) fn grouped(&self, device: &Path, kind: &str) -> Vec<PathBuf> {
        let mut parts = self.parts(device, kind);
        parts.retain(|part| self.parse::<u32>(&part.join("group_id")).is_some());
        parts
    }

    /// Groups show their members.
    pub(super) fn list_members(&mut self, device: &Path) -> Done {
        for group in self.parts(device, "group") {
            for (kind, list) in [("engine", "engines"), ("wq", "work_queues")] {
                let members = self.members(device, kind, &group);
                let names = members.iter().filter_map(|part| part.file_name()?.to_str());
                let names: Vec<&str> = names.collect();
                let path = group.join(list);
                if !names.is_empty() {
                    self.show(&path, &names.join(" "))?;
                } else if self.read(&path).is_some_and(|shown| !shown.is_empty()) {
                    // Not even a newline.
                    self.node.damage(&path, Damage::Empty).map_err(std::io::Error::other)?;
                }
            }
        }
        Ok(())
    }
}
