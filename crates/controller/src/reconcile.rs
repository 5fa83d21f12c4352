//! What is done for one object: its DaemonSet is put right, new images are written back, the status says how it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api_server::causes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::DynamicObject;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::ask::{Ask, AskError};
use crate::conditions::{
    IMAGE_UPGRADE_FAILED, OVERLAP, Problem, REJECTED, ROLLOUT_STALLED, Rollout, Seen, some_of,
};
use crate::content::Contents;
use crate::object::{Object, changes};
use crate::pods::shared;
use crate::reasons::Reasons;
use crate::shape::{Altered, Shaped, Task, value};
use crate::stall::{Pace, Stall};
use crate::stores::{Key, Stores};
use crate::upgrade::{Upgrade, upgrade};
use crate::{Family, ResourceSummary, Settings, Status};

/// The longest wait until images are written back again that could not be.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// How often it is looked whether what nobody tells of has changed.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// The least time between two writes of a status, and how many nodes make it a second more: a status names all its nodes, so it is
/// large where it changes often.
const CALM: Duration = Duration::from_secs(1);
const NODES_PER_SECOND: usize = 500;

/// Does the rounds.
pub(crate) struct Reconciler<'a> {
    pub(crate) families: &'a [Family],
    settings: &'a Settings,
    /// Environment variables that name images.
    overrides: &'a BTreeMap<String, String>,
    ask: Ask,
    pub(crate) stores: Stores,
    pub(crate) reasons: Reasons,
    contents: Contents,
    states: BTreeMap<Key, State>,
}

/// What is remembered of an object between rounds. None of it is needed to go on right.
#[derive(Default)]
struct State {
    /// Of the object: one of the same name may have come in its place.
    uid: Option<String>,
    altered: Option<Altered>,
    stall: Stall,
    /// When its status was written last.
    wrote: Option<Instant>,
    refused: Option<Refused>,
}

/// New images that could not be written back.
struct Refused {
    again: Instant,
    wait: Duration,
    message: String,
}

/// What was found out in a round.
#[derive(Default)]
struct Findings {
    shaped: Shaped,
    problems: Vec<Problem>,
    /// When to look again.
    again: Option<Duration>,
}

impl Findings {
    fn again(&mut self, wait: Duration) {
        self.again = Some(self.again.map_or(wait, |again| again.min(wait)));
    }

    fn problem(&mut self, reason: &'static str, message: String) {
        self.problems.push(Problem { reason, message });
    }
}

impl<'a> Reconciler<'a> {
    pub(crate) fn new(
        families: &'a [Family],
        settings: &'a Settings,
        overrides: &'a BTreeMap<String, String>,
        ask: Ask,
    ) -> Self {
        let (stores, reasons) = (Stores::default(), Reasons::default());
        let (contents, states) = (Contents::default(), BTreeMap::new());
        Self { families, settings, overrides, ask, stores, reasons, contents, states }
    }

    /// One round for one object. Says when the next one has to be, if nothing happens until then.
    pub(crate) async fn round(&mut self, key: &Key) -> Result<Option<Duration>, AskError> {
        let object = self.stores.object(key).filter(|object| object.metadata.deletion_timestamp.is_none());
        let (Some(family), Some(object)) = (self.families.get(key.0), object.cloned()) else {
            // Deleted, or about to be: its DaemonSet goes with it.
            self.forget(key);
            return Ok(None);
        };
        if self.states.get(key).is_some_and(|state| state.uid != object.metadata.uid) {
            self.forget(key);
        }
        let mut state = self.states.remove(key).unwrap_or_default();
        state.uid.clone_from(&object.metadata.uid);
        let outcome = self.round_of(key, family, object, &mut state).await;
        self.states.insert(key.clone(), state);
        outcome
    }

    fn forget(&mut self, key: &Key) {
        self.states.remove(key);
        self.reasons.forget(key);
    }

    async fn round_of(
        &mut self,
        key: &Key,
        family: &Family,
        mut object: Arc<Object>,
        state: &mut State,
    ) -> Result<Option<Duration>, AskError> {
        let mut spec = object.spec.clone();
        let status = object.status.clone().unwrap_or_default();
        let upgrade = upgrade(family, &spec, self.overrides);
        if let Some(upgrade) = &upgrade {
            spec = upgrade.spec.clone();
        }

        let mut findings = Findings::default();
        self.shape(family, &object, &spec, &status, state, &mut findings).await?;
        if let Some(upgrade) = &upgrade
            && let Some(written) = self.write_back(family, &object, upgrade, state, &mut findings).await?
        {
            object = written;
            self.stores.put_object(key, object.clone());
        }
        if let Some(live) = findings.shaped.live.take() {
            self.watch_rollout(family, &live, &status, state, &mut findings);
            self.find_overlap(family, &live, &mut findings);
            findings.shaped.live = Some(live);
        }
        self.write_status(key, family, &object, state, &mut findings).await?;
        match findings.shaped.error {
            Some(error) => Err(error),
            None => Ok(findings.again),
        }
    }

