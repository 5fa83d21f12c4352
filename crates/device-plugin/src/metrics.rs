//! Figures about a running plugin.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pages::{Figures, Histogram};

use crate::{Health, Resource};

/// Unhealthy devices named one by one; beyond it only the sums tell.
const MAX_REASONS: usize = 50;
/// A discovery that runs for longer is stuck in a driver.
const STUCK: Duration = Duration::from_secs(30);

/// What a plugin did and how it is. Shared by the manager, which writes it, and the status server, which shows it.
#[derive(Debug)]
pub struct Status {
    namespace: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    discoveries: u64,
    failures: u64,
    /// Why the last discovery said nothing, if it did.
    failure: Option<String>,
    running_since: Option<Instant>,
    last_seconds: f64,
    last_success: Option<SystemTime>,
    warnings: usize,
    resources: BTreeMap<String, ResourceStatus>,
}

#[derive(Debug, Default)]
struct ResourceStatus {
    healthy: usize,
    unhealthy: usize,
    reasons: BTreeMap<String, String>,
    registered: bool,
    registrations: u64,
    registration_failures: u64,
    lists: u64,
    list_bytes: usize,
    allocations: u64,
    refusals: u64,
    durations: Histogram,
}

impl Status {
    /// Of the plugin of this namespace; nothing happened yet.
    pub fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counters are whole after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resource(&self, resource: &str, change: impl FnOnce(&mut ResourceStatus)) {
        let mut state = self.state();
        match state.resources.get_mut(resource) {
            Some(found) => change(found),
            None => change(state.resources.entry(resource.to_owned()).or_default()),
        }
    }

    pub(crate) fn discovery_started(&self) {
        self.state().running_since = Some(Instant::now());
    }

    pub(crate) fn discovery_ended(&self, failure: Option<String>, warnings: usize) {
        let mut state = self.state();
        state.discoveries += 1;
        if let Some(since) = state.running_since.take() {
            state.last_seconds = since.elapsed().as_secs_f64();
        }
        if failure.is_some() {
            state.failures += 1;
        } else {
            state.warnings = warnings;
            state.last_success = Some(SystemTime::now());
        }
        state.failure = failure;
    }

    pub(crate) fn published(&self, name: &str, resource: &Resource, list_bytes: usize) {
        self.resource(name, |status| {
            status.list_bytes = list_bytes;
            status.reasons.clear();
            status.healthy = 0;
            for (id, device) in &resource.devices {
                match &device.health {
                    Health::Healthy => status.healthy += 1,
                    Health::Unhealthy(reason) if status.reasons.len() < MAX_REASONS => {
                        status.reasons.insert(id.clone(), reason.clone());
                    }
                    Health::Unhealthy(_) => {}
                }
            }
            status.unhealthy = resource.devices.len() - status.healthy;
        });
    }

    pub(crate) fn registration(&self, resource: &str, ok: bool) {
        self.resource(resource, |status| {
            status.registered = ok;
            if ok {
                status.registrations += 1;
            } else {
                status.registration_failures += 1;
            }
        });
    }

    pub(crate) fn unregistered(&self, resource: &str) {
        self.resource(resource, |status| status.registered = false);
    }

    pub(crate) fn list_sent(&self, resource: &str) {
        self.resource(resource, |status| status.lists += 1);
    }

    pub(crate) fn allocation(&self, resource: &str, ok: bool, took: Duration) {
        self.resource(resource, |status| {
            if ok {
                status.allocations += 1;
            } else {
                status.refusals += 1;
            }
            status.durations.observe(took);
        });
    }

    /// Why the plugin does not work any more, if so: discovery is stuck.
    pub fn sick(&self) -> Option<String> {
        let running = self.state().running_since?.elapsed();
        (running > STUCK).then(|| format!("{}: discovery has been running for {running:.0?}", self.namespace))
    }

