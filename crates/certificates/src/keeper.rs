//! One replica's loop: look at everything, do what is to be done, wait for a change.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;
use rustls::sign::CertifiedKey;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::ask::{AskError, Request};
use crate::authorities::Authorities;
use crate::authority::{Authority, Moment};
use crate::injection::{InjectError, Target};
use crate::leaf::{Announced, Leaf};
use crate::options::Options;
use crate::secret::SharedSecret;
use crate::watches::follow;

/// How often everything is looked at when nothing happens.
const RESYNC: Duration = Duration::from_mins(10);
/// The longest wait after something went wrong.
const LONGEST_RETRY: Duration = Duration::from_mins(1);
/// The wait after something was written, so that another writer who undoes it is no endless fast fight.
const AFTER_WRITING: Duration = Duration::from_secs(1);
/// How often others may be faster before it is a failure to wait after.
const ATTEMPTS: usize = 5;

pub(crate) struct Keeper {
    options: Options,
    secret: SharedSecret,
    targets: Vec<Target>,
    /// What the Secret held last.
    authorities: Authorities,
    /// What it has held: see [`Authorities::next`].
    known: Authorities,
    announced: Announced,
    leaf: Option<Leaf>,
    /// Whether everything was in place once.
    complete: bool,
    problems: Vec<String>,
    show: watch::Sender<Option<Arc<CertifiedKey>>>,
    tell: watch::Sender<Option<String>>,
}

/// What came of one look.
#[derive(Default)]
struct Pass {
    problems: Vec<String>,
    wrote: bool,
    /// Somebody else was faster, so what was seen is old.
    outrun: bool,
}

impl Pass {
    fn failed(&mut self, error: &InjectError) {
        self.outrun |= matches!(error, InjectError::Ask(AskError::Changed(..)));
        self.problems.push(error.to_string());
    }
}

impl Keeper {
    pub(crate) fn new(
        options: Options,
        show: watch::Sender<Option<Arc<CertifiedKey>>>,
        tell: watch::Sender<Option<String>>,
    ) -> Self {
        Self {
            secret: SharedSecret::new(options.client.clone(), &options.namespace, &options.secret),
            targets: options.configurations.iter().map(|one| Target::new(&options.client, one)).collect(),
            options,
            authorities: Authorities::default(),
            known: Authorities::default(),
            announced: Announced::default(),
            leaf: None,
            complete: false,
            problems: Vec::new(),
            show,
            tell,
        }
    }