    async fn shape(
        &mut self,
        family: &Family,
        object: &Object,
        spec: &Value,
        status: &Status,
        state: &mut State,
        findings: &mut Findings,
    ) -> Result<(), AskError> {
        let name = object.name();
        let namespace = self.settings.namespace.as_str();
        let daemonset = family.check(spec).and_then(|()| family.daemonset(name, spec, self.settings));
        let daemonset = match daemonset {
            Ok(daemonset) => daemonset,
            Err(error) => {
                findings.problem(
                    REJECTED,
                    format!("the spec cannot be used, and the DaemonSet stays as it is: {}", causes(&error)),
                );
                let live = self.stores.daemonset(&format!("{}-{name}", family.app()));
                let is_ours = |live: &&DynamicObject| {
                    let mut owners = live.metadata.owner_references.iter().flatten();
                    owners.any(|owner| Some(&owner.uid) == object.metadata.uid.as_ref())
                };
                findings.shaped.live = live.filter(is_ours).map(value).transpose()?;
                return Ok(());
            }
        };
        let (content, problem) = self.contents.of(family, spec, namespace, &self.stores, &self.ask).await?;
        findings.problems.extend(problem);
        let owner = object.owner(family);
        let task = Task { namespace, daemonset: &daemonset, owner: &owner, content: &content, status };
        findings.shaped = task.run(&self.ask, &mut self.stores, &mut state.altered).await?;
        if let Some(problem) = findings.shaped.problem.take() {
            findings.problems.push(problem);
            findings.again(LOOK_AGAIN);
        }
        if findings.shaped.was_created {
            let note = format!("DaemonSet {namespace}/{}-{name}", family.app());
            self.ask.tell(&object.reference(family), false, "DaemonSetCreated", note).await;
        }
        Ok(())
    }

    /// Writes the new images to the object. The DaemonSet has them already, whatever becomes of this.
    async fn write_back(
        &self,
        family: &Family,
        object: &Object,
        upgrade: &Upgrade,
        state: &mut State,
        findings: &mut Findings,
    ) -> Result<Option<Arc<Object>>, AskError> {
        let now = Instant::now();
        if let Some(refused) = &state.refused
            && now < refused.again
        {
            findings.problem(IMAGE_UPGRADE_FAILED, refused.message.clone());
            findings.again(refused.again - now);
            return Ok(None);
        }
        let name = object.name();
        let patch = object.patch(upgrade.patch.clone(), true);
        match self.ask.patch_object(family, name, &patch).await {
            Ok(written) => {
                state.refused = None;
                tracing::info!("{} {name}: {}", family.kind(), upgrade.said);
                self.ask.tell(&object.reference(family), false, "ImageUpgraded", upgrade.said.clone()).await;
                Ok(Some(Arc::new(written.into())))
            }
            // It has just gone.
            Err(AskError::Missing(_)) => Ok(None),
            Err(error @ (AskError::Lost(_) | AskError::Changed(..))) => Err(error),
            Err(error) => {
                let wait =
                    state.refused.as_ref().map_or(CALM, |refused| (refused.wait * 2).min(LONGEST_WAIT));
                let message =
                    format!("the DaemonSet is upgraded, but not the object: {} ({error})", upgrade.said);
                findings.problem(IMAGE_UPGRADE_FAILED, message.clone());
                findings.again(wait);
                state.refused = Some(Refused { again: now + wait, wait, message });
                Ok(None)
            }
        }
    }

    fn watch_rollout(
        &self,
        family: &Family,
        live: &Value,
        status: &Status,
        state: &mut State,
        findings: &mut Findings,
    ) {
        let rollout = Rollout::of(live);
        let was_stalled = status.reasons().contains(&ROLLOUT_STALLED);
        match state.stall.look(rollout, was_stalled, Instant::now()) {
            Pace::Done => {}
            Pace::Moving(left) => findings.again(left),
            Pace::Stalled => {
                let unready = self.stores.pods.unready(uid(live));
                let message = format!(
                    "the rollout stands still at {} of {} nodes: pods are not ready on {}; see kubectl -n {} describe pods -l app={}",
                    rollout.updated,
                    rollout.desired,
                    if unready.is_empty() { "no node".to_owned() } else { some_of(&*unready) },
                    self.settings.namespace,
                    family.app()
                );
                findings.problem(ROLLOUT_STALLED, message);
            }
        }
    }

