//! Who says whether a GPU works: the sidecar or daemon that is asked, and what it said last.

pub(crate) mod levelzero;
pub(crate) mod xpumd;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use device_plugin::Rescan;
use host::PciAddress;
use tokio::sync::watch;

/// What a source of health said last; discovery reads it.
pub type Health = watch::Receiver<Arc<Snapshot>>;

/// What a source of health knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// A GPU that is not here counts as healthy: nobody has said otherwise.
    pub verdicts: Verdicts,
    /// Positions of Intel's GPUs in Level Zero's list; `None` until they are known.
    pub indices: Option<Vec<u32>>,
}

/// Whether GPUs work.
pub type Verdicts = BTreeMap<PciAddress, Verdict>;

/// Whether a GPU works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Healthy,
    /// It doesn't, for this reason.
    Unhealthy(String),
}

/// Nobody watches: all GPUs are healthy.
pub(crate) fn unwatched() -> Health {
    watch::channel(Arc::default()).1
}

/// Publishes what a source says, and asks for a look at the hardware when that is new.
struct Publisher {
    snapshot: watch::Sender<Arc<Snapshot>>,
    rescan: Rescan,
}

impl Publisher {
    fn new(rescan: &Rescan) -> (Self, Health) {
        let (snapshot, health) = watch::channel(Arc::default());
        (Self { snapshot, rescan: rescan.clone() }, health)
    }

    /// Done when nobody is left who would read what the source says: the plugin was replaced.
    async fn unread(&self) {
        self.snapshot.closed().await;
    }

    fn current(&self) -> Snapshot {
        (**self.snapshot.borrow()).clone()
    }

    fn publish(&self, mut snapshot: Snapshot) {
        let former = Arc::clone(&self.snapshot.borrow());
        for (address, verdict) in &mut snapshot.verdicts {
            // A temperature differs at each look: that is no news.
            if let Some(former) = former.verdicts.get(address)
                && trouble(former).is_some()
                && trouble(former) == trouble(verdict)
            {
                *verdict = former.clone();
            }
        }
        let changed = self.snapshot.send_if_modified(|current| {
            let changes = **current != snapshot;
            if changes {
                *current = Arc::new(snapshot);
            }
            changes
        });
        if changed {
            self.rescan.request();
        }
    }
}

/// What is wrong with a GPU, without how much.
fn trouble(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Healthy => None,
        Verdict::Unhealthy(reason) => reason.split(|c: char| c.is_ascii_digit()).next(),
    }
}

/// Why a call failed: what the service says, or the innermost cause, which the layers above it only repeat.
fn reason(status: &tonic::Status) -> String {
    match status.source() {
        Some(cause) => root_cause(cause),
        None => format!("{}: {}", status.code(), status.message()),
    }
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    root.to_string()
}

/// Says once that a source is out of reach, and once that it is back.
#[derive(Default)]
struct Reachability {
    error: Option<String>,
}

impl Reachability {
    fn lost(&mut self, source: &str, error: String) {
        if self.error.as_ref() != Some(&error) {
            tracing::warn!("{source} cannot be asked, so the last state of each GPU stays: {error}");
        }
        self.error = Some(error);
    }

    fn found(&mut self, source: &str) {
        if self.error.take().is_some() {
            tracing::info!("{source} answers again");
        }
    }
}

/// The pause before the next attempt: doubled each time.
struct Backoff(Duration);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(10);

    fn new() -> Self {
        Self(Self::FIRST)
    }

    fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(Self::LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests;
