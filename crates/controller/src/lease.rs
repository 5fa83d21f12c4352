//! Which of several replicas leads: the one that holds a Lease of `coordination.k8s.io/v1`.
//!
//! The rules are those of client-go (`k8s.io/client-go/tools/leaderelection`), with the same times, so that replicas of both may stand
//! beside each other while one takes the other's place. The holder renews the Lease every 2 s. Whoever has seen no renewal for as long
//! as the Lease says (15 s) takes it. What counts is when a change was *seen* here: clocks of others are not trusted, and the times in
//! the Lease are for people.
//!
//! The holder may write until 10 s after it began its last renewal that came through. So it stops 5 s before anybody else may begin,
//! even when it is stalled: it is the moment itself that is handed on, and whoever writes compares it with the time.
//!
//! Rights that it needs in the Lease's namespace: `create` Leases, and `get`, `update` the one of this name.

use std::convert::Infallible;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use api_server::causes;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a Lease holds without being renewed.
pub const LEASE: Duration = Duration::from_secs(15);
/// How long the holder may write after a renewal.
pub const RENEW: Duration = Duration::from_secs(10);
/// How often it is attempted.
pub const RETRY: Duration = Duration::from_secs(2);
/// The longest that one answer is waited for: half of what a holder has, so that it can ask again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the Lease is not held.
#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error("add get, create and update of leases to this account's role ({0})")]
    Forbidden(String),
    #[error("another replica was faster")]
    Outrun,
    #[error("no answer of the API server for {limit} s", limit = PATIENCE.as_secs())]
    Silent,
    #[error("{0}")]
    Failed(String),
}

/// One replica's part in an election.
pub struct Election {
    leases: Api<Lease>,
    name: String,
    identity: String,
    /// The Lease as it was seen last.
    seen: Option<Seen>,
    until: watch::Sender<Option<Instant>>,
    /// What was said last about who leads, or about what goes wrong.
    said: String,
}

struct Seen {
    lease: Lease,
    /// When its last change was seen.
    since: Instant,
}

/// Who holds the Lease.
enum Holder {
    This,
    Other(String),
}

