//! The sidecar with XPU Managers of all kinds.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod failures;
mod fake;
mod https;
mod labelling;