    /// Looks for nodes that have pods of another DaemonSet of the same plugin.
    fn find_overlap(&self, family: &Family, live: &Value, findings: &mut Findings) {
        let own = self.stores.pods.nodes(uid(live));
        let app = family.app();
        let others = self.stores.daemonsets_of(&app).filter_map(|other| {
            let id = other.metadata.uid.as_deref().filter(|id| *id != uid(live))?;
            let nodes = self.stores.pods.nodes(id);
            let both = shared(&own, &nodes);
            if both.is_empty() {
                return None;
            }
            let mut owners = other.metadata.owner_references.iter().flatten();
            let named =
                match owners.find(|owner| owner.controller == Some(true) && owner.kind == family.kind()) {
                    Some(owner) => format!("{} {:?}", owner.kind, owner.name),
                    None => format!("DaemonSet {:?}", other.metadata.name.as_deref().unwrap_or_default()),
                };
            Some(format!("{named} on {}", some_of(both)))
        });
        let others: Vec<String> = others.collect();
        if !others.is_empty() {
            let message = format!(
                "nodes have pods of others of the same plugin, and only the newest offers devices: {}; make their nodeSelectors disjoint",
                others.join("; ")
            );
            findings.problem(OVERLAP, message);
        }
    }

    /// Adds to what nodes offer why devices are unhealthy, where the plugins can be asked. Says when to look again.
    fn explain(
        &mut self,
        key: &Key,
        object: &Object,
        owner: &str,
        before: &[ResourceSummary],
        resources: &mut [ResourceSummary],
    ) -> Option<Duration> {
        let nodes: BTreeSet<&str> =
            resources.iter().flat_map(|sum| sum.unhealthy_nodes.iter().map(String::as_str)).collect();
        let (Some(port), false) = (metrics_port(&object.spec), nodes.is_empty()) else {
            self.reasons.forget(key);
            return None;
        };
        let addresses = self.stores.pods.addresses(owner, &nodes).into_iter();
        let plugins = addresses.map(|(node, address)| (node, SocketAddr::new(address, port))).collect();
        Some(self.reasons.explain(key, plugins, before, resources))
    }

    async fn write_status(
        &mut self,
        key: &Key,
        family: &Family,
        object: &Object,
        state: &mut State,
        findings: &mut Findings,
    ) -> Result<(), AskError> {
        let status = object.status.clone().unwrap_or_default();
        let live = findings.shaped.live.as_ref();
        let is_here = |live: &&Value| {
            live.pointer("/metadata/namespace").is_none_or(|there| *there == self.settings.namespace.as_str())
        };
        let nodes = match live {
            None => Some(Arc::default()),
            Some(live) if is_here(&live) => Some(self.stores.pods.nodes(uid(live))),
            // Nobody follows pods of other namespaces.
            Some(_) => None,
        };
        let offered = |nodes: &Arc<[Arc<str>]>| {
            Some(self.stores.nodes()?.of(nodes.iter().map(|node| &**node), &family.domain()))
        };
        let mut resources = nodes.as_ref().and_then(offered);
        let ask_again = resources.as_mut().and_then(|resources| {
            self.explain(key, object, live.map_or("", uid), &status.resources, resources)
        });
        let seen = Seen {
            generation: object.metadata.generation,
            daemonset: live,
            resources,
            nodes: nodes.map(|nodes| nodes.iter().map(|node| (**node).to_owned()).collect()),
            problems: &findings.problems,
        };
        let second = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
        let next = status.next(seen, &Time(second));
        if let Some(wait) = ask_again {
            findings.again(wait);
        }
        if object.status.is_some() && next == *status {
            return Ok(());
        }
        // Else an answer that is about to come would be another write.
        if let Some(wait) = self.reasons.awaited(key) {
            findings.again(wait);
            return Ok(());
        }
        let now = Instant::now();
        let calm = CALM + Duration::from_secs((next.node_names.len() / NODES_PER_SECOND) as u64);
        if let Some(wrote) = state.wrote
            && now < wrote + calm
        {
            findings.again(wrote + calm - now);
            return Ok(());
        }
        let changes = changes(object.status.as_deref(), next);
        let patch = object.patch(Map::from_iter([("status".to_owned(), changes.into())]), false);
        let written = match self.ask.patch_status(family, &key.1, &patch).await {
            Err(AskError::Missing(_)) => return Ok(()),
            written => written?,
        };
        self.stores.put_object(key, Arc::new(written.into()));
        state.wrote = Some(now);
        let known = status.reasons();
        for problem in findings.problems.iter().filter(|problem| !known.contains(&problem.reason)) {
            tracing::warn!("{} {}: {}", family.kind(), key.1, problem.message);
            self.ask.tell(&object.reference(family), true, problem.reason, problem.message.clone()).await;
        }
        Ok(())
    }
}

/// The port of the plugin's page of metrics.
fn metrics_port(spec: &Value) -> Option<u16> {
    spec.pointer("/metrics/port")?.as_u64()?.try_into().ok()
}

fn uid(live: &Value) -> &str {
    live.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default()
}
