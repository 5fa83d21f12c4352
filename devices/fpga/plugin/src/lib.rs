//! The device plugin for Intel FPGAs.
