//! Says in the log what changed between two lists of devices.

use std::collections::BTreeMap;

use crate::{Health, Resource};

/// Units of one piece of hardware change together: they share a line.
pub(crate) fn log(resource: &str, before: &Resource, after: &Resource) {
    let mut added = Ids::default();
    let mut removed = Ids::default();
    let mut recovered = Ids::default();
    let mut unhealthy: BTreeMap<&str, Ids<'_>> = BTreeMap::new();
    for (id, device) in &after.devices {
        let old = before.devices.get(id);
        if old.is_none() {
            added.add(id);
        }
        match (&device.health, old.map(|old| &old.health)) {
            (Health::Healthy, Some(Health::Unhealthy(_))) => recovered.add(id),
            (now @ Health::Unhealthy(reason), then) if then != Some(now) => {
                unhealthy.entry(reason).or_default().add(id);
            }
            _ => {}
        }
    }
    for id in before.devices.keys().filter(|id| !after.devices.contains_key(*id)) {
        removed.add(id);
    }
    added.log(resource, "added");
    removed.log(resource, "removed");
    recovered.log(resource, "healthy again");
    for (reason, ids) in unhealthy {
        tracing::warn!("{resource}: unhealthy: {}: {reason}", ids.text());
    }
}

#[derive(Default)]
struct Ids<'a> {
    first: Option<&'a str>,
    count: usize,
}

impl<'a> Ids<'a> {
    fn add(&mut self, id: &'a str) {
        self.first.get_or_insert(id);
        self.count += 1;
    }

    fn text(&self) -> String {
        match (self.first, self.count) {
            (Some(first), 1) => first.to_owned(),
            (Some(first), count) => format!("{first} and {} more", count - 1),
            (None, _) => String::new(),
        }
    }

    fn log(&self, resource: &str, what: &str) {
        if self.count > 0 {
            tracing::info!("{resource}: {what}: {}", self.text());
        }
    }
}
