//! The sidecar as a process, with Debian's loader and a newer one's calls, over a driver that does what a file says.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod answers;
mod client;
mod faults;
mod process;
mod scene;

use std::time::Duration;

// Links to nothing: the tests load it.
use fake_levelzero_driver as _;

/// Long enough for any machine; nothing is measured by it.
const PATIENCE: Duration = Duration::from_mins(1);
const GPU: &str = "0000:03:00.0";
const OTHER: &str = "0000:04:00.0";
const INTEGRATED: &str = "0000:00:02.0";