    /// What is missing until all devices are offered as they are, if anything.
    pub fn not_ready(&self) -> Option<String> {
        if let Some(stuck) = self.sick() {
            return Some(stuck);
        }
        let state = self.state();
        if let Some(failure) = &state.failure {
            return Some(format!("{}: discovery failed: {failure}", self.namespace));
        }
        if state.last_success.is_none() {
            return Some(format!("{}: the first discovery has not finished", self.namespace));
        }
        let waiting = state
            .resources
            .iter()
            .find(|(_, status)| !status.registered && status.healthy + status.unhealthy > 0);
        waiting.map(|(name, _)| format!("{}/{name} is not registered with the kubelet", self.namespace))
    }

    /// The resources and whether the kubelet has accepted each.
    pub fn registered(&self) -> BTreeMap<String, bool> {
        self.state().resources.iter().map(|(name, status)| (name.clone(), status.registered)).collect()
    }
}

/// Why the process should be restarted, if it should: every plugin is stuck. One alone would take the others with it.
pub(crate) fn why_to_restart(plugins: &[Arc<Status>]) -> Vec<String> {
    let sick: Vec<String> = plugins.iter().filter_map(|plugin| plugin.sick()).collect();
    if sick.len() == plugins.len() { sick } else { Vec::new() }
}

/// All plugins of a process as one page, and what `process` adds about that.
pub fn render<'a>(plugins: impl IntoIterator<Item = &'a Status>, process: impl Fn(&mut Figures)) -> String {
    let mut figures = Figures::default();
    process(&mut figures);
    for plugin in plugins {
        show(&mut figures, &plugin.namespace, &plugin.state());
    }
    figures.finish()
}

fn show(figures: &mut Figures, namespace: &str, state: &State) {
    let plugin = [("plugin", namespace)];
    figures.counter(
        "device_plugin_discoveries_total",
        "Times the node was looked at.",
        &plugin,
        state.discoveries,
    );
    figures.counter(
        "device_plugin_discovery_failures_total",
        "Times nothing could be said about it.",
        &plugin,
        state.failures,
    );
    figures.gauge(
        "device_plugin_discovery_seconds",
        "How long the last look took.",
        &plugin,
        state.last_seconds,
    );
    if let Some(since) = state.last_success.and_then(|at| at.duration_since(UNIX_EPOCH).ok()) {
        let name = "device_plugin_last_discovery_timestamp_seconds";
        figures.gauge(name, "When it last succeeded.", &plugin, since.as_secs());
    }
    figures.gauge(
        "device_plugin_warnings",
        "Things left out at the last look; see the log.",
        &plugin,
        state.warnings,
    );
    for (name, status) in &state.resources {
        show_resource(figures, &format!("{namespace}/{name}"), status);
    }
}

