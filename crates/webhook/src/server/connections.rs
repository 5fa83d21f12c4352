//! The connections of a server: no more than it can bear.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::Instant;

use crate::Metrics;

/// Connections at once. For one more, the one is closed that has not been used for longest.
const MAX_CONNECTIONS: usize = 2000;

/// What happened on a connection.
pub(super) struct Activity {
    last: Mutex<Instant>,
    established: AtomicBool,
    unread: AtomicBool,
}

impl Activity {
    fn new() -> Self {
        let (established, unread) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { last: Mutex::new(Instant::now()), established, unread }
    }

    /// The handshake is over.
    pub(super) fn established(&self) {
        self.established.store(true, Ordering::Relaxed);
    }

    /// A request was answered just now.
    pub(super) fn answered(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// A request was answered before its body was read to its end.
    pub(super) fn left_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Whether there was such a request.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    fn last(&self) -> Instant {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tasks of all connections. They end with this.
pub(super) struct Connections {
    tasks: JoinSet<()>,
    open: HashMap<Id, (AbortHandle, Arc<Activity>)>,
    metrics: Arc<Metrics>,
}

impl Connections {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { tasks: JoinSet::new(), open: HashMap::new(), metrics }
    }

    /// Runs the task of a connection, and closes another one if there are too many.
    pub(super) fn add<T: Future<Output = ()> + Send + 'static>(
        &mut self,
        task: impl FnOnce(Arc<Activity>) -> T,
    ) {
        if self.open.len() >= MAX_CONNECTIONS {
            self.close_one();
        }
        let activity = Arc::new(Activity::new());
        let handle = self.tasks.spawn(task(Arc::clone(&activity)));
        self.open.insert(handle.id(), (handle, activity));
        self.metrics.connections(self.open.len());
    }

    /// Waits until a connection has ended; for ever if there is none.
    pub(super) async fn ended(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => return std::future::pending().await,
        };
        self.open.remove(&id);
        self.metrics.connections(self.open.len());
    }

    /// Closes the connection that has not been used for longest.
    pub(super) fn close_one(&mut self) {
        let oldest = self.open.iter().min_by_key(|(_, (_, activity))| activity.last());
        if let Some((&id, (handle, _))) = oldest {
            handle.abort();
            self.open.remove(&id);
        }
    }

    /// Closes the connections that are still busy with their handshake.
    pub(super) fn close_unestablished(&mut self) {
        for (handle, activity) in self.open.values() {
            if !activity.established.load(Ordering::Relaxed) {
                handle.abort();
            }
        }
    }

    /// Waits until all have ended.
    pub(super) async fn all_ended(&mut self) {
        while !self.tasks.is_empty() {
            self.ended().await;
        }
    }
}
