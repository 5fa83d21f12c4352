//! What runs beside the GPU plugin, on a real cluster: who tells it of the GPUs' health, and who labels the node. A simulated node
//! with an i915 and an xe GPU; Debian's Level-Zero loader over a driver that does what a file says.
//!
//! One cluster serves all tests, one after the other; each leaves the node as it found it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod health;
mod labels;
mod world;
mod wsl;
mod xelink;
mod xpumd;
