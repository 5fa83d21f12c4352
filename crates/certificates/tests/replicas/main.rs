//! Replicas of a server, and an API server in memory. Time is simulated: it passes when nothing is left to do.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod broken;
mod deletion;
mod fake;
mod forever;
mod logs;
mod replica;
mod secrecy;
mod start;
mod trouble;
