//! A real one-node Kubernetes cluster (`tests/cluster`) on a simulated node, for the tests in `tests/`.
#![expect(clippy::expect_used, clippy::print_stderr, reason = "for tests only: failing is by panic")]

mod apply;
mod cluster;
mod demos;
mod levelzero;
mod objects;
mod shared;

pub use cluster::{Cluster, OnNode};
pub use demos::{Demo, DemoImage, REFUSED, STOOD_IN, run_demos};
pub use levelzero::{FAKE_DRIVER, LEVELZERO_IMAGE};
pub use objects::{Counts, Kubernetes, healthy, pod, with_variables};
pub use shared::SharedCluster;

use std::path::{Path, PathBuf};

/// A stand-in for XPU Manager's DaemonSet, as far as the sidecar's overlays know it: the real one is on the network.
pub const XPU_MANAGER: &str = r"
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: intel-xpumanager}
spec:
  selector: {matchLabels: {app: intel-xpumanager}}
  template:
    metadata: {labels: {app: intel-xpumanager}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: python-exporter
          image: localhost/pause:1
          imagePullPolicy: Never
          command: [/bin/busybox, httpd, -f, -p, '29999', -h, /www]
          volumeMounts: [{name: www, mountPath: /www}]
      volumes: [{name: www, hostPath: {path: /run/xpumd/www}}]
";

/// What the tests need and may not have.
#[derive(Debug)]
pub struct Prerequisites {
    /// Kubernetes in one program, as `tests/cluster/build` makes it.
    pub kubernetes: PathBuf,
    /// The folder of images, as `cargo xtask images` makes them.
    pub images: PathBuf,
    /// The `intel_gpu_levelzero`, as `cargo xtask build` makes it.
    pub levelzero: PathBuf,
    /// The library `fake-levelzero-driver`, which stands in for the driver of GPUs.
    pub levelzero_driver: PathBuf,
    /// The `fpga-emulator`, which stands in for the drivers of FPGAs.
    pub fpga_emulator: PathBuf,
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
        if !Path::new(simulated_sysfs::DEVICE).exists() {
            return missing(format!("a cluster needs {}: modprobe fuse", simulated_sysfs::DEVICE));
        }
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.exists());
        let names =
            ["E2E_KUBERNETES", "E2E_IMAGES", "E2E_LEVELZERO", "E2E_LEVELZERO_DRIVER", "E2E_FPGA_EMULATOR"];
        match names.map(path) {
            [
                Some(kubernetes),
                Some(images),
                Some(levelzero),
                Some(levelzero_driver),
                Some(fpga_emulator),
            ] => Some(Self { kubernetes, images, levelzero, levelzero_driver, fpga_emulator }),
            _ => missing(format!("{names:?} do not all name files; run ./test")),
        }
    }
}
