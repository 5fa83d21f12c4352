//! `fpga-programming` on simulated nodes, whose kernel is the emulator.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod bitstreams;
mod emulator;
mod facts;
mod faults;
mod header;
mod locks;
mod ports;
mod scene;
