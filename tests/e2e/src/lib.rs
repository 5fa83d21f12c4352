//! A real one-node Kubernetes cluster (`tests/cluster`) on a simulated node, for the tests in `tests/`.
#![expect(clippy::expect_used, clippy::print_stderr, reason = "for tests only: failing is by panic")]

mod cluster;
mod objects;

pub use cluster::{Cluster, Image};
pub use objects::{Counts, Kubernetes, healthy, pod};

use std::path::PathBuf;

/// What the tests need and may not have.
#[derive(Debug)]
pub struct Prerequisites {
    /// Kubernetes in one program, as `tests/cluster/build` makes it.
    pub kubernetes: PathBuf,
    /// The static `intel-device-plugins`, as `cargo xtask build` makes it.
    pub plugins: PathBuf,
}

impl Prerequisites {
    /// Where the script `test` says they are. What is missing is said in one line, and is an error where `CI` is set.
    pub fn find() -> Option<Self> {
        let missing = |what: String| {
            assert!(std::env::var_os("CI").is_none(), "{what}, and CI may skip nothing");
            eprintln!("skipped: {what}");
            None
        };
        if !rustix::process::geteuid().is_root() {
            return missing("a cluster needs root".to_owned());
        }
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.exists());
        match (path("E2E_KUBERNETES"), path("E2E_PLUGINS")) {
            (Some(kubernetes), Some(plugins)) => Some(Self { kubernetes, plugins }),
            _ => missing("E2E_KUBERNETES and E2E_PLUGINS name no files; run ./test".to_owned()),
        }
    }
}
