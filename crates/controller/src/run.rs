//! The loop: what happens in the cluster says which objects are looked at, one after the other.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::ask::{Ask, AskError};
use crate::fence::Fence;
use crate::nodes::Nodes;
use crate::reconcile::Reconciler;
use crate::stores::{Change, Key, Stores, Touched};
use crate::watch::follow_all;
use crate::{Family, ReconcileMetrics, Settings};

/// The wait after the first of several failures, and the longest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(5);
/// How long changes of pods are collected: many come at once.
const COLLECTED: Duration = Duration::from_secs(1);

/// Keeps the DaemonSets of all families' objects in shape, for ever.
///
/// `overrides` are the operator's environment variables, of which some may name images (see [`image::upgrade`](crate::image::upgrade)).
/// Its account needs, in the namespace of `settings`: get, list, watch, create and patch of daemonsets (apps), list and watch of pods,
/// get, list and watch of configmaps. In the namespace `default`: create and patch of events (events.k8s.io). In the cluster: list,
/// watch and patch of the families' objects, patch of their `status`, update of their `finalizers` (where the API server checks
/// owners); get of daemonsets, to see what an operator of another namespace left; and list and watch of nodes, without which nobody
/// sums what they offer. Pods of objects with `metrics` are connected to at that port.
///
/// The client should have a read timeout of about 295 s: watches end by themselves before that, and one whose connection died
/// without a word would say nothing for ever.
pub async fn run(
    client: Client,
    families: &[Family],
    settings: Settings,
    overrides: BTreeMap<String, String>,
    mut fence: Fence,
    metrics: Arc<ReconcileMetrics>,
) -> Infallible {
    let (mut changes, mut watches) = follow_all(&client, families, &settings.namespace);
    let ask = Ask::new(client, fence.clone(), metrics.clone());
    let mut reconciler = Reconciler::new(families, &settings, &overrides, ask);
    let mut queue = Queue::default();
    let sums = Sums(&metrics);
    loop {
        let may_work = reconciler.stores.is_complete() && fence.may_write().is_ok();
        let due = queue.next().filter(|_| may_work);
        tokio::select! {
            change = changes.recv() => take(change, &mut changes, &mut reconciler, &mut queue, &sums),
            Some(key) = reconciler.reasons.answered() => queue.add(key, Instant::now()),
            () = fence.changed() => {}
            // They follow for ever, so one that has ended has panicked.
            Some(Err(error)) = watches.join_next() => std::panic::resume_unwind(error.into_panic()),
            () = wait_until(due) => {}
        }
        if !reconciler.stores.is_complete() {
            continue;
        }
        for key in queue.due(Instant::now()) {
            if fence.may_write().is_err() {
                queue.add(key, Instant::now());
                continue;
            }
            round(&mut reconciler, &mut queue, &metrics, key).await;
        }
    }
}

/// What all nodes offer, on the page of metrics while this replica knows.
struct Sums<'a>(&'a ReconcileMetrics);

impl Sums<'_> {
    fn show(&self, stores: &Stores) {
        self.0.resources(stores.nodes().map(Nodes::all).unwrap_or_default());
    }
}

impl Drop for Sums<'_> {
    fn drop(&mut self) {
        self.0.resources(Vec::new());
    }
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Takes a change, and those that wait behind it.
fn take(
    first: Option<Change>,
    more: &mut mpsc::Receiver<Change>,
    reconciler: &mut Reconciler<'_>,
    queue: &mut Queue,
    sums: &Sums<'_>,
) {
    let mut next = first;
    let mut nodes_changed = false;
    let now = Instant::now();
    while let Some(change) = next {
        let families = reconciler.families;
        let is_node = matches!(change, Change::Node(_));
        let touched = reconciler.stores.take(change, families);
        nodes_changed |= is_node && touched != Touched::None;
        let (keys, at) = match touched {
            Touched::None => (Vec::new(), now),
            Touched::One(key) => (vec![key], now),
            Touched::New(key) => {
                // What failed may be right now.
                queue.forgive(&key);
                (vec![key], now)
            }
            Touched::Family(family) => (reconciler.stores.keys_of(family), now),
            Touched::Later(families) => {
                let keys = families.into_iter().flat_map(|family| reconciler.stores.keys_of(family));
                (keys.collect(), now + COLLECTED)
            }
            Touched::All => (reconciler.stores.keys(), now),
        };
        for key in keys {
            queue.add(key, at);
        }
        next = more.try_recv().ok();
    }
    if nodes_changed {
        sums.show(&reconciler.stores);
    }
}

