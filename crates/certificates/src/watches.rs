//! Says when to look again. What there is to see is read then, so an event that was missed or came twice does no harm.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use kube::Api;
use kube::core::{PartialObjectMeta, Resource};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Error, Event, watcher};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_stream::StreamExt;

use crate::ask::{AskError, Request, explain};

/// How long one watch is used. One whose connection died without a word would say nothing for ever.
const USED: Duration = Duration::from_mins(10);

/// Follows one object for ever, and notifies `changed`.
///
/// Only its metadata, which changes with everything else: so no keys are in what is watched.
pub(crate) async fn follow<K>(api: Api<PartialObjectMeta<K>>, request: Request, changed: Arc<Notify>)
where
    K: Clone + Debug + Send + 'static,
    PartialObjectMeta<K>: Resource,
{
    let only = Config::default().fields(&format!("metadata.name={}", request.name));
    let mut said = false;
    loop {
        let mut events = std::pin::pin!(watcher(api.clone(), only.clone()).default_backoff());
        let end = Instant::now() + USED;
        while let Ok(Some(event)) = tokio::time::timeout_at(end, events.next()).await {
            match event {
                Ok(Event::Init | Event::InitApply(_)) => {}
                Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone) => changed.notify_one(),
                Err(error) => match reason(&request, &error) {
                    Some(forbidden @ AskError::Forbidden(..)) if !said => {
                        tracing::warn!("{forbidden}; until then changes are seen only now and then");
                        said = true;
                    }
                    _ => tracing::debug!("watching {} {:?}: {error}", request.resource, request.name),
                },
            }
        }
    }
}

fn reason(request: &Request, error: &Error) -> Option<AskError> {
    let (verb, error) = match error {
        Error::InitialListFailed(error) => ("list", error),
        Error::WatchStartFailed(error) => ("watch", error),
        _ => return None,
    };
    Some(explain(Request { verb, ..request.clone() }, error))
}
