//! The `XeLink` sidecar: labels a node with the links between its Intel GPUs, as XPU Manager shows them.
//!
//! `exposition` reads the metrics, `links` finds the links in them.

pub mod exposition;
pub mod links;
