//! Keeps the DaemonSet of one object in shape.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::DynamicObject;
use serde_json::Value;

use crate::Status;
use crate::apply::{Belongs, Content, Step, belongs, step, wanted};
use crate::ask::{Ask, AskError};
use crate::conditions::{ALTERED, APPLY_FAILED, LEFT_BEHIND, NAME_TAKEN, Problem};
use crate::stores::Stores;

/// More than are ever needed: taking the fields over and applying, twice when the object had no managed fields at all.
const STEPS: usize = 6;

/// A DaemonSet that stays different from what is applied, and what was applied. It is applied again only when one of the two
/// changes, for else two who disagree would write for ever.
#[derive(Debug, PartialEq)]
pub(crate) struct Altered {
    wanted: Value,
    generation: i64,
    field: String,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Shaped {
    /// The object's DaemonSet as it is now.
    pub(crate) live: Option<Value>,
    pub(crate) problem: Option<Problem>,
    /// What went wrong, if that is to be tried again.
    pub(crate) error: Option<AskError>,
    pub(crate) was_created: bool,
}

/// What is to be shaped, and for whom.
pub(crate) struct Task<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) daemonset: &'a DaemonSet,
    pub(crate) owner: &'a OwnerReference,
    pub(crate) content: &'a Content,
    pub(crate) status: &'a Status,
}

impl Task<'_> {
    fn name(&self) -> &str {
        self.daemonset.metadata.name.as_deref().unwrap_or_default()
    }

    /// Does what is to be done. Fails only when another replica leads or somebody else was faster.
    pub(crate) async fn run(
        &self,
        ask: &Ask,
        stores: &mut Stores,
        altered: &mut Option<Altered>,
    ) -> Result<Shaped, AskError> {
        let mut shaped = Shaped::default();
        match self.steps(ask, stores, altered, &mut shaped).await {
            Ok(()) => {}
            Err(error @ (AskError::Lost(_) | AskError::Changed(..))) => return Err(error),
            Err(error) => {
                shaped.problem = Some(Problem { reason: APPLY_FAILED, message: error.to_string() });
                shaped.error = Some(error);
            }
        }
        Ok(shaped)
    }

    async fn steps(
        &self,
        ask: &Ask,
        stores: &mut Stores,
        altered: &mut Option<Altered>,
        shaped: &mut Shaped,
    ) -> Result<(), AskError> {
        if let Some(old) = self.left_behind(ask).await? {
            (shaped.live, shaped.problem) = (Some(old.0), Some(old.1));
            return Ok(());
        }
        let mut live = match stores.daemonset(self.name()) {
            Some(live) => Some(live.clone()),
            // It may have lost the label by which it is watched.
            None => ask.daemonset(self.namespace, self.name()).await?,
        };
        let mut applied = String::new();
        for _ in 0..STEPS {
            let current = live.as_ref().map(value).transpose()?;
            let mut wanted = wanted(self.daemonset, self.owner, self.content, current.as_ref())
                .map_err(|error| unwritable(&error))?;
            let Some(current) = current else {
                live = Some(self.apply(ask, stores, &wanted).await?);
                shaped.was_created = true;
                continue;
            };
            match belongs(&current, &wanted, &self.owner.uid) {
                Belongs::Ours => {}
                Belongs::Nobody => tracing::info!(
                    "DaemonSet {}/{} belongs to nobody, and is adopted",
                    self.namespace,
                    self.name()
                ),
                Belongs::Others(whom) => {
                    let (namespace, name) = (self.namespace, self.name());
                    let message = format!(
                        "there is a DaemonSet {namespace}/{name} that belongs to {whom}: delete it, or give this object another name"
                    );
                    shaped.problem = Some(Problem { reason: NAME_TAKEN, message });
                    return Ok(());
                }
            }
            let next = if current.pointer("/metadata/deletionTimestamp").is_some() {
                // The next one comes when it is gone.
                Step::Nothing
            } else {
                step(&wanted, &current)
            };
            let generation = current.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
            let uid = current.pointer("/metadata/uid").cloned().unwrap_or_default();
            shaped.live = Some(current);
            live = Some(match next {
                Step::Nothing => {
                    *altered = None;
                    return Ok(());
                }
                Step::TakeOver(patch) => {
                    let patched = ask.patch(self.namespace, self.name(), &patch).await?;
                    stores.put_daemonset(self.name(), patched.clone());
                    patched
                }
                Step::Apply(field) => {
                    let same = Altered { wanted: wanted.clone(), generation, field };
                    if same.field == applied || altered.as_ref() == Some(&same) {
                        shaped.problem = Some(same.problem(self.name()));
                        *altered = Some(same);
                        return Ok(());
                    }
                    // So that no namesake is hit that came meanwhile.
                    if let Some(metadata) = wanted.get_mut("metadata").and_then(Value::as_object_mut) {
                        metadata.insert("uid".to_owned(), uid);
                    }
                    applied = same.field;
                    tracing::info!("DaemonSet {}/{} is put right: {applied}", self.namespace, self.name());
                    self.apply(ask, stores, &wanted).await?
                }
            });
        }
        Ok(())
    }

    async fn apply(&self, ask: &Ask, stores: &mut Stores, wanted: &Value) -> Result<DynamicObject, AskError> {
        let live = ask.apply(self.namespace, self.name(), wanted).await?;
        stores.put_daemonset(self.name(), live.clone());
        Ok(live)
    }

    /// The DaemonSet that an operator of another namespace made for this object, while it is there. Its pods and new ones would fight for
    /// the kubelet, so there are no new ones until an admin has deleted it.
    async fn left_behind(&self, ask: &Ask) -> Result<Option<(Value, Problem)>, AskError> {
        let Some(known) = &self.status.controlled_daemon_set else { return Ok(None) };
        if known.namespace.is_empty() || known.namespace == self.namespace {
            return Ok(None);
        }
        let old = match ask.daemonset(&known.namespace, &known.name).await {
            Ok(old) => old.filter(|old| old.metadata.uid.as_ref() == Some(&known.uid)),
            Err(error @ AskError::Forbidden(..)) => {
                tracing::warn!("a DaemonSet of another namespace is taken for gone: {error}");
                None
            }
            Err(error) => return Err(error),
        };
        let Some(old) = old else { return Ok(None) };
        let message = format!(
            "its DaemonSet is still in the namespace that the operator had before, and there will be none in namespace {:?} until that one is gone: kubectl -n {} delete daemonset {}",
            self.namespace, known.namespace, known.name
        );
        Ok(Some((value(&old)?, Problem { reason: LEFT_BEHIND, message })))
    }
}

impl Altered {
    fn problem(&self, name: &str) -> Problem {
        let message = format!(
            "DaemonSet {name:?} does not stay as it is written: something, such as an admission webhook, changes {}",
            self.field
        );
        Problem { reason: ALTERED, message }
    }
}

pub(crate) fn value(live: &DynamicObject) -> Result<Value, AskError> {
    serde_json::to_value(live).map_err(|error| unwritable(&error))
}

fn unwritable(error: &serde_json::Error) -> AskError {
    AskError::Failed("write a DaemonSet".to_owned(), error.to_string())
}
