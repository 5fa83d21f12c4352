//! A Level-Zero driver without a GPU, for tests: what it has and how it behaves are lines of the file that `FAKE_ZE` names,
//! read again at each call. See `state.rs` for the lines.
//!
//! Debian's loader takes it with `ZE_ENABLE_ALT_DRIVERS`, by the tables of functions in `tables.rs`. The functions have the API's
//! own names, so the library can also stand in for a newer loader, which has calls that Debian's lacks.

mod calls;
mod state;
mod tables;