impl Election {
    /// Stands by. `identity` is this replica's alone: [`identity`].
    pub fn new(client: Client, namespace: &str, name: &str, identity: String) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity,
            seen: None,
            until: watch::channel(None).0,
            said: String::new(),
        }
    }

    /// Until when this replica may write; `None` while it does not lead. Who writes has to look at the time, too: the moment may have
    /// passed.
    pub fn until(&self) -> watch::Receiver<Option<Instant>> {
        self.until.subscribe()
    }

    /// Takes the Lease when it is free, and keeps it. Whatever goes wrong is tried again.
    pub async fn run(&mut self) -> Infallible {
        loop {
            let next = Instant::now() + RETRY;
            self.attempt().await;
            let end = *self.until.borrow();
            tokio::time::sleep_until(end.map_or(next, |end| end.min(next))).await;
            self.expire();
        }
    }

    /// Gives the Lease up, so that another replica leads at its next attempt. To be called when nothing is written any more.
    pub async fn release(mut self) {
        self.until.send_replace(None);
        if let Err(error) = self.give_up().await {
            tracing::info!("the Lease {:?} cannot be given up, and ends by itself: {error}", self.name);
        }
    }

    async fn attempt(&mut self) {
        let began = Instant::now();
        let end = *self.until.borrow();
        // Who does not lead waits for all answers: each has a limit of its own.
        let end = end.unwrap_or(began + 4 * PATIENCE);
        match tokio::time::timeout_at(end, self.hold()).await.unwrap_or(Err(LeaseError::Silent)) {
            Ok(Holder::This) => {
                self.until.send_replace(Some(began + RENEW));
                self.say(format!("this replica leads, by Lease {:?} as {:?}", self.name, self.identity));
            }
            Ok(Holder::Other(other)) => {
                self.until.send_replace(None);
                self.say(format!("{other:?} leads; this replica stands by"));
            }
            Err(error) => self.warn(&error),
        }
        self.expire();
    }

    /// No longer leads when the time to write is over.
    fn expire(&mut self) {
        let is_over = |until: &mut Option<Instant>| until.take_if(|end| *end <= Instant::now()).is_some();
        if self.until.send_if_modified(is_over) {
            tracing::warn!("this replica leads no more: its Lease {:?} was not renewed in time", self.name);
        }
    }

    /// Renews the Lease if it is ours, and takes it if it is nobody's.
    async fn hold(&mut self) -> Result<Holder, LeaseError> {
        if let Some(lease) = self.ours() {
            match self.take(lease).await {
                Err(LeaseError::Outrun) => {}
                taken => return taken.map(|()| Holder::This),
            }
        }
        let Some(lease) = ask(self.leases.get_opt(&self.name)).await? else {
            return self.create().await.map(|()| Holder::This);
        };
        let holder = holder(&lease).to_owned();
        let is_free = holder.is_empty() || holder == self.identity || self.has_ended(&lease);
        if is_free { self.take(lease).await.map(|()| Holder::This) } else { Ok(Holder::Other(holder)) }
    }

    /// The Lease as it was seen last, if it was ours.
    fn ours(&self) -> Option<Lease> {
        let seen = self.seen.as_ref()?;
        (holder(&seen.lease) == self.identity).then(|| seen.lease.clone())
    }

    /// Whether it was not renewed for as long as it says. It begins to count when it is seen first.
    fn has_ended(&mut self, lease: &Lease) -> bool {
        let now = Instant::now();
        let since = match &self.seen {
            Some(seen) if seen.lease.spec == lease.spec => seen.since,
            _ => now,
        };
        self.seen = Some(Seen { lease: lease.clone(), since });
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
        now >= since + seconds.map_or(LEASE, Duration::from_secs)
    }

    /// Writes it as ours, if it is still as it was seen.
    async fn take(&mut self, mut lease: Lease) -> Result<(), LeaseError> {
        let is_ours = holder(&lease) == self.identity;
        let spec = lease.spec.get_or_insert_default();
        let now = MicroTime(Timestamp::now());
        if !is_ours {
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
        }
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = Some(seconds(LEASE));
        spec.renew_time = Some(now);
        let lease = ask(self.leases.replace(&self.name, &PostParams::default(), &lease)).await?;
        self.seen = Some(Seen { lease, since: Instant::now() });
        Ok(())
    }

    async fn create(&mut self) -> Result<(), LeaseError> {
        let now = MicroTime(Timestamp::now());
        let lease = Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: Some(seconds(LEASE)),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                lease_transitions: Some(0),
                ..LeaseSpec::default()
            }),
        };
        let lease = ask(self.leases.create(&PostParams::default(), &lease)).await?;
        self.seen = Some(Seen { lease, since: Instant::now() });
        Ok(())
    }

    /// Read first, for the last renewal may have been cut off.
    async fn give_up(&mut self) -> Result<(), LeaseError> {
        let Some(mut lease) = ask(self.leases.get_opt(&self.name)).await? else { return Ok(()) };
        if holder(&lease) != self.identity {
            return Ok(());
        }
        let spec = lease.spec.get_or_insert_default();
        let now = MicroTime(Timestamp::now());
        spec.holder_identity = None;
        // The API server takes no 0.
        spec.lease_duration_seconds = Some(1);
        (spec.acquire_time, spec.renew_time) = (Some(now.clone()), Some(now));
        ask(self.leases.replace(&self.name, &PostParams::default(), &lease)).await?;
        tracing::info!("the Lease {:?} is given up", self.name);
        Ok(())
    }

    fn say(&mut self, text: String) {
        if self.said != text {
            tracing::info!("{text}");
            self.said = text;
        }
    }

    fn warn(&mut self, problem: &LeaseError) {
        let text = format!("cannot get or renew the Lease {:?}: {problem}", self.name);
        if self.said != text {
            tracing::warn!("{text}");
            self.said = text;
        }
    }
}

/// A name for this replica that no other process has: that of its host or pod, and a random number.
pub fn identity() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    let number = RandomState::new().hash_one(std::process::id());
    format!("{}_{number:016x}", host.as_deref().unwrap_or("replica"))
}

/// Who holds it; empty if nobody does.
fn holder(lease: &Lease) -> &str {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

/// Asks the API server, but not for ever, and says what its refusal means.
async fn ask<T>(answer: impl Future<Output = kube::Result<T>>) -> Result<T, LeaseError> {
    let error = match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => error,
        Err(_) => return Err(LeaseError::Silent),
    };
    Err(match &error {
        kube::Error::Api(status) => match status.code {
            403 => LeaseError::Forbidden(status.message.clone()),
            // It was written by another since it was read, or deleted.
            404 | 409 => LeaseError::Outrun,
            code => LeaseError::Failed(format!("{} ({code})", status.message)),
        },
        error => LeaseError::Failed(causes(error)),
    })
}
