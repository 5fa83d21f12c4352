//! One cluster for all tests of a program, one after the other.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::{Cluster, Kubernetes, Prerequisites};

/// A cluster that starts for the first test that asks for it.
#[derive(Debug, Default)]
pub struct SharedCluster(OnceLock<Option<Mutex<Cluster>>>);

impl SharedCluster {
    /// Starts nothing yet.
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The cluster, on a node of this profile and with these images, and its client. It is this test's until the guard is dropped.
    /// `None` where no cluster can be had.
    pub fn take(
        &'static self,
        profile: &str,
        images: &[&str],
    ) -> Option<(MutexGuard<'static, Cluster>, Kubernetes)> {
        let start = || Some(Mutex::new(Cluster::start(&Prerequisites::find()?, profile, images)));
        let mutex = self.0.get_or_init(start).as_ref()?;
        let cluster = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        mutex.clear_poison();
        // What a test left behind that failed.
        if !cluster.runs("kube-apiserver") {
            cluster.start_again("kube-apiserver");
        }
        let kubernetes = cluster.kubernetes();
        kubernetes.wait_for_service_account();
        cluster.kubectl(&["delete", "mutatingwebhookconfigurations", "--all"]);
        cluster.kubectl(&["delete", "daemonsets,pods", "--all", "--grace-period=1", "--timeout=60s"]);
        Some((cluster, kubernetes))
    }
}
