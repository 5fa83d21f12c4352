//! What the reconciler does, on an API server in memory. The clock is paused: it jumps over the waits.

mod daemonsets;
mod fake;
mod images;
mod status;
mod trouble;
mod world;
