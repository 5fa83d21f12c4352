//! How pods get devices: admission, and the start of containers.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::timeout;

use super::PluginClient;
use super::allocation::{Plan, Wanted};
use super::event::EventKind;
use super::pod::{
    Admission, AdmissionError, ContainerAdmission, ContainerKind, ContainerRequest, PodRequest,
};
use super::process::{Process, lock};
use super::registration::rpc_error;
use super::state::{Allocation, State};
use super::topology::{self, NotAligned, Wish};

/// Devices of a pod's finished init containers, by resource.
type Reusable = BTreeMap<String, BTreeSet<String>>;

/// Why a pod fails: reason and message of its status.
struct Rejection {
    reason: String,
    message: String,
}

/// Why a container gets no devices.
#[derive(Debug, thiserror::Error)]
enum NoDevices {
    #[error("Resources cannot be allocated with Topology locality")]
    NotAligned,
    #[error("{0}")]
    Failed(String),
}

impl From<NoDevices> for Rejection {
    fn from(error: NoDevices) -> Self {
        match error {
            NoDevices::NotAligned => {
                Self { reason: "TopologyAffinityError".to_owned(), message: error.to_string() }
            }
            NoDevices::Failed(why) => Self {
                reason: "UnexpectedAdmissionError".to_owned(),
                message: format!("Allocate failed due to {why}, which is unexpected"),
            },
        }
    }
}

impl Process {
    /// Gives all containers of the pod their devices and starts them.
    pub(super) async fn admit(&self, pod: &PodRequest) -> Result<Admission, AdmissionError> {
        let _turn = self.admitting.lock().await;
        if let Err(Rejection { reason, message }) = self.allocate_pod(pod).await {
            self.record(|state| {
                state.remove_pod(&pod.name);
                let (pod, reason, message) = (pod.name.clone(), reason.clone(), message.clone());
                state.log(EventKind::Rejected { pod, reason, message });
            });
            return Err(AdmissionError::Rejected { pod: pod.name.clone(), reason, message });
        }
        self.update(|state| state.log(EventKind::Admitted { pod: pod.name.clone() }));
        let mut admission = Admission::default();
        let resumed = pod.containers.iter().any(|container| self.runs(pod, container));
        for container in pod.in_order() {
            let started = if self.runs(pod, container) || resumed && container.kind == ContainerKind::Init {
                self.granted(pod, container)
            } else {
                self.start_container(pod, container).await?
            };
            admission.containers.insert(container.name.clone(), started);
        }
        Ok(admission)
    }

    async fn allocate_pod(&self, pod: &PodRequest) -> Result<(), Rejection> {
        let mut reusable = Reusable::new();
        for container in pod.in_order() {
            self.allocate_container(pod, container, &reusable).await?;
            let state = self.shared.state.borrow();
            for (resource, Allocation { devices, .. }) in
                state.allocations(&pod.name, &container.name).into_iter().flatten()
            {
                let reusable = reusable.entry(resource.clone()).or_default();
                if container.kind == ContainerKind::Init {
                    reusable.extend(devices.iter().cloned());
                } else {
                    reusable.retain(|id| !devices.contains(id));
                }
            }
        }
        self.check_node(pod)
    }

    /// A resource that the kubelet has forgotten is one of which the node has none.
    fn check_node(&self, pod: &PodRequest) -> Result<(), Rejection> {
        let state = self.shared.state.borrow();
        let requests = pod.in_order().flat_map(|container| &container.requests);
        for (resource, count) in requests {
            let forgotten = state.resources.get(resource).is_some_and(|known| known.forgotten);
            if *count > 0 && forgotten && !state.is_plugin_resource(resource) {
                let message = format!(
                    "Node didn't have enough resource: {resource}, requested: {count}, used: 0, capacity: 0"
                );
                return Err(Rejection { reason: format!("OutOf{resource}"), message });
            }
        }
        Ok(())
    }

