//! `fpga-programming` on simulated nodes, whose kernel is the emulator.

mod bitstreams;
mod emulator;
mod facts;
mod faults;
mod locks;
mod ports;
mod scene;
