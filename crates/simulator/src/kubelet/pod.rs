//! What pods ask for, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::ContainerOptions;

/// A pod that is to run on the node.
///
/// ```
/// use simulator::kubelet::{ContainerRequest, PodRequest};
///
/// let simple = PodRequest::of("inference", "gpu.intel.com/i915", 1);
/// let with_init = PodRequest::new("training")
///     .container(ContainerRequest::new("check").with("gpu.intel.com/i915", 1).init())
///     .container(ContainerRequest::new("main").with("gpu.intel.com/i915", 2));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRequest {
    /// Stands for the pod's UID: a new pod has a new name.
    pub name: String,
    /// Those that run before the others first, as in a pod's specification.
    pub containers: Vec<ContainerRequest>,
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRequest {
    /// Its name within the pod.
    pub name: String,
    /// How many devices of each resource it asks for.
    pub requests: BTreeMap<String, usize>,
    /// When it runs.
    pub kind: ContainerKind,
}

/// When a container runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ContainerKind {
    /// As long as the pod.
    #[default]
    App,
    /// To its end before the others start; these use its devices again.
    Init,
    /// An init container that is restarted: as long as the pod.
    Sidecar,
}

impl PodRequest {
    /// A pod without containers.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), containers: Vec::new() }
    }

    /// A pod whose one container, `main`, asks for `count` devices.
    pub fn of(name: impl Into<String>, resource: impl Into<String>, count: usize) -> Self {
        Self::new(name).container(ContainerRequest::new("main").with(resource, count))
    }

    /// With one more container.
    pub fn container(mut self, container: ContainerRequest) -> Self {
        self.containers.push(container);
        self
    }

    /// In the order in which the kubelet looks at them.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &ContainerRequest> {
        let early = |container: &&ContainerRequest| container.kind != ContainerKind::App;
        let late = |container: &&ContainerRequest| container.kind == ContainerKind::App;
        self.containers.iter().filter(early).chain(self.containers.iter().filter(late))
    }
}

impl ContainerRequest {
    /// A container that asks for nothing.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), requests: BTreeMap::new(), kind: ContainerKind::App }
    }

    /// Asks for `count` devices of `resource`.
    pub fn with(mut self, resource: impl Into<String>, count: usize) -> Self {
        self.requests.insert(resource.into(), count);
        self
    }

    /// As an init container.
    pub fn init(mut self) -> Self {
        self.kind = ContainerKind::Init;
        self
    }

    /// As a sidecar container.
    pub fn sidecar(mut self) -> Self {
        self.kind = ContainerKind::Sidecar;
        self
    }
}

/// A pod that was admitted and started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Admission {
    /// By the container's name; those that ask for no device get nothing.
    pub containers: BTreeMap<String, ContainerAdmission>,
}

/// What a container got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ContainerAdmission {
    /// The ids of its devices by resource.
    pub devices: BTreeMap<String, BTreeSet<String>>,
    /// What the container runtime is told.
    pub options: ContainerOptions,
}

/// Why a pod does not run, or a container does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// The pod has failed for good; it holds no devices.
    #[error("pod {pod:?} was rejected: {reason}: {message}")]
    Rejected {
        /// The pod.
        pod: String,
        /// `status.reason` of the pod, such as `UnexpectedAdmissionError`.
        reason: String,
        /// `status.message` of the pod.
        message: String,
    },
    /// The pod was admitted and holds its devices, but a container cannot be started. The kubelet tries again; see
    /// [`restart_container`](crate::kubelet::Kubelet::restart_container).
    #[error("container {container:?} of pod {pod:?} cannot be started: {message}")]
    NotStarted {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// What the pod's events say.
        message: String,
    },
    /// The pod has no container of that name.
    #[error("pod {pod:?} has no container {container:?}")]
    NoSuchContainer {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// The kubelet does not run, or stopped meanwhile.
    #[error("the kubelet does not run")]
    KubeletStopped,
}