fn show_resource(figures: &mut Figures, name: &str, status: &ResourceStatus) {
    let resource = [("resource", name)];
    for (health, count) in [("Healthy", status.healthy), ("Unhealthy", status.unhealthy)] {
        let labels = [("resource", name), ("health", health)];
        figures.gauge("device_plugin_devices", "Devices on the list that the kubelet gets.", &labels, count);
    }
    for (device, reason) in &status.reasons {
        let labels = [("resource", name), ("device", device), ("reason", reason)];
        let help = "Why a device is unhealthy (the first 50).";
        figures.gauge("device_plugin_unhealthy_device", help, &labels, 1);
    }
    figures.gauge(
        "device_plugin_registered",
        "Whether the kubelet has accepted the resource.",
        &resource,
        u8::from(status.registered),
    );
    for (result, count) in [("ok", status.registrations), ("error", status.registration_failures)] {
        let labels = [("resource", name), ("result", result)];
        let help = "Registrations with the kubelet.";
        figures.counter("device_plugin_registrations_total", help, &labels, count);
    }
    figures.counter(
        "device_plugin_lists_sent_total",
        "Device lists sent to the kubelet.",
        &resource,
        status.lists,
    );
    figures.gauge(
        "device_plugin_list_bytes",
        "Size of the list; the kubelet takes 4194304.",
        &resource,
        status.list_bytes,
    );
    for (result, count) in [("ok", status.allocations), ("refused", status.refusals)] {
        let labels = [("resource", name), ("result", result)];
        let help = "Containers given devices, or refused.";
        figures.counter("device_plugin_allocations_total", help, &labels, count);
    }
    let help = "How long Allocate took.";
    figures.histogram("device_plugin_allocation_seconds", help, &resource, &status.durations);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, DeviceSpec};

    #[test]
    fn the_page_tells_devices_reasons_and_durations() {
        let status = Status::new("color.example.com");
        let mut resource = Resource::default();
        resource.devices.insert("red0".to_owned(), Device::healthy(DeviceSpec::default()));
        let broken = Device {
            health: Health::Unhealthy("a \"hot\"\nwire".to_owned()),
            ..resource.devices["red0"].clone()
        };
        resource.devices.insert("red1".to_owned(), broken);
        status.published("red", &resource, 42);
        status.registration("red", false);
        status.registration("red", true);
        status.allocation("red", true, Duration::from_micros(150));
        let page = render([&status], |_| {});
        for line in [
            "# TYPE device_plugin_devices gauge",
            "device_plugin_devices{resource=\"color.example.com/red\",health=\"Healthy\"} 1",
            "device_plugin_devices{resource=\"color.example.com/red\",health=\"Unhealthy\"} 1",
            "device_plugin_unhealthy_device{resource=\"color.example.com/red\",device=\"red1\",reason=\"a \\\"hot\\\"\\nwire\"} 1",
            "device_plugin_registrations_total{resource=\"color.example.com/red\",result=\"error\"} 1",
            "device_plugin_list_bytes{resource=\"color.example.com/red\"} 42",
            "device_plugin_allocation_seconds_bucket{resource=\"color.example.com/red\",le=\"0.0001\"} 0",
            "device_plugin_allocation_seconds_bucket{resource=\"color.example.com/red\",le=\"0.0002\"} 1",
            "device_plugin_allocation_seconds_count{resource=\"color.example.com/red\"} 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
        assert_eq!(page.matches("# TYPE device_plugin_devices ").count(), 1);
    }

    #[test]
    fn ready_means_discovered_and_registered() {
        let status = Status::new("color.example.com");
        assert!(status.not_ready().unwrap().contains("first discovery"));
        status.discovery_started();
        status.discovery_ended(Some("no such bus".to_owned()), 0);
        assert!(status.not_ready().unwrap().contains("no such bus"));
        status.discovery_ended(None, 0);
        assert_eq!(status.not_ready(), None, "an empty node is ready");
        let mut resource = Resource::default();
        resource.devices.insert("red0".to_owned(), Device::healthy(DeviceSpec::default()));
        status.published("red", &resource, 1);
        assert!(status.not_ready().unwrap().contains("color.example.com/red"));
        status.registration("red", true);
        assert_eq!(status.not_ready(), None);
        status.unregistered("red");
        assert!(status.not_ready().is_some());
    }

    #[test]
    fn a_discovery_that_hangs_makes_the_plugin_sick() {
        let status = Status::new("color.example.com");
        status.discovery_started();
        assert_eq!(status.sick(), None);
        status.state().running_since = Instant::now().checked_sub(STUCK + Duration::from_secs(1));
        assert_eq!(status.sick().unwrap(), "color.example.com: discovery has been running for 31s");
        assert_eq!(status.not_ready(), status.sick());
        status.discovery_ended(None, 0);
        assert_eq!(status.sick(), None);
    }

    #[test]
    fn a_process_is_restarted_only_when_all_its_plugins_are_stuck() {
        let [color, shape] =
            ["color.example.com", "shape.example.com"].map(|name| Arc::new(Status::new(name)));
        let plugins = [Arc::clone(&color), Arc::clone(&shape)];
        let long_ago = Instant::now().checked_sub(STUCK + Duration::from_secs(1));
        color.state().running_since = long_ago;
        assert!(why_to_restart(&plugins).is_empty());
        shape.state().running_since = long_ago;
        assert_eq!(why_to_restart(&plugins).len(), 2);
        assert!(why_to_restart(&[]).is_empty());
    }
}
