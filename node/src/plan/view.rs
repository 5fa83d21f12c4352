//! A plan as text and as JSON.

use std::collections::{BTreeMap, BTreeSet};

use device_plugin::{Checkpoint, Difference, Health, Offer};
use serde_json::{Value, json};

use super::configuration::Configuration;
use super::offered::Offered;
use crate::families;
use crate::table::Table;

/// So many ids, or containers, are shown of a longer list.
const SHOWN: usize = 4;

/// All of it.
pub(super) struct Plan<'a> {
    pub(super) node: &'a str,
    pub(super) configuration: &'a Configuration,
    pub(super) offered: &'a Offered,
    pub(super) against: &'a Against,
}

/// What is compared with.
pub(super) enum Against {
    /// Nothing, and why, unless that is plain.
    Nothing(String),
    /// What the kubelet has.
    Kubelet(Checkpoint),
    /// What another configuration would offer.
    Other(Configuration, Offered),
}

/// A container that has devices which go.
struct Hit<'a> {
    pod: &'a str,
    container: &'a str,
    devices: Vec<&'a String>,
}

impl Plan<'_> {
    /// Whether it is not known what a family would offer.
    pub(super) fn has_failed(&self) -> bool {
        self.failed().next().is_some()
    }

    fn failed(&self) -> impl Iterator<Item = &'static str> {
        let other = if let Against::Other(_, offered) = self.against { Some(offered) } else { None };
        self.offered.failed().chain(other.into_iter().flat_map(Offered::failed))
    }

    /// What would change.
    pub(super) fn differences(&self) -> Vec<Difference> {
        let mut differences = match self.against {
            Against::Nothing(_) => Vec::new(),
            // All that it remembers is healthy.
            Against::Kubelet(checkpoint) => {
                checkpoint.offer.differences(&self.offered.offer.clone().healthy())
            }
            Against::Other(_, other) => other.offer.differences(&self.offered.offer),
        };
        // What was offered stays offered while nothing is known.
        let failed: BTreeSet<&str> = self.failed().collect();
        differences.retain(|difference| {
            families::of_resource(&difference.resource).is_none_or(|family| !failed.contains(family.name))
        });
        differences
    }

    fn hits<'a>(&'a self, difference: &'a Difference) -> Vec<Hit<'a>> {
        let Against::Kubelet(checkpoint) = self.against else { return Vec::new() };
        let held = checkpoint.held.iter().filter(|held| held.resource == difference.resource);
        let hits = held.map(|held| Hit {
            pod: &held.pod,
            container: &held.container,
            devices: difference.go.iter().filter(|id| held.devices.contains(*id)).collect(),
        });
        hits.filter(|hit| !hit.devices.is_empty()).collect()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines =
            vec![format!("{} offers with {}:", self.node, self.configuration.name), String::new()];
        lines.extend(resources(&self.offered.offer));
        self.compared(&mut lines);
        let mut notes: Vec<String> = self.notes().map(|note| format!("  {note}")).collect();
        for (family, said) in &self.offered.families {
            let failure = said.failure.iter().map(|why| format!("it is not known what it offers: {why}"));
            let texts = failure.chain(said.warnings.iter().chain(&said.unseen).cloned());
            notes.extend(texts.map(|text| format!("  {family}: {text}")));
        }
        if !notes.is_empty() {
            lines.extend([String::new(), "Notes:".to_owned(), String::new()]);
            lines.extend(notes);
        }
        lines.iter().map(|line| cli::line(line)).collect()
    }

    /// What of the files is left out.
    fn notes(&self) -> impl Iterator<Item = String> {
        let other = if let Against::Other(other, _) = self.against { Some(other) } else { None };
        std::iter::once(self.configuration).chain(other).filter_map(|configuration| {
            Some(format!("{}: {}", configuration.name, configuration.note.as_ref()?))
        })
    }

    fn compared(&self, lines: &mut Vec<String>) {
        let with = match self.against {
            Against::Nothing(why) if why.is_empty() => return,
            Against::Nothing(why) => {
                lines.extend([String::new(), format!("Not compared with what the kubelet has: {why}")]);
                return;
            }
            Against::Kubelet(_) => "what the kubelet has",
            Against::Other(other, _) => &other.name,
        };
        let differences = self.differences();
        lines.push(String::new());
        if differences.is_empty() {
            lines.push(format!("No difference from {with}."));
            return;
        }
        lines.extend([format!("Compared with {with}:"), String::new()]);
        let mut table = Table::new(["", "RESOURCE", "BEFORE", "AFTER", "IDS"]);
        for difference in &differences {
            let mark = if difference.before == 0 {
                "+"
            } else if difference.after == 0 {
                "-"
            } else {
                "~"
            };
            let lists = [('+', &difference.come), ('-', &difference.go), ('~', &difference.change_health)];
            let lists = lists.map(|(mark, ids)| some(ids.iter().map(|id| format!("{mark}{id}")).collect()));
            let lists: Vec<String> = lists.into_iter().filter(|list| !list.is_empty()).collect();
            let counts = [difference.before, difference.after].map(|count| count.to_string());
            let [before, after] = counts;
            table.row([mark.to_owned(), difference.resource.clone(), before, after, lists.join(" ")]);
        }
        lines.extend(table.lines(|_, line| line.to_owned()));
        let hits = differences.iter().flat_map(|difference| {
            self.hits(difference).into_iter().map(|hit| {
                let ids = some(hit.devices.into_iter().cloned().collect());
                format!("  pod {}, container {}: {} {ids}", hit.pod, hit.container, difference.resource)
            })
        });
        let hits: Vec<String> = hits.collect();
        if !hits.is_empty() {
            let what = "Containers that were given what goes. They keep it while they run; after a reboot of the node, their pods \
                        are rejected:";
            lines.extend([String::new(), what.to_owned(), String::new()]);
            lines.extend(hits);
        }
    }

    pub(super) fn json(&self) -> Value {
        let differences: Vec<Value> =
            self.differences()
                .iter()
                .map(|difference| {
                    let containers = self.hits(difference).into_iter().map(
                        |hit| json!({"pod": hit.pod, "container": hit.container, "devices": hit.devices}),
                    );
                    json!({
                        "resource": difference.resource,
                        "before": difference.before,
                        "after": difference.after,
                        "come": difference.come,
                        "go": difference.go,
                        "changeHealth": difference.change_health,
                        "containers": containers.collect::<Vec<_>>(),
                    })
                })
                .collect();
        let against = match self.against {
            Against::Nothing(why) if why.is_empty() => Value::Null,
            Against::Nothing(why) => json!({"error": why}),
            Against::Kubelet(checkpoint) => {
                json!({"name": "kubelet", "resources": devices(&checkpoint.offer)})
            }
            Against::Other(other, offered) => {
                json!({"name": other.name, "resources": devices(&offered.offer)})
            }
        };
        let families: BTreeMap<&str, Value> = self
            .offered
            .families
            .iter()
            .map(|(name, said)| {
                let view = json!({
                    "flags": said.flags,
                    "warnings": said.warnings,
                    "notes": said.unseen,
                    "error": said.failure,
                });
                (*name, view)
            })
            .collect();
        json!({
            "node": self.node,
            "configuration": self.configuration.name,
            "notes": self.notes().collect::<Vec<_>>(),
            "resources": devices(&self.offered.offer),
            "families": families,
            "against": against,
            "differences": differences,
        })
    }
}

