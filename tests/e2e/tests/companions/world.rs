//! The cluster that all tests share, and what they ask of it.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use e2e::{Cluster, FAKE_DRIVER, Kubernetes, LEVELZERO_IMAGE, SharedCluster};
use rustix::fs::{CWD, FileType, Mode, mknodat};

const IMAGES: [&str; 6] = [
    "intel-gpu-plugin",
    "intel-xpumanager-sidecar",
    "intel-gpu-initcontainer",
    "intel-sgx-initcontainer",
    "intel-sgx-plugin",
    LEVELZERO_IMAGE,
];

const DOMAIN: &str = "gpu.intel.com/";
pub(crate) const I915: &str = "gpu.intel.com/i915";
pub(crate) const XE: &str = "gpu.intel.com/xe";
pub(crate) const MONITORING: &str = "gpu.intel.com/monitoring";
pub(crate) const DXG: &str = "gpu.intel.com/dxg";
pub(crate) const PLUGIN: &str = "intel-gpu-plugin";
const LEVELZERO: &str = "intel_gpu_levelzero";

/// A cluster, and its client, for one test at a time.
pub(crate) struct World {
    pub(crate) cluster: MutexGuard<'static, Cluster>,
    pub(crate) kubernetes: Kubernetes,
}

/// `None` where no cluster can be had.
pub(crate) fn world() -> Option<World> {
    static CLUSTER: SharedCluster = SharedCluster::new();
    let (cluster, kubernetes) = CLUSTER.take("arc-b580-igpu", &IMAGES)?;
    Some(World { cluster, kubernetes })
}

impl World {
    pub(crate) fn apply(&self, folder: &str) {
        self.cluster.kubectl(&["apply", "-k", &format!("deployments/{folder}")]);
    }

    pub(crate) fn remove(&self, folder: &str) {
        self.cluster.kubectl(&["delete", "-k", &format!("deployments/{folder}"), "--timeout=60s"]);
    }

    /// Waits until the node has these: a resource, how many there are, and how many are healthy. What plugins of other tests have
    /// offered stays in the node's status for some minutes.
    pub(crate) fn expect(&self, counts: &[(&str, i64, i64)]) {
        let has = || {
            let found = self.kubernetes.resources(DOMAIN);
            let as_expected =
                |(name, all, healthy): &(&str, i64, i64)| found.get(*name) == Some(&(*all, *healthy));
            counts.iter().all(as_expected).then_some(())
        };
        self.kubernetes.wait_for(&format!("{counts:?} on the node"), || self.state(), has);
    }

    /// Waits until the kubelet says this of the device that the pod has.
    pub(crate) fn expect_health(&self, pod: &str, health: &str) {
        let found = || {
            let statuses = self.kubernetes.pod(pod)?.status?.container_statuses?;
            let resource = statuses.into_iter().next()?.allocated_resources_status?.into_iter().next()?;
            resource.resources?.into_iter().next()?.health
        };
        self.kubernetes.wait_for(
            &format!("a device of pod {pod} that is {health}"),
            || format!("{:?}\n{}", found(), self.state()),
            || (found().as_deref() == Some(health)).then_some(()),
        );
    }

    /// Waits until the log of a DaemonSet's containers has a line with all of these.
    pub(crate) fn expect_log(&self, daemonset: &str, texts: &[&str]) {
        let log = || self.log(daemonset);
        let has = |line: &str| texts.iter().all(|text| line.contains(text));
        self.kubernetes
            .wait_for(&format!("a line with {texts:?}"), log, || log().lines().any(has).then_some(()));
    }

    fn log(&self, daemonset: &str) -> String {
        let selector = format!("app={daemonset}");
        let args = ["logs", "-l", &selector, "--tail=200", "--all-containers", "--prefix"];
        self.cluster.try_kubectl(&args).unwrap_or_else(|error| error)
    }

    /// The GPUs' driver, as the sidecar in the only pod of this DaemonSet has it.
    pub(crate) fn driver_of_pod(&self, daemonset: &str) -> Driver {
        let folder = self.kubernetes.wait_for(
            "the folder that the containers share",
            || self.state(),
            || {
                let uid = self.kubernetes.pods_of(daemonset).pop()?.metadata.uid?;
                let volume =
                    format!("/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~empty-dir/levelzerosocket");
                Some(self.cluster.file(&volume)).filter(|folder| folder.exists())
            },
        );
        Driver { file: folder.join(Path::new(FAKE_DRIVER).file_name().unwrap()) }
    }

    /// The GPUs' driver, as a sidecar has it that shares a folder of the node.
    pub(crate) fn driver_of_node(&self) -> Driver {
        Driver { file: self.cluster.file(FAKE_DRIVER) }
    }

    /// Kills the sidecar.
    pub(crate) fn kill_sidecar(&self) {
        assert_eq!(self.cluster.kill(LEVELZERO), 1);
    }

    /// For failures.
    pub(crate) fn state(&self) -> String {
        let ask = |args: &[&str]| self.cluster.try_kubectl(args).unwrap_or_else(|error| error);
        let pods = ask(&["get", "pods", "-A", "-o", "wide"]);
        let events = ask(&["get", "events", "-A"]);
        let events = events.lines().rev().take(15).collect::<Vec<_>>().join("\n");
        let log = ask(&["logs", "-l", "app", "--tail=40", "--all-containers", "--prefix"]);
        format!("{pods}\n{events}\n--- the DaemonSets' logs\n{log}\n{}", self.cluster.logs())
    }
}

/// What the fake driver is told.
pub(crate) struct Driver {
    file: PathBuf,
}

impl Driver {
    /// The states of the GPUs from now on, and how calls fail.
    pub(crate) fn says(&self, text: &str) {
        let new = self.file.with_extension("new");
        // In one step, for the driver may be reading it.
        fs::write(&new, text).unwrap();
        fs::rename(&new, &self.file).unwrap();
    }

    /// Has calls that the text says hang do so until [`release`](Self::release).
    pub(crate) fn hangs(&self, text: &str) {
        let gate = self.gate();
        if !fs::metadata(&gate).is_ok_and(|found| found.file_type().is_fifo()) {
            mknodat(CWD, &gate, FileType::Fifo, Mode::RWXU, 0).unwrap();
        }
        self.says(text);
    }

    /// Lets the call that hangs come back; waits until there is one.
    pub(crate) fn release(&self) {
        fs::OpenOptions::new().write(true).open(self.gate()).unwrap();
    }

    fn gate(&self) -> PathBuf {
        self.file.with_extension("gate")
    }
}
