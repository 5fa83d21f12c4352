//! What an object's status says of what was seen.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::Value;

use crate::{Reference, ResourceSummary, Status};

/// Something that an admin needs to know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// In one word.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// The spec cannot be used. The DaemonSet stays as it is.
pub(crate) const REJECTED: &str = "Rejected";
/// A node has pods of another object of the same kind, or of another DaemonSet of the plugin.
pub(crate) const OVERLAP: &str = "Overlap";
/// New pods do not become ready, so the others stay as they are.
pub(crate) const ROLLOUT_STALLED: &str = "RolloutStalled";
/// The pods wait for a ConfigMap.
pub(crate) const CONFIG_MAP_MISSING: &str = "ConfigMapMissing";
/// The ConfigMap may not be read, so its changes are not seen.
pub(crate) const CONFIG_MAP_UNREADABLE: &str = "ConfigMapUnreadable";
/// The API server refuses the DaemonSet.
pub(crate) const APPLY_FAILED: &str = "ApplyFailed";
/// Something else changes the DaemonSet as it is written.
pub(crate) const ALTERED: &str = "Altered";
/// There is a DaemonSet of this name that is somebody else's.
pub(crate) const NAME_TAKEN: &str = "NameTaken";
/// The DaemonSet is in the namespace that the operator had before.
pub(crate) const LEFT_BEHIND: &str = "LeftBehind";
/// The new images could not be written to the object.
pub(crate) const IMAGE_UPGRADE_FAILED: &str = "ImageUpgradeFailed";

/// How far a DaemonSet's pods are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rollout {
    pub(crate) generation: i64,
    observed: i64,
    pub(crate) desired: i32,
    ready: i32,
    /// Nodes with a pod of the newest template.
    pub(crate) updated: i32,
}

impl Rollout {
    pub(crate) fn of(daemonset: &Value) -> Self {
        let number = |at: &str| daemonset.pointer(at).and_then(Value::as_i64).unwrap_or(0);
        let small = |at: &str| i32::try_from(number(at)).unwrap_or(0);
        Self {
            generation: number("/metadata/generation"),
            observed: number("/status/observedGeneration"),
            desired: small("/status/desiredNumberScheduled"),
            ready: small("/status/numberReady"),
            updated: small("/status/updatedNumberScheduled"),
        }
    }

    /// Whether pods are still to be replaced or made.
    pub(crate) fn is_going_on(&self) -> bool {
        self.observed < self.generation || self.updated < self.desired
    }
}

/// What there is to say.
#[derive(Debug, Default)]
pub(crate) struct Seen<'a> {
    /// The object's own.
    pub(crate) generation: Option<i64>,
    pub(crate) daemonset: Option<&'a Value>,
    /// Sorted; none when they are not known.
    pub(crate) nodes: Option<Vec<String>>,
    /// None when they are not known.
    pub(crate) resources: Option<Vec<ResourceSummary>>,
    pub(crate) problems: &'a [Problem],
}

impl Status {
    /// The status after this was seen.
    pub(crate) fn next(&self, seen: Seen<'_>, now: &Time) -> Self {
        let rollout = seen.daemonset.map(Rollout::of);
        let numbers = rollout.unwrap_or_default();
        let conditions = [available(rollout), progressing(rollout, seen.problems), degraded(seen.problems)];
        let conditions = conditions.map(|condition| self.dated(condition, seen.generation, now)).into();
        Self {
            controlled_daemon_set: self.controlled(seen.daemonset),
            node_names: seen.nodes.unwrap_or_else(|| self.node_names.clone()),
            desired_number_scheduled: numbers.desired,
            number_ready: numbers.ready,
            resources: seen.resources.unwrap_or_else(|| self.resources.clone()),
            conditions,
            observed_generation: seen.generation,
        }
    }

    /// The reasons why it is degraded.
    pub(crate) fn reasons(&self) -> Vec<&str> {
        let degraded = self.conditions.iter().find(|condition| condition.type_ == "Degraded");
        let degraded = degraded.filter(|condition| condition.status == "True");
        degraded.map(|condition| condition.reason.split(',').collect()).unwrap_or_default()
    }

