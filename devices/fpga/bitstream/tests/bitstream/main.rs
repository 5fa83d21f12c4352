//! What is read, found and installed, file by file.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod aocx;
mod gbs;
mod ids;
mod install;
mod properties;
mod scene;
mod store;
