//! Who says whether a GPU works: the sidecar or daemon that is asked, and what it said last.

mod damping;
pub(crate) mod levelzero;
mod temperature;
pub(crate) mod xpumd;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use device_plugin::Rescan;
use host::PciAddress;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use damping::Damping;

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
    /// It doesn't.
    Unhealthy(Trouble),
}

/// Why a GPU doesn't work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Troubles of one kind differ in figures only, and one that follows another is no news.
    pub kind: String,
    /// The whole reason, in one line, for people.
    pub reason: String,
}

impl Trouble {
    /// A trouble of this kind, for this reason.
    pub fn new(kind: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { kind: kind.into(), reason: reason.into() }
    }
}

/// Nobody watches: all GPUs are healthy.
pub(crate) fn unwatched() -> Health {
    watch::channel(Arc::default()).1
}

/// Runs a source as a task of the current runtime. What it says is published, damped, and a look at the hardware is asked for
/// when that is new. All ends when nobody is left who would read it: the plugin was replaced.
fn publish<S>(rescan: &Rescan, source: impl FnOnce(watch::Sender<Snapshot>) -> S) -> Health
where
    S: Future<Output = ()> + Send + 'static,
{
    let (sender, said) = watch::channel(Snapshot::default());
    let source = source(sender);
    let (published, health) = watch::channel(Arc::default());
    let rescan = rescan.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = published.closed() => {}
            () = source => {}
            () = pass_on(said, &published, &rescan) => {}
        }
    });
    health
}

async fn pass_on(
    mut said: watch::Receiver<Snapshot>,
    published: &watch::Sender<Arc<Snapshot>>,
    rescan: &Rescan,
) {
    let mut damping = Damping::default();
    loop {
        let Snapshot { verdicts, indices } = said.borrow_and_update().clone();
        let (verdicts, next) = damping.judge(&verdicts, Instant::now().into_std());
        let believed = Snapshot { verdicts, indices };
        let is_new = **published.borrow() != believed;
        if is_new {
            published.send_replace(Arc::new(believed));
            rescan.request();
        }
        let next_change = async {
            match next {
                Some(next) => sleep_until(next.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = said.changed() => if changed.is_err() { return },
            () = next_change => {}
        }
    }
}

/// A text of another program's, for a line of ours: without control characters, and cut when it has more than 200 characters.
fn one_line(text: &str) -> String {
    const MOST: usize = 200;
    let mut chars = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = chars.by_ref().take(MOST).collect();
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

/// Why a call failed: what the service says, or the innermost cause, which the layers above it only repeat.
fn reason(status: &tonic::Status) -> String {
    match status.source() {
        Some(cause) => root_cause(cause),
        None => format!("{}: {}", status.code(), one_line(status.message())),
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
