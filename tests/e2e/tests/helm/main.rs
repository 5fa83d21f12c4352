//! The charts by the real Helm: what they render, and what becomes of it on a real cluster.
//!
//! One cluster serves all tests, one after the other; each leaves the cluster as it found it.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

mod definitions;
mod manifests;
mod reference;
mod releases;
mod umbrella;
mod world;
