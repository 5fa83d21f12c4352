//! What the kubelet knows, for tests to look at and to wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Instant;

use device_plugin::api;
use serde::{Deserialize, Serialize};

use super::ContainerOptions;
use super::event::{Event, EventKind};

/// How many events are shown with a state.
const SHOWN_EVENTS: usize = 40;

/// All that a kubelet knows, at one moment.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Whether the kubelet runs. What else is here is from when it ran last.
    pub running: bool,
    /// By the full name. A resource stays here when the kubelet has forgotten it: the node goes on showing it.
    pub resources: BTreeMap<String, ResourceState>,
    /// What pods have.
    pub pods: Allocations,
    /// What happened since the first start, also before restarts.
    pub events: Vec<Event>,
    /// Containers that run, also while the kubelet does not: pod and container.
    pub(super) running_containers: BTreeSet<(String, String)>,
}

/// What the kubelet knows about a resource. The counts begin anew when the kubelet starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceState {
    /// The devices of the last list, by id. When the list stream has ended they are all unhealthy.
    pub devices: BTreeMap<String, DeviceState>,
    /// A plugin has registered and its list stream has not ended since.
    pub connected: bool,
    /// How often a plugin has registered.
    pub registrations: usize,
    /// How many lists came.
    pub lists: usize,
    /// What the plugin wants to be asked; `None` before it registers.
    pub options: Option<api::DevicePluginOptions>,
    /// Nobody registered within the grace period: the kubelet has forgotten the resource.
    pub forgotten: bool,
    /// Since when nobody is connected.
    pub(super) stopped: Option<Instant>,
}

/// What the kubelet knows about a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceState {
    /// It may be handed out.
    pub healthy: bool,
    /// The NUMA nodes near it.
    pub numa: Vec<i64>,
}

/// What pods have, by the names of pod, container and resource.
pub type Allocations = BTreeMap<String, BTreeMap<String, BTreeMap<String, Allocation>>>;

/// Devices of one resource that a container has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// Their ids.
    pub devices: BTreeSet<String>,
    /// What the plugin answered when they were allocated.
    pub options: ContainerOptions,
}

impl State {
    /// How many devices of `resource` the node has, healthy or not; 0 if there is no such resource.
    pub fn capacity(&self, resource: &str) -> usize {
        self.resources.get(resource).map_or(0, ResourceState::capacity)
    }

    /// How many devices of `resource` pods can have on this node; 0 if there is no such resource.
    pub fn allocatable(&self, resource: &str) -> usize {
        self.resources.get(resource).map_or(0, ResourceState::allocatable)
    }

    /// The devices of `resource` that containers have.
    pub fn in_use(&self, resource: &str) -> BTreeSet<String> {
        let containers = self.pods.values().flat_map(BTreeMap::values);
        containers
            .filter_map(|resources| resources.get(resource))
            .flat_map(|a| a.devices.iter().cloned())
            .collect()
    }

    pub(super) fn allocations(&self, pod: &str, container: &str) -> Option<&BTreeMap<String, Allocation>> {
        self.pods.get(pod)?.get(container)
    }

    pub(super) fn allocation(&self, pod: &str, container: &str, resource: &str) -> Option<&Allocation> {
        self.allocations(pod, container)?.get(resource)
    }

    /// Whether device plugins have to do with `resource`. For all others the kubelet cares nothing.
    pub(super) fn is_plugin_resource(&self, resource: &str) -> bool {
        self.resources.get(resource).is_some_and(|state| !state.forgotten)
            || !self.in_use(resource).is_empty()
    }

    pub(super) fn is_running(&self, pod: &str, container: &str) -> bool {
        self.running_containers.contains(&(pod.to_owned(), container.to_owned()))
    }

    pub(super) fn container_started(&mut self, pod: &str, container: &str) {
        self.running_containers.insert((pod.to_owned(), container.to_owned()));
    }

    pub(super) fn container_ended(&mut self, pod: &str, container: &str) {
        self.running_containers.remove(&(pod.to_owned(), container.to_owned()));
    }

    pub(super) fn remove_pod(&mut self, pod: &str) {
        self.pods.remove(pod);
        self.running_containers.retain(|(name, _)| name != pod);
    }

    pub(super) fn log(&mut self, kind: EventKind) {
        tracing::debug!("embedded kubelet: {kind}");
        self.events.push(Event { at: Instant::now(), kind });
    }
}

impl ResourceState {
    /// How many devices there are, healthy or not.
    pub fn capacity(&self) -> usize {
        self.devices.len()
    }

    /// How many devices are healthy, in use or not.
    pub fn allocatable(&self) -> usize {
        self.devices.values().filter(|device| device.healthy).count()
    }

    pub(super) fn set_devices(&mut self, list: api::ListAndWatchResponse) {
        let devices = list.devices.into_iter().map(|device| {
            let numa = device.topology.unwrap_or_default().nodes.into_iter().map(|node| node.id).collect();
            (device.id, DeviceState { healthy: device.health == api::HEALTHY, numa })
        });
        self.devices = devices.collect();
        self.lists += 1;
    }

    pub(super) fn set_stopped(&mut self, now: Instant) {
        self.connected = false;
        self.stopped = Some(now);
        for device in self.devices.values_mut() {
            device.healthy = false;
        }
    }
}

/// Resources, pods and the last events, a line each.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", if self.running { "running" } else { "not running" })?;
        for (name, state) in &self.resources {
            let connected = if state.connected { "connected" } else { "nobody connected" };
            let forgotten = if state.forgotten { ", forgotten" } else { "" };
            let ResourceState { registrations, lists, .. } = state;
            let (healthy, all, used) = (state.allocatable(), state.capacity(), self.in_use(name).len());
            writeln!(
                f,
                "{name}: {connected}{forgotten}, {registrations} registrations, {lists} lists, {healthy} of {all} devices healthy, {used} in use"
            )?;
        }
        for (pod, containers) in &self.pods {
            for (container, resources) in containers {
                for (resource, allocation) in resources {
                    let devices: Vec<&str> = allocation.devices.iter().map(String::as_str).collect();
                    writeln!(f, "{pod}/{container} has {resource}: {}", devices.join(", "))?;
                }
            }
        }
        let hidden = self.events.len().saturating_sub(SHOWN_EVENTS);
        for event in self.events.iter().skip(hidden) {
            writeln!(f, "{:>8.3} s ago: {}", event.at.elapsed().as_secs_f64(), event.kind)?;
        }
        Ok(())
    }
}
