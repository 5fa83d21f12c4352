//! What the DSA and IAA plugins offer on a node.
#![expect(clippy::unwrap_used, reason = "tests")]

mod health;
mod profile;
mod queues;
mod scene;
mod vfio;