    pub(crate) async fn run(mut self) {
        let changed = Arc::new(Notify::new());
        // Dropped with this future, and the watches with it.
        let _watches = self.watches(&changed);
        let mut retry = Duration::ZERO;
        loop {
            let mut pass = self.pass().await;
            for _ in 1..ATTEMPTS {
                if pass.outrun {
                    pass = self.pass().await;
                }
            }
            retry = if pass.problems.is_empty() {
                Duration::ZERO
            } else {
                (retry * 2).clamp(AFTER_WRITING, LONGEST_RETRY)
            };
            let wait = if retry.is_zero() { self.resync() } else { retry.min(self.resync()) };
            self.report(pass.problems);
            if pass.wrote {
                tokio::time::sleep(AFTER_WRITING.min(wait)).await;
            }
            tokio::select! {
                () = changed.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn watches(&self, changed: &Arc<Notify>) -> JoinSet<()> {
        let mut watches = JoinSet::new();
        let client = &self.options.client;
        let secrets: Api<PartialObjectMeta<Secret>> =
            Api::namespaced(client.clone(), &self.options.namespace);
        let request = Request { verb: "watch", resource: "secrets", name: self.options.secret.clone() };
        watches.spawn(follow(secrets, request, changed.clone()));
        for target in &self.targets {
            let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client.clone(), &target.kind);
            watches.spawn(follow(api, target.request("watch"), changed.clone()));
        }
        watches
    }

    /// Looks at everything and puts it right. Configurations are read before the Secret and written only if they are
    /// still as they were read: so whoever writes knows the Secret that was there when the bundle it replaces was written,
    /// and no replica puts an old bundle in place of a newer one.
    async fn pass(&mut self) -> Pass {
        let mut pass = Pass::default();
        let mut seen = Vec::new();
        for target in &self.targets {
            seen.push(target.read().await);
        }
        let shared = self.share(&mut pass).await;
        self.renew(&mut pass);
        if shared && !self.authorities.is_empty() {
            self.announce(seen, &mut pass).await;
            self.renew(&mut pass);
        }
        pass
    }

    /// Reads the Secret, and writes it if it has to hold something else. Says whether it could be read.
    async fn share(&mut self, pass: &mut Pass) -> bool {
        let stored = match self.secret.read().await {
            Ok(stored) => stored,
            Err(error) => {
                pass.failed(&error.into());
                return false;
            }
        };
        let now = self.now();
        let next = stored.authorities.next(&self.known, now, self.options.lifetimes.authority());
        self.authorities = stored.authorities.clone();
        self.known = self.known.remember(&stored.authorities, now);
        let next = match next {
            Ok(Some(next)) => next,
            Ok(None) if stored.problems.is_empty() => return true,
            Ok(None) => stored.authorities.clone(),
            Err(error) => {
                pass.problems.push(format!("cannot make a certificate authority: {error}"));
                return true;
            }
        };
        let name = &self.options.secret;
        match self.secret.write(&stored, &next).await {
            Ok(()) => {
                for problem in &stored.problems {
                    tracing::warn!("Secret {name:?} is replaced: {problem}");
                }
                for new in next.iter().filter(|one| !stored.authorities.contains(one)) {
                    let ends = time(new.ends());
                    if new.key().is_some() {
                        tracing::info!("Secret {name:?} has a new certificate authority, until {ends}");
                    } else {
                        tracing::warn!(
                            "Secret {name:?} has lost a certificate authority; it stays trusted for a time"
                        );
                    }
                }
                self.known = self.known.remember(&next, now);
                self.authorities = next;
                pass.wrote = true;
            }
            Err(error) => {
                let broken = stored
                    .problems
                    .iter()
                    .map(|problem| format!("Secret {name:?} is not as it should be: {problem}"));
                pass.problems.extend(broken);
                pass.failed(&error.into());
            }
        }
        true
    }

    /// Puts the bundle in the configurations.
    async fn announce(&mut self, seen: Vec<Result<Option<DynamicObject>, AskError>>, pass: &mut Pass) {
        let bundle = self.authorities.bundle();
        let mut everywhere = true;
        for (target, seen) in self.targets.iter().zip(seen) {
            let injected = match seen {
                Ok(Some(seen)) => {
                    target.inject(&seen, &self.options.namespace, &self.options.service, &bundle).await
                }
                Ok(None) => Err(InjectError::Missing(target.resource, target.name.clone())),
                Err(error) => Err(error.into()),
            };
            match injected {
                Ok(false) => {}
                Ok(true) => {
                    tracing::info!("{} {:?} has the certificate authorities", target.resource, target.name);
                    pass.wrote = true;
                }
                Err(error) => {
                    // By a configuration without our webhooks nobody comes.
                    everywhere &= matches!(error, InjectError::Missing(..) | InjectError::NotOurs(..));
                    pass.failed(&error);
                }
            }
        }
        if everywhere {
            self.announced.see(&self.authorities, self.now());
        }
    }

    /// Makes a new certificate if one is due.
    fn renew(&mut self, pass: &mut Pass) {
        let now = self.now();
        let Some(signer) = Leaf::due(self.leaf.as_ref(), &self.authorities, &self.announced, now) else {
            return;
        };
        match Leaf::new(signer, self.options.dns_names(), now, self.options.lifetimes.certificate()) {
            Ok(leaf) => {
                tracing::info!("a new certificate is shown, until {}", time(leaf.ends));
                self.show.send_replace(Some(leaf.certified.clone()));
                self.leaf = Some(leaf);
            }
            Err(error) => pass.problems.push(error.to_string()),
        }
    }

    /// Says what is new about problems, and whether the server is ready.
    fn report(&mut self, problems: Vec<String>) {
        for problem in problems.iter().filter(|problem| !self.problems.contains(problem)) {
            tracing::warn!("{problem}");
        }
        if problems.is_empty() && !self.problems.is_empty() {
            tracing::info!("certificates are in order");
        }
        let ended = self.leaf.as_ref().is_some_and(|leaf| leaf.ends <= self.now());
        self.complete |= problems.is_empty() && self.leaf.is_some();
        let missing = match (self.complete, ended) {
            (true, false) => None,
            (_, true) => Some(format!("the certificate has ended; {}", problems.join("; "))),
            (false, false) => Some(problems.join("; ")),
        };
        self.tell.send_if_modified(|told| std::mem::replace(told, missing.clone()) != missing);
        self.problems = problems;
    }

    /// How long to wait for a change. Often enough that nothing of what follows from dates is late by more than the rule
    /// leaves room for.
    fn resync(&self) -> Duration {
        let lifetimes = self.options.lifetimes;
        let overlaps = self.authorities.iter().map(Authority::overlap).map(Duration::from_secs);
        overlaps
            .chain([lifetimes.authority() / 10])
            .map(|overlap| overlap / 8)
            .fold(RESYNC.min(lifetimes.certificate() / 12), Duration::min)
    }

    fn now(&self) -> Moment {
        (self.options.clock)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

/// A moment as people read it.
fn time(moment: Moment) -> String {
    let seconds = i64::try_from(moment).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(|_| "the end of time".to_owned(), |time| time.to_string())
}