    async fn allocate_container(
        &self,
        pod: &PodRequest,
        container: &ContainerRequest,
        reusable: &Reusable,
    ) -> Result<(), NoDevices> {
        let wishes = wishes(&self.shared.state.borrow(), pod, container, reusable);
        let affinity = topology::affinity(self.shared.options.topology, &wishes)
            .map_err(|NotAligned| NoDevices::NotAligned)?;
        let none = BTreeSet::new();
        for (resource, count) in &container.requests {
            let wanted = Wanted {
                pod: &pod.name,
                container: &container.name,
                resource,
                count: *count,
                reusable: reusable.get(resource).unwrap_or(&none),
                affinity,
            };
            self.allocate(&wanted).await.map_err(NoDevices::Failed)?;
        }
        Ok(())
    }

    async fn allocate(&self, wanted: &Wanted<'_>) -> Result<(), String> {
        let Wanted { pod, container, resource, .. } = *wanted;
        let plan = {
            let state = self.shared.state.borrow();
            if !state.is_plugin_resource(resource) {
                return Ok(());
            }
            Plan::new(&state, wanted)?
        };
        let devices = self.decide(wanted, plan).await?;
        if devices.is_empty() {
            return Ok(());
        }
        let answer =
            self.plugin(resource)?.allocate(devices.clone()).await.map_err(|status| rpc_error(&status))?;
        self.record(|state| {
            let (pod, container, resource) = (pod.to_owned(), container.to_owned(), resource.to_owned());
            let allocation = Allocation { devices: devices.clone(), options: answer.into() };
            let containers = state.pods.entry(pod.clone()).or_default();
            containers.entry(container.clone()).or_default().insert(resource.clone(), allocation);
            state.log(EventKind::Allocated { pod, container, resource, devices });
        });
        Ok(())
    }

    /// Asks the plugin which devices it prefers, if it wants to be asked and there is a choice.
    async fn decide(&self, wanted: &Wanted<'_>, plan: Plan) -> Result<BTreeSet<String>, String> {
        let resource = wanted.resource;
        let asks =
            self.known_options(resource).is_some_and(|options| options.get_preferred_allocation_available);
        if plan.missing == 0 || !asks {
            return Ok(plan.finish(&[]));
        }
        let answer = self.plugin(resource)?.prefer(plan.question(), plan.chosen.clone(), wanted.count).await;
        let preferred = answer.map_err(|status| {
            format!("device plugin GetPreferredAllocation rpc failed with err: {}", rpc_error(&status))
        })?;
        self.update(|state| {
            state.log(EventKind::Preferred { resource: resource.to_owned(), devices: preferred.clone() });
        });
        Ok(plan.finish(&preferred))
    }

    /// Starts a container, for the first time or again.
    pub(super) async fn start_container(
        &self,
        pod: &PodRequest,
        container: &ContainerRequest,
    ) -> Result<ContainerAdmission, AdmissionError> {
        let (pod_name, name) = (pod.name.clone(), container.name.clone());
        self.update(|state| state.container_ended(&pod_name, &name));
        if let Err(message) = self.prepare(pod, container).await {
            self.update(|state| {
                let (pod, container, message) = (pod_name.clone(), name.clone(), message.clone());
                state.log(EventKind::ContainerNotStarted { pod, container, message });
            });
            return Err(AdmissionError::NotStarted { pod: pod_name, container: name, message });
        }
        self.update(|state| {
            if container.kind != ContainerKind::Init {
                state.container_started(&pod_name, &name);
            }
            state.log(EventKind::ContainerStarted { pod: pod_name, container: name });
        });
        Ok(self.granted(pod, container))
    }

