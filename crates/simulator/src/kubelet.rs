//! An embedded kubelet: what the real one's device manager does towards device plugins, as a library.
//!
//! Tests of device plugins, `simulate` and benchmarks run plugins against it: it takes their registrations, calls them
//! back, follows their lists, hands devices to pods, and can be stopped, restarted and made to misbehave at every step.
//! What it says in errors is what the kubelet says.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use simulator::kubelet::{Kubelet, Options, PodRequest};
//!
//! let kubelet = Kubelet::start("/tmp/device-plugins", Options::default())?;
//! // Start a plugin that looks for the kubelet in that folder.
//! kubelet.wait_until(|state| state.allocatable("gpu.intel.com/i915") == 2).await?;
//!
//! let admission = kubelet.admit(&PodRequest::of("pod", "gpu.intel.com/i915", 1)).await?;
//! assert_eq!(admission.containers["main"].options.devices[0].container_path, "/dev/dri/card0");
//!
//! kubelet.restart().await?;
//! kubelet.wait_until(|state| state.allocatable("gpu.intel.com/i915") == 2).await?;
//! assert!(kubelet.state().in_use("gpu.intel.com/i915").contains("card0-0"));
//! # Ok(())
//! # }
//! ```
//!
//! The model is the kubelet of Kubernetes 1.36, its peculiarities included. It differs where that serves tests: choices
//! that the kubelet leaves to chance go by the order of names, and a rejected pod frees its devices at once and not when
//! the next pod comes. A pod's name stands for its UID. There is no scheduler: a pod that asks for a resource of which
//! the node never heard is admitted and gets nothing, as happens on a node whose plugin comes late.

mod admission;
mod allocation;
mod checkpoint;
mod client;
mod connection;
mod container;
mod event;
mod name;
mod options;
mod pod;
mod pod_resources;
mod process;
mod registration;
mod state;
mod topology;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

pub use client::PluginClient;
pub use container::{ContainerDevice, ContainerMount, ContainerOptions};
pub use event::{Event, EventKind};
pub use options::{Faults, Options, RegisterFault, TopologyPolicy};
pub use pod::{Admission, AdmissionError, ContainerAdmission, ContainerKind, ContainerRequest, PodRequest};
pub use state::{Allocation, Allocations, DeviceState, ResourceState, State};

use process::{Process, Shared, lock};

/// A running, or stopped, kubelet. All that it started ends when it is dropped.
#[derive(Debug)]
pub struct Kubelet {
    shared: Arc<Shared>,
    process: Mutex<Option<Arc<Process>>>,
}

impl Kubelet {
    /// Starts a kubelet with its sockets in `folder`, `/var/lib/kubelet/device-plugins` on a node; it is made if need be.
    /// All sockets that are there are removed; what an earlier kubelet saved there is remembered.
    ///
    /// Must be called in a tokio runtime with I/O and time, in which the kubelet then runs.
    pub fn start(folder: impl Into<PathBuf>, options: Options) -> Result<Self, KubeletError> {
        let faults = watch::Sender::new(options.faults.clone());
        let shared = Shared { folder: folder.into(), options, faults, state: watch::Sender::default() };
        let kubelet = Self { shared: Arc::new(shared), process: Mutex::default() };
        kubelet.start_process()?;
        Ok(kubelet)
    }

    fn start_process(&self) -> Result<(), KubeletError> {
        tokio::runtime::Handle::try_current()?;
        let process = Process::start(Arc::clone(&self.shared))?;
        *lock(&self.process) = Some(process);
        Ok(())
    }

    /// Where the sockets are.
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// Stops like a process that is killed: connections are cut, and its socket's file stays with nobody listening.
    /// Containers run on. Does nothing if the kubelet does not run.
    pub async fn stop(&self) {
        let process = lock(&self.process).take();
        if let Some(process) = process {
            process.stop().await;
        }
    }

    /// Stops if need be, and starts again.
    pub async fn restart(&self) -> Result<(), KubeletError> {
        self.stop().await;
        self.start_process()
    }

    /// Restarts the whole node: containers do not run any more. The plugin is to be restarted, too, and pods are to be
    /// admitted again, before or after that.
    pub async fn reboot(&self) -> Result<(), KubeletError> {
        self.stop().await;
        self.shared.state.send_modify(|state| state.running_containers.clear());
        self.start_process()
    }

