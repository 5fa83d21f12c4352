//! Keeps a node labelled.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cluster::{Access, NodeFeature};
use device_plugin::error_chain;
use labels::Labels;
use serde_json::{Map, Value};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// Who is responsible for the labels, by the API server's account.
pub const MANAGER: &str = "intel-gpu-labels";

/// A file counts for so many intervals after it was written, and is written anew with each.
const LIFETIME: u32 = 3;
/// And for so much longer: a round takes up to 40 s when the API server does not answer.
const GRACE: Duration = Duration::from_mins(1);

/// A look takes milliseconds. One that takes so long is worth a line in the log.
const LONG: Duration = Duration::from_secs(10);

/// Finds the labels of the node, beside warnings.
pub type Look = dyn Fn(&mut dyn FnMut(String)) -> Result<Labels, String> + Send + Sync;

/// Where labels go. Those of one place do not depend on the others.
#[derive(Debug, Default)]
pub struct Targets {
    /// A file for node-feature-discovery: its folder and its name.
    pub file: Option<(PathBuf, String)>,
    /// A `NodeFeature` object, for node-feature-discovery too.
    pub feature: Option<Feature>,
    /// The Node object of this name.
    pub node: Option<String>,
}

/// Whose object, and where.
#[derive(Debug)]
pub struct Feature {
    /// The Node object's name.
    pub node: String,
    /// The object's namespace, which is that of the pod.
    pub namespace: String,
    /// Name and uid of the pod with which the object goes.
    pub pod: Option<(String, String)>,
}

/// How often the node is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Until the next look when all is well.
    pub interval: Duration,
    /// Until the first new try after a failure. Each further one waits twice as long.
    pub retry: Duration,
    /// No new try waits longer.
    pub longest: Duration,
}

impl Pace {
    /// Tries again after a second at first, each minute at last, or each interval if that is shorter: what fails in one place must
    /// not let a file expire in another.
    pub fn new(interval: Duration) -> Self {
        Self { interval, retry: Duration::from_secs(1), longest: Duration::from_mins(1).min(interval) }
    }
}

/// What became of one look at the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// All places say what the node has. It has to be tried again if not.
    pub is_done: bool,
    /// What is wrong and was not in the round before.
    pub news: Vec<String>,
}

/// Has the labels of a node in all places as they should be.
pub struct Labeler<A> {
    look: Arc<Look>,
    targets: Targets,
    /// Says how to reach the API. It is asked in each round, because a pod's token does not last.
    access: A,
    pace: Pace,
    /// Until when the file that was written last counts.
    expiry: SystemTime,
    /// What everything was made to say last.
    published: Option<Labels>,
    /// What was last found wrong, so that it is said once.
    said: BTreeSet<String>,
}

impl<A: Fn() -> F, F: Future<Output = Result<Access, String>>> Labeler<A> {
    /// Touches nothing yet.
    pub fn new(look: Arc<Look>, targets: Targets, access: A, pace: Pace) -> Self {
        let (expiry, said) = (SystemTime::UNIX_EPOCH, BTreeSet::new());
        Self { look, targets, access, pace, expiry, published: None, said }
    }

    /// Works until `stop` completes. Then the file goes: it would soon expire. What the API has stays, for a pod that is replaced
    /// must not take the labels off its node; a `NodeFeature` goes with its pod, as that of node-feature-discovery's own worker.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::select! {
            never = self.keep() => match never {},
            () = stop => {}
        }
        if let Some((folder, name)) = &self.targets.file
            && let Err(error) = labels::remove(folder, name)
        {
            tracing::error!("{}", error_chain(&error));
        }
    }

    async fn keep(&mut self) -> Infallible {
        let mut wait = self.pace.retry;
        loop {
            let round = self.round(SystemTime::now()).await;
            for news in round.news {
                tracing::warn!("{news}");
            }
            if round.is_done {
                wait = self.pace.retry;
                sleep(self.pace.interval).await;
            } else {
                sleep(wait).await;
                wait = (wait * 2).min(self.pace.longest);
            }
        }
    }

    /// Looks at the node and makes all places say what it has.
    pub async fn round(&mut self, now: SystemTime) -> Round {
        let mut wrong = BTreeSet::new();
        let outcome = match self.labels(&mut wrong).await {
            Ok(labels) => self.publish(labels, now).await,
            Err(error) => Err(vec![error]),
        };
        let is_done = outcome.is_ok();
        wrong.extend(outcome.err().unwrap_or_default());
        for former in self.said.difference(&wrong) {
            tracing::info!("this is over: {former}");
        }
        let news = wrong.difference(&self.said).cloned().collect();
        self.said = wrong;
        Round { is_done, news }
    }

    /// On a thread of its own: a driver can hang in a read. The file expires then.
    async fn labels(&self, warnings: &mut BTreeSet<String>) -> Result<Labels, String> {
        let look = Arc::clone(&self.look);
        let mut looked = spawn_blocking(move || {
            let mut warnings = Vec::new();
            let labels = look(&mut |warning| warnings.push(warning));
            (labels, warnings)
        });
        let looked = match timeout(LONG, &mut looked).await {
            Ok(looked) => looked,
            Err(_elapsed) => {
                tracing::warn!("the GPUs have not been read within {LONG:?}: a driver seems to hang");
                looked.await
            }
        };
        let (labels, news) = looked.map_err(|error| format!("the look broke off: {error}"))?;
        warnings.extend(news);
        labels
    }

    /// The error is what failed, in one place or another.
    async fn publish(&mut self, labels: Labels, now: SystemTime) -> Result<(), Vec<String>> {
        let mut errors = Vec::new();
        if let Some((folder, name)) = &self.targets.file {
            self.expiry = self.expiry_at(now);
            let written = labels::write_until(&labels, self.expiry, folder, name);
            errors.extend(written.err().map(|error| error_chain(&error)));
        }
        if self.targets.feature.is_some() || self.targets.node.is_some() {
            match (self.access)().await {
                Ok(access) => errors.extend(self.tell(&access, &labels).await),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if self.published.as_ref() != Some(&labels) {
            for (key, value) in labels.iter() {
                tracing::info!("{key}={value}");
            }
            self.published = Some(labels);
        }
        Ok(())
    }

    /// Until when the file counts that is written now.
    fn expiry_at(&self, now: SystemTime) -> SystemTime {
        let after = |intervals| now + self.pace.interval * intervals + GRACE;
        // A new try after a failure elsewhere leaves the file as it is; a clock that was set back does not.
        let is_fresh = (after(LIFETIME - 1)..=after(LIFETIME)).contains(&self.expiry);
        if is_fresh { self.expiry } else { after(LIFETIME) }
    }

    /// What failed.
    async fn tell(&self, access: &Access, labels: &Labels) -> Vec<String> {
        let labels: Map<String, Value> =
            labels.iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        let mut errors = Vec::new();
        if let Some(Feature { node, namespace, pod }) = &self.targets.feature {
            let name = &format!("intel-gpu-{node}");
            let pod = pod.as_ref().map(|(name, uid)| (name.as_str(), uid.as_str()));
            let feature = NodeFeature { namespace, name, node, pod, labels: &labels };
            errors.extend(feature.apply(access, MANAGER).await.err());
        }
        if let Some(node) = &self.targets.node {
            errors.extend(cluster::apply_node_labels(access, MANAGER, node, &labels).await.err());
        }
        errors
    }
}
