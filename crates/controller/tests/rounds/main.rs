//! What the reconciler does, on an API server in memory. The clock is paused: it jumps over the waits.
#![expect(
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod daemonsets;
mod fake;
mod images;
mod offers;
mod reasons;
mod status;
mod trouble;
mod world;