async fn round(reconciler: &mut Reconciler<'_>, queue: &mut Queue, metrics: &ReconcileMetrics, key: Key) {
    let began = Instant::now();
    let controller =
        reconciler.families.get(key.0).map(|family| family.kind().to_lowercase()).unwrap_or_default();
    let outcome = reconciler.round(&key).await;
    let result = match outcome {
        Ok(again) => {
            queue.forgive(&key);
            if let Some(again) = again {
                queue.add(key, Instant::now() + again);
            }
            if again.is_some() { "requeue_after" } else { "success" }
        }
        Err(AskError::Lost(_)) => {
            queue.add(key, Instant::now());
            "requeue"
        }
        Err(error) => {
            if queue.failed(&key, &error.to_string()) && !matches!(error, AskError::Changed(..)) {
                tracing::warn!("{controller} {}: {error}", key.1);
            }
            "error"
        }
    };
    metrics.round(&controller, result, began.elapsed());
}

/// Which objects are to be looked at, and when.
#[derive(Default)]
struct Queue {
    due: BTreeMap<Key, Instant>,
    failures: BTreeMap<Key, Failure>,
}

struct Failure {
    /// No round before this.
    until: Instant,
    wait: Duration,
    said: String,
}

impl Queue {
    /// The earlier moment counts, but none while a failure is waited out.
    fn add(&mut self, key: Key, at: Instant) {
        let at = self.failures.get(&key).map_or(at, |failure| at.max(failure.until));
        let due = self.due.entry(key).or_insert(at);
        *due = at.min(*due);
    }

    fn next(&self) -> Option<Instant> {
        self.due.values().min().copied()
    }

    /// Takes what is due.
    fn due(&mut self, now: Instant) -> Vec<Key> {
        let due = self.due.extract_if(.., |_, at| *at <= now);
        due.map(|(key, _)| key).collect()
    }

    /// Waits for nothing any more.
    fn forgive(&mut self, key: &Key) {
        self.failures.remove(key);
    }

    /// Has it tried again later, each time twice as late. Says whether it is another failure than the last.
    fn failed(&mut self, key: &Key, said: &str) -> bool {
        let last = self.failures.get(key);
        let wait = last.map_or(FIRST_RETRY, |last| (last.wait * 2).min(LONGEST_RETRY));
        let is_new = last.is_none_or(|last| last.said != said);
        let until = Instant::now() + wait;
        self.failures.insert(key.clone(), Failure { until, wait, said: said.to_owned() });
        self.due.insert(key.clone(), until);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        (0, "a".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_tried_again_ever_later_whatever_happens_meanwhile() {
        let mut queue = Queue::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            let now = Instant::now();
            queue.failed(&key(), "no");
            queue.add(key(), now);
            assert!(queue.due(now).is_empty());
            let next = queue.next().unwrap();
            waits.push((next - now).as_secs());
            tokio::time::sleep_until(next).await;
            assert_eq!(queue.due(next), [key()]);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        queue.forgive(&key());
        queue.add(key(), Instant::now());
        assert_eq!(queue.due(Instant::now()), [key()]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_said_once_and_again_when_it_is_another() {
        let mut queue = Queue::default();
        assert!(queue.failed(&key(), "no"));
        assert!(!queue.failed(&key(), "no"));
        assert!(queue.failed(&key(), "never"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_earlier_moment_counts() {
        let mut queue = Queue::default();
        let now = Instant::now();
        queue.add(key(), now + Duration::from_secs(1));
        queue.add(key(), now);
        queue.add(key(), now + Duration::from_secs(2));
        assert_eq!(queue.due(now), [key()]);
        assert_eq!(queue.next(), None);
    }
}
