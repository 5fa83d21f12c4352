//! What the Node object says about enclave memory, and how it is kept saying so.

use std::convert::Infallible;
use std::time::Duration;

use cluster::Access;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

const CAPACITY: &str = "sgx.intel.com/epc";
const LABEL: &str = "sgx.intel.com/capable";

/// What the Node object shall say. Where both are `None` there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The capacity, in bytes.
    pub capacity: Option<u64>,
    /// Whether there is the label.
    pub label: Option<bool>,
}

/// The two as they stand in a Node object.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    capacity: Option<Value>,
    label: Option<Value>,
}

/// How often the node is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Until the first new try after a failure. Each further one waits twice as long, up to `look`.
    pub retry: Duration,
    /// Until the next look when all is well.
    pub look: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { retry: Duration::from_secs(1), look: Duration::from_mins(1) }
    }
}

impl Wanted {
    /// Whether the API has to be asked at all.
    pub fn is_nothing(self) -> bool {
        self.capacity.is_none() && self.label.is_none()
    }

    /// The merge patch that makes a node say so.
    pub fn patch(self) -> Value {
        let mut patch = Map::new();
        if let Some(bytes) = self.capacity {
            patch.insert("status".to_owned(), json!({"capacity": {CAPACITY: bytes}}));
        }
        if let Some(is_capable) = self.label {
            let value = is_capable.then_some("true");
            patch.insert("metadata".to_owned(), json!({"labels": {LABEL: value}}));
        }
        patch.into()
    }

    /// What a node says of what is wanted here; nothing of what is not.
    fn said(self, node: &Value) -> Said {
        let find = |map: &str, key: &str| node.pointer(map).and_then(|map| map.get(key)).cloned();
        Said {
            capacity: self.capacity.and_then(|_| find("/status/capacity", CAPACITY)),
            label: self.label.and_then(|_| find("/metadata/labels", LABEL)),
        }
    }
}

/// The node to register at, and how.
#[derive(Debug)]
pub struct Registrar<A> {
    /// The Node object's name.
    pub node: String,
    /// Says how to reach the API. It is asked for each look, because a pod's token does not last.
    pub access: A,
    /// How often a daemon looks.
    pub pace: Pace,
}

impl<A: Fn() -> F, F: Future<Output = Result<Access, String>>> Registrar<A> {
    /// Has the node say it, once.
    pub async fn once(&self, wanted: Wanted) -> Result<(), String> {
        let access = (self.access)().await?;
        self.tell(&access, wanted).await.map(|_| ())
    }

    /// Has the node say it and keeps looking: one that was made anew, or changed, is told again. Calls `done` when the node
    /// has been told for the first time, and ends only if that fails.
    pub async fn keep(
        &self,
        wanted: Wanted,
        done: impl FnOnce() -> Result<(), String>,
    ) -> Result<Infallible, String> {
        let (mut done, mut last, mut wait) = (Some(done), None, self.pace.retry);
        loop {
            match self.look(wanted, &mut last).await {
                Ok(()) => {
                    if let Some(done) = done.take() {
                        done()?;
                    }
                    wait = self.pace.retry;
                    sleep(self.pace.look).await;
                }
                Err(error) => {
                    tracing::warn!("{error}; next try in {wait:?}");
                    sleep(wait).await;
                    wait = (wait * 2).min(self.pace.look);
                }
            }
        }
    }

    /// Tells the node, unless it still says what it said when it had been told `last`.
    async fn look(&self, wanted: Wanted, last: &mut Option<Said>) -> Result<(), String> {
        let access = (self.access)().await?;
        if let Some(last) = &last {
            if wanted.said(&cluster::node(&access, &self.node).await?) == *last {
                return Ok(());
            }
            tracing::warn!("node {} was changed or made anew", self.node);
        }
        *last = Some(self.tell(&access, wanted).await?);
        Ok(())
    }

    /// The result is how the API server puts it: quantities have several spellings.
    async fn tell(&self, access: &Access, wanted: Wanted) -> Result<Said, String> {
        let object = cluster::patch_node_status(access, &self.node, &wanted.patch()).await?;
        tracing::info!("node {}: {}", self.node, shown(wanted));
        Ok(wanted.said(&object))
    }
}

fn shown(wanted: Wanted) -> String {
    let capacity = wanted.capacity.map(|bytes| format!("{CAPACITY} is {bytes}"));
    let label = wanted.label.map(|is| format!("label {LABEL} is {}", if is { "true" } else { "taken away" }));
    capacity.into_iter().chain(label).collect::<Vec<_>>().join(", ")
}