    /// What the kubelet knows now.
    pub fn state(&self) -> State {
        self.shared.state.borrow().clone()
    }

    /// What the kubelet knows now about each resource.
    pub fn resources(&self) -> BTreeMap<String, ResourceState> {
        self.shared.state.borrow().resources.clone()
    }

    /// What happened, from the first start on.
    pub fn events(&self) -> Vec<Event> {
        self.shared.state.borrow().events.clone()
    }

    /// To follow the state as it changes.
    pub fn subscribe(&self) -> watch::Receiver<State> {
        self.shared.state.subscribe()
    }

    /// Waits for a state, which may be the present one. Fails after [`Options::patience`]. `reached` is called at each
    /// change and must not call the kubelet.
    pub async fn wait_until(&self, reached: impl FnMut(&State) -> bool) -> Result<(), NotReached> {
        let patience = self.shared.options.patience;
        let mut state = self.shared.state.subscribe();
        match tokio::time::timeout(patience, state.wait_for(reached)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(NotReached { patience, state: Box::new(self.state()) }),
        }
    }

    /// Admits a pod, as the kubelet does with one that was scheduled to its node: chooses devices, has them allocated, and
    /// starts the containers. After a restart of the kubelet or the node, the same pod is admitted again.
    pub async fn admit(&self, pod: &PodRequest) -> Result<Admission, AdmissionError> {
        let process = self.process()?;
        tokio::select! {
            biased;
            () = process.over() => Err(AdmissionError::KubeletStopped),
            admission = process.admit(pod) => admission,
        }
    }

    /// Starts a container of an admitted pod again, as the kubelet does when it has failed: with the devices that it has.
    pub async fn restart_container(
        &self,
        pod: &PodRequest,
        container: &str,
    ) -> Result<ContainerAdmission, AdmissionError> {
        let process = self.process()?;
        let Some(container) = pod.containers.iter().find(|found| found.name == container) else {
            let (pod, container) = (pod.name.clone(), container.to_owned());
            return Err(AdmissionError::NoSuchContainer { pod, container });
        };
        tokio::select! {
            biased;
            () = process.over() => Err(AdmissionError::KubeletStopped),
            started = process.start_container(pod, container) => started,
        }
    }

    /// Removes a pod; its devices are free again. Does nothing if there is no such pod or the kubelet does not run.
    pub fn remove_pod(&self, pod: &str) {
        if let Ok(process) = self.process() {
            process.record(|state| {
                state.remove_pod(pod);
                state.log(EventKind::Removed { pod: pod.to_owned() });
            });
        }
    }

    /// Closes the connection to the plugin that registered last for `resource`; false if there is none.
    pub fn drop_stream(&self, resource: &str) -> bool {
        let Ok(process) = self.process() else { return false };
        let dropped = process.disconnect(resource);
        if dropped {
            let (resource, reason) = (resource.to_owned(), "dropped on demand".to_owned());
            process.update(|state| state.log(EventKind::StreamEnded { resource, reason }));
        }
        dropped
    }

    /// Changes what goes wrong from now on.
    pub fn set_faults(&self, change: impl FnOnce(&mut Faults)) {
        self.shared.faults.send_modify(change);
    }

    fn process(&self) -> Result<Arc<Process>, AdmissionError> {
        lock(&self.process).clone().ok_or(AdmissionError::KubeletStopped)
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        if let Some(process) = lock(&self.process).take() {
            process.kill();
        }
    }
}

/// Why the kubelet does not start.
#[derive(Debug, thiserror::Error)]
pub enum KubeletError {
    /// There is no tokio runtime to run in.
    #[error("the embedded kubelet must be started in a tokio runtime")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
    /// Its folder cannot be used.
    #[error("cannot {operation} {}", path.display())]
    Folder {
        /// What was tried, as a verb and its object: "read the folder".
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl KubeletError {
    fn new(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Folder { operation, path: path.to_owned(), source }
    }
}

/// A state that was waited for did not come. It shows what came instead, also when unwrapped.
#[derive(Clone, thiserror::Error)]
#[error("what was waited for did not come within {patience:?}; the kubelet is:\n{state}")]
pub struct NotReached {
    patience: Duration,
    state: Box<State>,
}

impl fmt::Debug for NotReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
