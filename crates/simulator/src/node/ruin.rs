//! Ruins of a device, as property tests draw them.

use std::path::PathBuf;

use super::{Damage, SimulatedNode};
use crate::SimulatorError;
use crate::profile::Entry;

/// One thing of a device that is ruined: numbers and bytes that a property test draws at random, all of which mean
/// something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruin {
    /// Which of the device's things: its device nodes come first, then its files and links, and round again.
    pub which: usize,
    /// One of [`Damage::ALL`], by its place there; beyond them, a file with `content` takes its place.
    pub how: usize,
    /// Any bytes.
    pub content: Vec<u8>,
}

#[cfg(feature = "proptest")]
impl Ruin {
    /// A few ruins of any kind: damage, bytes, and texts that could be values. Often of the device nodes.
    pub fn several() -> impl proptest::strategy::Strategy<Value = Vec<Self>> {
        use proptest::prelude::*;
        let content = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            "[0-9a-fx, \n-]{0,12}".prop_map(String::into_bytes),
        ];
        let which = prop_oneof![0..4_usize, any::<usize>()];
        let ruin = (which, 0..Damage::ALL.len() * 2, content);
        prop::collection::vec(ruin.prop_map(|(which, how, content)| Self { which, how, content }), 1..8)
    }
}

impl SimulatedNode {
    /// Ruins some of what a device consists of. The folders stay.
    pub fn ruin(&mut self, device: &str, ruins: &[Ruin]) -> Result<(), SimulatorError> {
        let mut entries: Vec<&Entry> =
            self.devices.get(device).into_iter().flatten().map(|line| &line.entry).collect();
        entries.retain(|entry| !matches!(entry, Entry::Folder { .. }));
        entries.sort_by_key(|entry| !matches!(entry, Entry::Node { .. }));
        let things: Vec<PathBuf> = entries.iter().filter_map(|entry| entry.path()).map(Into::into).collect();
        for Ruin { which, how, content } in ruins {
            let Some(path) = which.checked_rem(things.len()).and_then(|which| things.get(which)) else {
                let known = self.devices().collect::<Vec<_>>().join(", ");
                return Err(SimulatorError::UnknownDevice { name: device.to_owned(), known });
            };
            match Damage::ALL.get(*how) {
                // What is ruined twice may be gone already.
                Some(_) if self.tree.require(path).is_err() => {}
                Some(damage) => self.damage(path, *damage)?,
                None => self.tree.replace_file(path, content)?,
            }
        }
        Ok(())
    }
}
