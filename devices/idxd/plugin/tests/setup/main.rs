//! `setup dsa` and `setup iaa` on simulated nodes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod accel_config;
mod changes;
mod failures;
mod files;
mod pci;
mod plans;
mod refusals;
mod scene;
