//! A simulated node for one test.

use std::io;
use std::ops::{Deref, DerefMut};

use super::SimulatedNode;
use crate::{Profile, SimulatorError};

/// A simulated node in a folder of its own, which goes when this is dropped. Plain files stand in for its device nodes.
#[derive(Debug)]
pub struct TemporaryNode {
    node: SimulatedNode,
    _folder: tempfile::TempDir,
}

impl TemporaryNode {
    /// Makes the node.
    pub fn new(profile: &Profile) -> Result<Self, SimulatorError> {
        let fail = |error: io::Error| SimulatorError::io("make a folder in", &std::env::temp_dir(), error);
        let folder = tempfile::tempdir().map_err(fail)?;
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), profile)?;
        Ok(Self { node, _folder: folder })
    }
}

impl Deref for TemporaryNode {
    type Target = SimulatedNode;

    fn deref(&self) -> &SimulatedNode {
        &self.node
    }
}

impl DerefMut for TemporaryNode {
    fn deref_mut(&mut self) -> &mut SimulatedNode {
        &mut self.node
    }
}
