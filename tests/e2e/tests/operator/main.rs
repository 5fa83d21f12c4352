//! The operator on a real cluster: objects, and the DaemonSets, pods and resources of the node that come of them. A simulated node
//! with hardware of all families.
//!
//! One cluster serves all tests, one after the other; each leaves the cluster as it found it.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

mod adoption;
mod changes;
mod churn;
mod fields;
mod monitoring;
mod offers;
mod replicas;
mod samples;
mod suite;
mod world;
