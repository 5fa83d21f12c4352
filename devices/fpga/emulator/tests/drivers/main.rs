//! `fpga-programming`, the hook and the tool on simulated nodes, whose kernel is the emulator.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod bitstreams;
mod emulator;
mod facts;
mod faults;
mod header;
mod hook;
mod locks;
mod ports;
mod scene;
mod tool;