    /// The reference changes with the DaemonSet only, not with its versions.
    fn controlled(&self, daemonset: Option<&Value>) -> Option<Reference> {
        let text = |field: &str| {
            let text = daemonset?.pointer(&format!("/metadata/{field}"))?.as_str()?;
            Some(text.to_owned())
        };
        let uid = text("uid");
        if uid.is_none() || self.controlled_daemon_set.as_ref().map(|old| &old.uid) == uid.as_ref() {
            return self.controlled_daemon_set.clone();
        }
        Some(Reference {
            api_version: "apps/v1".to_owned(),
            field_path: String::new(),
            kind: "DaemonSet".to_owned(),
            name: text("name").unwrap_or_default(),
            namespace: text("namespace").unwrap_or_default(),
            resource_version: text("resourceVersion").unwrap_or_default(),
            uid: uid.unwrap_or_default(),
        })
    }

    fn dated(&self, mut condition: Condition, generation: Option<i64>, now: &Time) -> Condition {
        condition.observed_generation = generation;
        let old = self.conditions.iter().find(|old| old.type_ == condition.type_);
        let since = old.filter(|old| old.status == condition.status).map(|old| &old.last_transition_time);
        condition.last_transition_time = since.unwrap_or(now).clone();
        condition
    }
}

fn condition(name: &str, is_true: bool, reason: &str, message: String) -> Condition {
    Condition {
        type_: name.to_owned(),
        status: if is_true { "True" } else { "False" }.to_owned(),
        reason: reason.to_owned(),
        message,
        observed_generation: None,
        last_transition_time: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
    }
}

fn available(rollout: Option<Rollout>) -> Condition {
    let Some(Rollout { observed, desired, ready, .. }) = rollout else {
        return condition("Available", false, "NoDaemonSet", "there is no DaemonSet".to_owned());
    };
    if observed == 0 {
        return condition("Available", false, "NotCounted", "nobody has counted the nodes yet".to_owned());
    }
    match (desired, ready) {
        (0, _) => condition(
            "Available",
            true,
            "NoNodes",
            "no node is as nodeSelector and tolerations ask for".to_owned(),
        ),
        (desired, ready) if ready >= desired => {
            condition("Available", true, "AllReady", format!("ready on all of {desired} nodes"))
        }
        _ => condition("Available", false, "NotAllReady", format!("ready on {ready} of {desired} nodes")),
    }
}

fn progressing(rollout: Option<Rollout>, problems: &[Problem]) -> Condition {
    let Some(rollout) = rollout else {
        return condition("Progressing", false, "NoDaemonSet", "there is no DaemonSet".to_owned());
    };
    let Rollout { desired, updated, .. } = rollout;
    let message = format!("{updated} of {desired} nodes have a pod of the newest template");
    let is_stalled = problems.iter().any(|problem| problem.reason == ROLLOUT_STALLED);
    match rollout.is_going_on() {
        true if is_stalled => condition("Progressing", false, ROLLOUT_STALLED, message),
        true => condition("Progressing", true, "RollingOut", message),
        false => condition("Progressing", false, "Complete", message),
    }
}

/// All reasons, with commas between them: the API allows those in a reason.
fn degraded(problems: &[Problem]) -> Condition {
    if problems.is_empty() {
        return condition("Degraded", false, "AsExpected", "nothing is wrong".to_owned());
    }
    let mut reasons: Vec<&str> = problems.iter().map(|problem| problem.reason).collect();
    reasons.dedup();
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    condition("Degraded", true, &reasons.join(","), messages.join("; "))
}

