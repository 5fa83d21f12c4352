//! How much the reconciler does, for Prometheus; under the names of the Go implementation's library where it has one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pages::{Figures, Histogram};

use crate::ResourceSummary;

/// Counts since the start, and what the nodes offer. It is shared by the reconciler and whoever serves it.
#[derive(Debug, Default)]
pub struct ReconcileMetrics(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    rounds: BTreeMap<(String, &'static str), u64>,
    took: BTreeMap<String, Histogram>,
    writes: BTreeMap<&'static str, u64>,
    resources: Vec<ResourceSummary>,
}

impl ReconcileMetrics {
    /// The page.
    pub fn render(&self) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut figures = Figures::default();
        for ((controller, result), count) in &counts.rounds {
            let labels = [("controller", controller.as_str()), ("result", result)];
            let help = "Rounds, by what came of them.";
            figures.counter("controller_runtime_reconcile_total", help, &labels, count);
        }
        for (controller, took) in &counts.took {
            let labels = [("controller", controller.as_str())];
            let errors = counts.rounds.get(&(controller.clone(), "error")).copied().unwrap_or(0);
            let help = "Rounds that failed.";
            figures.counter("controller_runtime_reconcile_errors_total", help, &labels, errors);
            let help = "How long rounds took.";
            figures.histogram("controller_runtime_reconcile_time_seconds", help, &labels, took);
        }
        for (what, count) in &counts.writes {
            let help = "Requests that write, by what they write.";
            figures.counter("operator_writes_total", help, &[("what", what)], count);
        }
        for ResourceSummary { name, nodes, devices, unhealthy, .. } in &counts.resources {
            let help = "Nodes that have devices.";
            figures.gauge("operator_device_nodes", help, &[("resource", name)], nodes);
            for (health, count) in [("Healthy", devices - unhealthy), ("Unhealthy", *unhealthy)] {
                let labels = [("resource", name.as_str()), ("health", health)];
                figures.gauge("operator_devices", "Devices of all nodes.", &labels, count);
            }
        }
        figures.finish()
    }

    pub(crate) fn round(&self, controller: &str, result: &'static str, took: Duration) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.rounds.entry((controller.to_owned(), result)).or_default() += 1;
        counts.took.entry(controller.to_owned()).or_default().observe(took);
    }

    /// What all nodes offer.
    pub(crate) fn resources(&self, resources: Vec<ResourceSummary>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).resources = resources;
    }

    pub(crate) fn write(&self, what: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.writes.entry(what).or_default() += 1;
    }
}
