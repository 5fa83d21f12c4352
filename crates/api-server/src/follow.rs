//! A watch that goes on for ever.

use std::fmt::{self, Debug};
use std::pin::Pin;

use kube::Api;
use kube::core::Resource;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Error, Event, watcher};
use serde::de::DeserializeOwned;
use tokio_stream::{Stream, StreamExt};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

/// What the log says of a watch.
#[derive(Debug, Clone)]
pub struct Hints {
    /// What is followed, in the plural: `pods`.
    pub what: String,
    /// What to do when the cluster does not know it: the end of a line.
    pub unknown: String,
    /// What to do when this account may not follow it: the end of a line.
    pub forbidden: String,
}

/// Follows objects for ever: lists them, and then tells what changes. Whatever fails is tried again, with pauses of up to half a
/// minute, and is said once until it is another failure or none.
pub struct Follow<K> {
    events: Pin<Box<dyn Stream<Item = Result<Event<K>, Error>> + Send>>,
    hints: Hints,
    /// What was said last, and still is so.
    trouble: String,
}

impl<K: Resource + Clone + Debug + DeserializeOwned + Send + 'static> Follow<K> {
    /// Asks nothing yet.
    pub fn new(api: Api<K>, config: Config, hints: Hints) -> Self {
        Self { events: Box::pin(watcher(api, config).default_backoff()), hints, trouble: String::new() }
    }

    /// What happens next. `None` never comes: it would be the end of a watch that has none.
    pub async fn next(&mut self) -> Option<Event<K>> {
        loop {
            // kube itself says each time what fails.
            match self.events.next().with_subscriber(NoSubscriber::default()).await? {
                // The list is still to come, and may fail.
                Ok(event @ (Event::Init | Event::InitApply(_))) => return Some(event),
                Ok(event) => {
                    if !std::mem::take(&mut self.trouble).is_empty() {
                        tracing::info!("{} are followed again", self.hints.what);
                    }
                    return Some(event);
                }
                Err(error) => {
                    if let Some(line) = self.hints.said(&error).filter(|line| *line != self.trouble) {
                        tracing::warn!("{line}");
                        self.trouble = line;
                    }
                }
            }
        }
    }
}

impl<K> Debug for Follow<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow").field("hints", &self.hints).finish_non_exhaustive()
    }
}

impl Hints {
    /// What the log says of a failure, with what to do; none for one that is part of the protocol.
    fn said(&self, error: &Error) -> Option<String> {
        use Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
        let Self { what, unknown, forbidden } = self;
        let status = match error {
            InitialListFailed(kube::Error::Api(status))
            | WatchStartFailed(kube::Error::Api(status))
            | WatchFailed(kube::Error::Api(status))
            | WatchError(status) => Some(status),
            _ => None,
        };
        Some(match status.map(|status| status.code) {
            // What was seen last is too long ago: a new list follows.
            Some(410) => return None,
            Some(404) => format!("the cluster has no {what}: {unknown}"),
            Some(403) => format!("this account may not list and watch {what}: {forbidden}: {error}"),
            _ => format!("cannot follow {what}, which is tried again; what was known stays: {error}"),
        })
    }
}