/// The first three names, and how many more there are.
pub(crate) fn some_of<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let mut names = names.into_iter();
    let first: Vec<T> = names.by_ref().take(3).collect();
    let first = first.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.count() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn daemonset(desired: i32, updated: i32, ready: i32) -> Value {
        json!({"metadata": {"name": "d", "namespace": "n", "uid": "7", "resourceVersion": "3", "generation": 2},
            "status": {"observedGeneration": 2, "desiredNumberScheduled": desired, "updatedNumberScheduled": updated, "numberReady": ready}})
    }

    #[test]
    fn a_daemonset_that_is_new_is_available_nowhere() {
        let new = json!({"metadata": {"uid": "7", "generation": 1}, "status": {}});
        let seen = Seen { daemonset: Some(&new), ..Seen::default() };
        let status = Status::default().next(seen, &at(1));
        assert_eq!(said(&status)[0], "Available False NotCounted");
    }

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    fn said(status: &Status) -> Vec<String> {
        let one = |c: &Condition| format!("{} {} {}", c.type_, c.status, c.reason);
        status.conditions.iter().map(one).collect()
    }

    #[test]
    fn conditions_tell_how_far_the_pods_are() {
        let stalled = [Problem { reason: ROLLOUT_STALLED, message: "m".to_owned() }];
        let cases: [(Option<Value>, &[Problem], [&str; 3]); 6] = [
            (
                None,
                &[],
                ["Available False NoDaemonSet", "Progressing False NoDaemonSet", "Degraded False AsExpected"],
            ),
            (
                Some(daemonset(0, 0, 0)),
                &[],
                ["Available True NoNodes", "Progressing False Complete", "Degraded False AsExpected"],
            ),
            (
                Some(daemonset(3, 3, 3)),
                &[],
                ["Available True AllReady", "Progressing False Complete", "Degraded False AsExpected"],
            ),
            (
                Some(daemonset(3, 3, 2)),
                &[],
                ["Available False NotAllReady", "Progressing False Complete", "Degraded False AsExpected"],
            ),
            (
                Some(daemonset(3, 1, 3)),
                &[],
                ["Available True AllReady", "Progressing True RollingOut", "Degraded False AsExpected"],
            ),
            (
                Some(daemonset(3, 1, 2)),
                &stalled,
                [
                    "Available False NotAllReady",
                    "Progressing False RolloutStalled",
                    "Degraded True RolloutStalled",
                ],
            ),
        ];
        for (daemonset, problems, expected) in cases {
            let seen = Seen { daemonset: daemonset.as_ref(), problems, ..Seen::default() };
            assert_eq!(said(&Status::default().next(seen, &at(1))), expected);
        }
    }

    #[test]
    fn a_template_that_the_daemonset_controller_has_not_seen_yet_is_still_to_be_rolled_out() {
        let mut daemonset = daemonset(3, 3, 3);
        daemonset["status"]["observedGeneration"] = json!(1);
        let status = Status::default().next(Seen { daemonset: Some(&daemonset), ..Seen::default() }, &at(1));
        assert_eq!(said(&status)[1], "Progressing True RollingOut");
    }

    #[test]
    fn the_same_things_seen_again_change_nothing() {
        let daemonset = daemonset(3, 3, 3);
        let seen = || Seen {
            generation: Some(4),
            daemonset: Some(&daemonset),
            nodes: Some(vec!["a".to_owned()]),
            resources: Some(vec![ResourceSummary::default()]),
            problems: &[],
        };
        let first = Status::default().next(seen(), &at(1));
        assert_eq!(first.observed_generation, Some(4));
        assert_eq!(first.conditions[0].last_transition_time, at(1));
        assert_eq!(first.next(seen(), &at(2)), first);
    }

    #[test]
    fn a_condition_is_dated_when_its_status_changes_and_not_with_its_reason() {
        let two = [OVERLAP, REJECTED].map(|reason| Problem { reason, message: reason.to_lowercase() });
        let look = |before: &Status, problems: &[Problem], second| {
            before.next(Seen { problems, ..Seen::default() }, &at(second))
        };
        let one = look(&Status::default(), &two[..1], 1);
        assert_eq!(one.reasons(), ["Overlap"]);
        let more = look(&one, &two, 2);
        assert_eq!(more.reasons(), ["Overlap", "Rejected"]);
        assert_eq!(more.conditions[2].message, "overlap; rejected");
        assert_eq!(more.conditions[2].last_transition_time, at(1));
        let none = look(&more, &[], 3);
        assert_eq!(none.conditions[2].last_transition_time, at(3));
        assert!(none.reasons().is_empty());
    }

    #[test]
    fn the_reference_to_the_daemonset_is_replaced_only_with_the_daemonset() {
        let mut daemonset = daemonset(1, 1, 1);
        let first = Status::default().next(Seen { daemonset: Some(&daemonset), ..Seen::default() }, &at(1));
        let reference = first.controlled_daemon_set.clone().unwrap();
        assert_eq!((reference.uid.as_str(), reference.resource_version.as_str()), ("7", "3"));
        daemonset["metadata"]["resourceVersion"] = json!("4");
        let later = first.next(Seen { daemonset: Some(&daemonset), ..Seen::default() }, &at(1));
        assert_eq!(later.controlled_daemon_set, first.controlled_daemon_set);
        daemonset["metadata"]["uid"] = json!("8");
        let other = first.next(Seen { daemonset: Some(&daemonset), ..Seen::default() }, &at(1));
        assert_eq!(other.controlled_daemon_set.unwrap().resource_version, "4");
    }

    #[test]
    fn long_lists_of_names_are_cut() {
        assert_eq!(some_of(["a", "b", "c"]), "a, b, c");
        assert_eq!(some_of(["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
