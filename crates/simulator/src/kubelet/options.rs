//! How an embedded kubelet is set up, and what is made to go wrong with it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

/// How the kubelet behaves. The default is a kubelet as it is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether and how devices are chosen near one another.
    pub topology: TopologyPolicy,
    /// How long a resource whose plugin is gone is remembered: 5 minutes.
    pub grace_period: Duration,
    /// How long the kubelet tries to reach a plugin that registers and to learn its options: 10 s.
    pub dial_limit: Duration,
    /// How long the kubelet waits before it gives up on `PreStartContainer`: 30 s.
    pub pre_start_limit: Duration,
    /// Whether two instances of one plugin are told apart. Kubelets up to 1.36 do not: the list stream of an old instance
    /// still counts after a newer one has registered, and when it ends the newer one is dropped
    /// (<https://github.com/kubernetes/kubernetes/pull/135437>). The default is false.
    pub tells_instances_apart: bool,
    /// After how long [`wait_until`](crate::kubelet::Kubelet::wait_until) fails, so that a broken test does not hang: 30 s.
    pub patience: Duration,
    /// Where the Pod Resources API is served, a socket's path; nowhere by default.
    pub pod_resources: Option<PathBuf>,
    /// What goes wrong from the start.
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            topology: TopologyPolicy::None,
            grace_period: Duration::from_mins(5),
            dial_limit: Duration::from_secs(10),
            pre_start_limit: Duration::from_secs(30),
            tells_instances_apart: false,
            patience: Duration::from_secs(30),
            pod_resources: None,
            faults: Faults::default(),
        }
    }
}

/// The kubelet's `topologyManagerPolicy`, in the scope of a container. See
/// <https://kubernetes.io/docs/tasks/administer-cluster/topology-manager/>.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TopologyPolicy {
    /// Devices are chosen wherever they are.
    #[default]
    None,
    /// Devices are chosen near as few NUMA nodes as possible.
    BestEffort,
    /// The same, and a pod is rejected if that is more nodes than it need be.
    Restricted,
    /// A pod is rejected if not all devices of a container are near one NUMA node.
    SingleNumaNode,
}

/// What goes wrong. Can be changed at any time with [`Kubelet::set_faults`](crate::kubelet::Kubelet::set_faults); survives restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// What happens to the calls of `Register` to come, one each, in order.
    pub register: VecDeque<RegisterFault>,
    /// The socket is there, but who connects to it gets no answer.
    pub accepts_nothing: bool,
    /// List streams are opened and not read.
    pub reads_no_lists: bool,
}

/// What goes wrong with one call of `Register`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterFault {
    /// It is answered with this error. The plugin is not called back.
    Refuse(String),
    /// The plugin is called back, and only after this time it gets its answer and the list is opened. With
    /// [`Duration::MAX`] that is never.
    Hang(Duration),
    /// The kubelet stops before it calls the plugin back.
    StopBeforeDial,
    /// The kubelet stops after it called the plugin back, without an answer.
    StopBeforeAnswer,
}