fn resources(offer: &Offer) -> Vec<String> {
    if offer.resources.is_empty() {
        return vec!["no resource".to_owned()];
    }
    let mut table = Table::new(["RESOURCE", "HEALTHY", "UNHEALTHY", "DEVICES"]);
    for (name, devices) in &offer.resources {
        let ids = devices.iter().map(|(id, health)| match health {
            Health::Healthy => id.clone(),
            Health::Unhealthy(why) => format!("{id} ({why})"),
        });
        let unhealthy = devices.values().filter(|health| **health != Health::Healthy).count();
        let healthy = devices.len() - unhealthy;
        table.row([name.clone(), healthy.to_string(), unhealthy.to_string(), some(ids.collect())]);
    }
    table.lines(|_, line| line.to_owned())
}

/// The first few.
fn some(mut list: Vec<String>) -> String {
    let more = list.len().saturating_sub(SHOWN);
    list.truncate(SHOWN);
    if more > 0 {
        list.push(format!("and {more} more"));
    }
    list.join(" ")
}

/// By resource.
fn devices(offer: &Offer) -> BTreeMap<&String, Vec<Value>> {
    let device = |(id, health): (&String, &Health)| match health {
        Health::Healthy => json!({"id": id, "healthy": true}),
        Health::Unhealthy(why) => json!({"id": id, "healthy": false, "reason": why}),
    };
    offer.resources.iter().map(|(name, devices)| (name, devices.iter().map(device).collect())).collect()
}