    async fn prepare(&self, pod: &PodRequest, container: &ContainerRequest) -> Result<(), String> {
        let mut unknown = false;
        for (resource, count) in &container.requests {
            if *count > 0 && self.shared.state.borrow().is_plugin_resource(resource) {
                self.pre_start(&pod.name, &container.name, resource).await?;
                unknown |=
                    self.shared.state.borrow().allocation(&pod.name, &container.name, resource).is_none();
            }
        }
        if unknown {
            // The pod was admitted when the kubelet knew nothing of the resource.
            let allocated = self.allocate_container(pod, container, &Reusable::new()).await;
            allocated.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn pre_start(&self, pod: &str, container: &str, resource: &str) -> Result<(), String> {
        if !self.known_options(resource).is_some_and(|options| options.pre_start_required) {
            return Ok(());
        }
        let devices =
            self.shared.state.borrow().allocation(pod, container, resource).map(|a| a.devices.clone());
        let devices = devices.ok_or_else(|| {
            format!(
                "no devices found allocated in local cache for pod {pod}, container {container}, resource {resource}"
            )
        })?;
        let failed = |why| format!("device plugin PreStartContainer rpc failed with err: {why}");
        let plugin = self.plugin(resource).map_err(failed)?;
        match timeout(self.shared.options.pre_start_limit, plugin.pre_start(devices)).await {
            Ok(answer) => answer.map_err(|status| failed(rpc_error(&status)))?,
            Err(_) => {
                return Err(failed(
                    "rpc error: code = DeadlineExceeded desc = context deadline exceeded".to_owned(),
                ));
            }
        }
        let (pod, container, resource) = (pod.to_owned(), container.to_owned(), resource.to_owned());
        self.update(|state| state.log(EventKind::PreStarted { pod, container, resource }));
        Ok(())
    }

    fn plugin(&self, resource: &str) -> Result<PluginClient, String> {
        let endpoints = lock(&self.endpoints);
        let plugin = endpoints.get(resource).filter(|endpoint| !endpoint.stopped);
        plugin
            .map(|endpoint| endpoint.client.clone())
            .ok_or_else(|| format!("endpoint {resource} has been stopped"))
    }

    fn known_options(&self, resource: &str) -> Option<device_plugin::api::DevicePluginOptions> {
        self.shared.state.borrow().resources.get(resource)?.options
    }

    fn runs(&self, pod: &PodRequest, container: &ContainerRequest) -> bool {
        self.shared.state.borrow().is_running(&pod.name, &container.name)
    }

    /// What the container has, by what the kubelet remembers.
    fn granted(&self, pod: &PodRequest, container: &ContainerRequest) -> ContainerAdmission {
        let state = self.shared.state.borrow();
        let mut granted = ContainerAdmission::default();
        for (resource, allocation) in state.allocations(&pod.name, &container.name).into_iter().flatten() {
            granted.devices.insert(resource.clone(), allocation.devices.clone());
            granted.options.merge(allocation.options.clone());
        }
        granted
    }
}

/// What the container asks of each resource, for its topology hints.
fn wishes(state: &State, pod: &PodRequest, container: &ContainerRequest, reusable: &Reusable) -> Vec<Wish> {
    let asked = container.requests.iter().filter(|(resource, _)| state.is_plugin_resource(resource));
    let wish = |(resource, count): (&String, &usize)| {
        let Some(known) = state.resources.get(resource) else { return Wish::default() };
        let nodes = |ids: &BTreeSet<String>| {
            ids.iter().filter_map(|id| known.devices.get(id)).map(topology::nodes_of).collect()
        };
        let all = known.devices.values().map(topology::nodes_of).collect();
        if let Some(recorded) = state.allocation(&pod.name, &container.name, resource) {
            let available = nodes(&recorded.devices);
            return Wish { all, available, reusable: Vec::new(), count: *count };
        }
        let in_use = state.in_use(resource);
        let free = known.devices.iter().filter(|(id, device)| device.healthy && !in_use.contains(*id));
        let available = free.map(|(_, device)| topology::nodes_of(device)).collect();
        let reusable = reusable.get(resource).map(nodes).unwrap_or_default();
        Wish { all, available, reusable, count: *count }
    };
    asked.map(wish).collect()
}
