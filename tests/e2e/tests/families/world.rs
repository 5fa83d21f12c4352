//! The cluster that all tests share, and what they ask of it.

use std::sync::MutexGuard;

use e2e::{Cluster, Counts, Kubernetes, SharedCluster, healthy, pod};
use host::PciFunction;

const IMAGES: [&str; 11] = [
    "intel-device-plugins",
    "intel-npu-plugin",
    "intel-qat-plugin",
    "intel-qat-initcontainer",
    "intel-dsa-plugin",
    "intel-iaa-plugin",
    "intel-dlb-plugin",
    "intel-sgx-plugin",
    "intel-fpga-plugin",
    "intel-fpga-initcontainer",
    "intel-fpga-admissionwebhook",
];

pub(crate) const FPGA: &str = "fpga.intel.com/af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs";
/// All that the node has.
const ALL: [(&str, i64); 13] = [
    ("dlb.intel.com/pf", 1),
    ("dlb.intel.com/vf", 1),
    ("dsa.intel.com/wq-user-dedicated", 16),
    ("dsa.intel.com/wq-user-shared", 16),
    (FPGA, 1),
    ("gpu.intel.com/i915", 8),
    ("iaa.intel.com/wq-user-dedicated", 16),
    ("iaa.intel.com/wq-user-shared", 16),
    ("npu.intel.com/accel", 1),
    ("qat.intel.com/cy", 32),
    ("qat.intel.com/dc", 32),
    ("sgx.intel.com/enclave", 110),
    ("sgx.intel.com/provision", 110),
];

/// Prints the character devices that a container has and others have not, a path a line with its number, and the variables
/// that devices come with.
pub(crate) const LOOK: &str = r#"
cd /dev; for node in $(/bin/busybox find . -type c | /bin/busybox sort); do case $node in
./console | ./full | ./null | ./ptmx | ./pts/* | ./random | ./tty | ./urandom | ./zero) ;;
*) case $({ : <$node; } 2>&1) in *"not permitted"*) echo "${node#./} denied" ;; *) echo "${node#./}" ;; esac ;;
esac; done
/bin/busybox env | /bin/busybox grep -E '^(QAT|VFIO_BDF|FPGA)' | /bin/busybox sort
echo end"#;

/// A cluster, and its client, for one test at a time.
pub(crate) struct World {
    pub(crate) cluster: MutexGuard<'static, Cluster>,
    pub(crate) kubernetes: Kubernetes,
}

/// `None` where no cluster can be had.
pub(crate) fn world() -> Option<World> {
    static CLUSTER: SharedCluster = SharedCluster::new();
    let (cluster, kubernetes) = CLUSTER.take("xeon-full", &IMAGES)?;
    Some(World { cluster, kubernetes })
}

/// Those of `ALL` in a domain, such as `qat.intel.com/`.
pub(crate) fn all_of(domain: &str) -> Counts {
    healthy(&ALL).into_iter().filter(|(name, _)| name.starts_with(domain)).collect()
}

impl World {
    pub(crate) fn deploy(&self, folder: &str, daemonset: &str, domain: &str) {
        self.cluster.kubectl(&["apply", "-k", &format!("deployments/{folder}")]);
        self.kubernetes.wait_for_daemonset(daemonset, || self.state());
        self.expect(domain, &all_of(domain));
    }

    pub(crate) fn remove(&self, folder: &str) {
        self.cluster.kubectl(&["delete", "-k", &format!("deployments/{folder}"), "--timeout=60s"]);
    }

    pub(crate) fn wait_for_rollout(&self, namespace: &str, object: &str) {
        self.cluster.kubectl(&["rollout", "status", "-n", namespace, object, "--timeout=110s"]);
    }

    pub(crate) fn expect(&self, domain: &str, counts: &Counts) {
        self.kubernetes.wait_for_resources(domain, counts, || self.state());
    }

    /// Makes what the file in `demo` says, and waits until it has come to a good end.
    pub(crate) fn demo(&self, file: &str, object: &str, end: &str) {
        let file = format!("demo/{file}.yaml");
        self.cluster.kubectl(&["apply", "-f", &file]);
        let waited = self.cluster.try_kubectl(&["wait", object, &format!("--for={end}"), "--timeout=60s"]);
        assert!(waited.is_ok(), "{file}: {waited:?}\n{}", self.state());
        self.cluster.kubectl(&["delete", "-f", &file, "--timeout=60s"]);
    }

    /// Waits until there is one of a resource. What other modes of the plugin have offered stays in the node's status for some
    /// minutes.
    pub(crate) fn expect_one(&self, resource: &str) {
        self.kubernetes.wait_for(
            resource,
            || self.state(),
            || (self.kubernetes.resources(resource).get(resource) == Some(&(1, 1))).then_some(()),
        );
    }

    /// Waits until a resource has these counts and the others of its domain what they always have.
    pub(crate) fn expect_but(&self, resource: &str, capacity: i64, allocatable: i64) {
        let domain = resource.split_inclusive('/').next().unwrap();
        let mut counts = all_of(domain);
        counts.insert(resource.to_owned(), (capacity, allocatable));
        if capacity == 0 {
            counts.remove(resource);
        }
        self.expect(domain, &counts);
    }

    /// What a container with these devices sees, line by line.
    pub(crate) fn seen_by(&self, name: &str, requests: &[(&str, u32)]) -> Vec<String> {
        self.kubernetes.run(&pod(name, requests, LOOK), || self.state());
        let seen = self.kubernetes.output(name);
        self.kubernetes.delete(name);
        seen.lines().map(str::to_owned).collect()
    }

    /// For failures.
    pub(crate) fn state(&self) -> String {
        let ask = |args: &[&str]| self.cluster.try_kubectl(args).unwrap_or_else(|error| error);
        let pods = ask(&["get", "pods", "-A", "-o", "wide"]);
        let logs: String = ["default", "intelfpgaplugin-system"]
            .iter()
            .map(|namespace| {
                ask(&["logs", "-n", namespace, "-l", "app", "--tail=30", "--prefix", "--all-containers"])
            })
            .collect();
        let events = ask(&["get", "events", "-A"]);
        let events = events.lines().rev().take(15).collect::<Vec<_>>().join("\n");
        format!("{pods}\n{events}\n--- the plugins' logs\n{logs}\n{}", self.cluster.logs())
    }

    pub(crate) fn vfio_group(&self, address: &str) -> String {
        let function = PciFunction::at(&self.cluster.node().host(), address.parse().unwrap()).unwrap();
        function.vfio_group().unwrap().unwrap()
    }
}
