//! What happened, in order.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Instant;

/// Something that happened in the kubelet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// What.
    pub kind: EventKind,
}

/// What happened. As text it is a line for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum EventKind {
    /// The kubelet listens.
    Started,
    /// The kubelet stopped, or was made to.
    Stopped,
    /// A plugin registers and was called back; it has yet to get its answer.
    CalledBack { resource: String, endpoint: String },
    /// A plugin is registered, and gets its answer.
    Registered { resource: String },
    /// A plugin was not registered and gets this error.
    NotRegistered { resource: String, reason: String },
    /// A whole list came.
    List { resource: String, devices: usize, healthy: usize },
    /// A list stream ended.
    StreamEnded { resource: String, reason: String },
    /// Nobody registered the resource within the grace period.
    Forgotten { resource: String },
    /// The plugin said which devices it prefers.
    Preferred { resource: String, devices: Vec<String> },
    /// The plugin said what a container gets with these devices.
    Allocated { pod: String, container: String, resource: String, devices: BTreeSet<String> },
    /// The plugin prepared the devices of a container.
    PreStarted { pod: String, container: String, resource: String },
    /// A pod was admitted.
    Admitted { pod: String },
    /// A pod was rejected.
    Rejected { pod: String, reason: String, message: String },
    /// A container started, or started again.
    ContainerStarted { pod: String, container: String },
    /// A container could not be started.
    ContainerNotStarted { pod: String, container: String, message: String },
    /// A pod was removed.
    Removed { pod: String },
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => write!(f, "the kubelet started"),
            Self::Stopped => write!(f, "the kubelet stopped"),
            Self::CalledBack { resource, endpoint } => write!(f, "{resource} is called back at {endpoint}"),
            Self::Registered { resource } => write!(f, "{resource} registered"),
            Self::NotRegistered { resource, reason } => write!(f, "{resource} not registered: {reason}"),
            Self::List { resource, devices, healthy } => {
                write!(f, "{resource} has {devices} devices, {healthy} of them healthy")
            }
            Self::StreamEnded { resource, reason } => write!(f, "the list of {resource} ended: {reason}"),
            Self::Forgotten { resource } => write!(f, "{resource} is forgotten"),
            Self::Preferred { resource, devices } => {
                write!(f, "of {resource} preferred: {}", devices.join(", "))
            }
            Self::Allocated { pod, container, resource, devices } => {
                let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
                write!(f, "{pod}/{container} got {resource}: {}", devices.join(", "))
            }
            Self::PreStarted { pod, container, resource } => {
                write!(f, "{resource} prepared for the start of {pod}/{container}")
            }
            Self::Admitted { pod } => write!(f, "{pod} admitted"),
            Self::Rejected { pod, reason, message } => write!(f, "{pod} rejected: {reason}: {message}"),
            Self::ContainerStarted { pod, container } => write!(f, "{pod}/{container} started"),
            Self::ContainerNotStarted { pod, container, message } => {
                write!(f, "{pod}/{container} not started: {message}")
            }
            Self::Removed { pod } => write!(f, "{pod} removed"),
        }
    }
}
