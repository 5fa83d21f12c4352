//! What is done to the cluster, and what an operator does then.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use super::Outcome;
use super::api::Call;
use super::cluster::Cluster;
use super::figures::Rounds;
use super::objects;
use super::running::{Operator, PATIENCE, While};
use crate::figures::Samples;

/// What a DaemonSet is of, and so many of them there are.
const FAMILIES: usize = 8;
const PODS: &str = "/api/v1/namespaces/inteldeviceplugins-system/pods";
const DAEMONSETS: &str = "/apis/apps/v1/namespaces/inteldeviceplugins-system/daemonsets";
/// Namespaces that have nothing to do with the operator.
const OTHERS: usize = 4;
/// The Go implementation writes for ever: its order of nodes is another one each time.
const RESTLESS: Duration = Duration::from_mins(1);

/// The figures of one operator.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// While DaemonSets' statuses changed of which there were no pods yet, so that objects named no nodes; if it was there.
    pub(crate) few: Option<While>,
    /// While everything was made, if it was there.
    pub(crate) grown: Option<While>,
    /// With everything there.
    pub(crate) start: While,
    pub(crate) steady: While,
    pub(crate) changes: While,
    pub(crate) count_of_changes: f64,
    /// Milliseconds.
    pub(crate) latency: Samples,
    pub(crate) pods: While,
    pub(crate) alive: While,
    /// From the start to the end.
    pub(crate) rounds: Rounds,
    pub(crate) anonymous_mb: f64,
}

impl Measured {
    /// A figure of a while; not a number if it was not there.
    pub(crate) fn of(a_while: Option<&While>, figure: fn(&While) -> f64) -> f64 {
        a_while.map_or(f64::NAN, figure)
    }
}

/// The cluster, and how much of everything there is.
pub(crate) struct Bench {
    pub(crate) cluster: Cluster,
    nodes: usize,
    changes: usize,
    /// How long nothing is to be written until all has been. Longer than the operator's least time between two writes of an object.
    calm: Duration,
    minute: Duration,
}

impl Bench {
    pub(crate) fn new(cluster: Cluster, quick: bool) -> Self {
        let (nodes, changes, calm) = if quick { (200, 16, 3) } else { (5000, 48, 13) };
        Self {
            cluster,
            nodes,
            changes,
            calm: Duration::from_secs(calm),
            minute: Duration::from_secs(if quick { 10 } else { 60 }),
        }
    }

    /// Makes everything while this operator runs, and gives what it did while there were no pods yet, and then.
    pub(crate) async fn fill(&mut self, operator: &Path, command: &[&str]) -> Outcome<(While, While)> {
        let (nodes, api) = (self.nodes, self.cluster.api.clone());
        api.all(
            "nodes",
            (0..nodes).map(|number| vec![Call::create("/api/v1/nodes", &objects::node(number))]),
        )
        .await?;
        let mut operator = Operator::start(operator, command, &self.cluster).await?;
        self.cluster.kubectl(&["apply", "-k", "deployments/operator/samples"])?;
        let begun = Instant::now();
        while self.daemonsets().await?.len() < FAMILIES {
            operator.wait(begun, "DaemonSets").await?;
        }
        self.count(nodes).await?;
        self.quiet().await?;
        operator.end_of("the beginning").await?;
        self.change(&mut operator).await?;
        self.quiet().await?;
        let few = operator.end_of("changes without pods").await?;
        for number in 0..OTHERS {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("shop-{number}")}});
            api.call(Call::create("/api/v1/namespaces", &namespace)).await?;
        }
        let others = (0..nodes * 2).map(move |number| {
            let pods = format!("/api/v1/namespaces/shop-{}/pods", number % OTHERS);
            create_running(&pods, &objects::foreign_pod(number, nodes), number)
        });
        api.all("pods of others", others).await?;
        let daemonsets = self.daemonsets().await?;
        let pods = (0..nodes)
            .flat_map(move |node| daemonsets.clone().into_iter().map(move |daemonset| (node, daemonset)));
        let pods = pods.map(|(node, daemonset)| create_running(PODS, &objects::pod(&daemonset, node), node));
        api.all("pods of plugins", pods).await?;
        self.count(nodes).await?;
        let begun = Instant::now();
        while !self.is_said().await? {
            operator.wait(begun, "a status that names all nodes").await?;
        }
        self.quiet().await?;
        Ok((few, operator.end_of("all was made").await?))
    }

    /// Starts the operator where everything is there already, and does this and that.
    pub(crate) async fn measure(&self, operator: &Path, command: &[&str]) -> Outcome<Measured> {
        let mut measured = Measured::default();
        let mut operator = Operator::start(operator, command, &self.cluster).await?;
        let begun = Instant::now();
        while operator.rounds().await?.controllers < FAMILIES {
            operator.wait(begun, "rounds of all controllers").await?;
        }
        let time_ms = operator.process.started.elapsed().as_secs_f64() * 1e3;
        self.settle().await?;
        measured.start = While { time_ms, ..operator.end_of("start").await? };

        tokio::time::sleep(self.minute).await;
        measured.steady = operator.end_of("steady").await?;

        measured.latency = self.change(&mut operator).await?;
        self.quiet().await?;
        measured.changes = operator.end_of("changes").await?;
        measured.count_of_changes = f64::from(u32::try_from(self.changes)?);

        self.fail_pods().await?;
        self.quiet().await?;
        measured.pods = operator.end_of("pods").await?;

        let heartbeats = (0..self.nodes).map(|number| {
            let node = format!("/api/v1/nodes/{}/status", objects::node_name(number));
            vec![Call::merge(&node, &objects::heartbeat("2026-01-02T00:00:00Z"))]
        });
        self.cluster.api.all("heartbeats", heartbeats).await?;
        self.quiet().await?;
        measured.alive = operator.end_of("alive").await?;
        measured.rounds = operator.rounds().await?;
        measured.anonymous_mb = operator.process.anonymous_rss_kib()? / 1024.0;
        Ok(measured)
    }

    async fn daemonsets(&self) -> Outcome<Vec<Value>> {
        let mut list = self.cluster.api.get(DAEMONSETS).await?;
        let items = list.get_mut("items").map(Value::take).unwrap_or_default();
        Ok(serde_json::from_value(items)?)
    }

    /// Counts the pods as the DaemonSets' controller does.
    async fn count(&self, ready: usize) -> Outcome<()> {
        for daemonset in self.daemonsets().await? {
            let generation = daemonset.pointer("/metadata/generation").cloned().unwrap_or_default();
            let patch = objects::counts(&generation, self.nodes, ready);
            self.cluster.api.call(Call::merge(&status_of(&daemonset), &patch)).await?;
        }
        Ok(())
    }

    /// Whether all objects name all nodes and say that their pods are ready.
    async fn is_said(&self) -> Outcome<bool> {
        for daemonset in self.daemonsets().await? {
            let (kinds, name) = object_of(&daemonset);
            let object = self.cluster.api.get(&format!("{kinds}/{name}")).await?;
            let ready = object.pointer("/status/numberReady").and_then(Value::as_u64);
            let names = object.pointer("/status/nodeNames").and_then(Value::as_array);
            if ready != Some(self.nodes as u64) || names.map(Vec::len) != Some(self.nodes) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until nothing is written any more, but no longer than [`RESTLESS`].
    async fn quiet(&self) -> Outcome<()> {
        let (begun, mut writes, mut since) = (Instant::now(), self.cluster.writes()?.len(), Instant::now());
        while since.elapsed() < self.calm && begun.elapsed() < RESTLESS {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = self.cluster.writes()?.len();
            if now > writes {
                (writes, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    /// Waits until nothing is written any more, and counts pods of DaemonSets that the operator has changed.
    async fn settle(&self) -> Outcome<()> {
        loop {
            self.quiet().await?;
            let is_counted = |daemonset: &Value| {
                daemonset.pointer("/metadata/generation") == daemonset.pointer("/status/observedGeneration")
            };
            if self.daemonsets().await?.iter().all(is_counted) {
                return Ok(());
            }
            self.count(self.nodes).await?;
        }
    }

    /// Changes the status of one DaemonSet after the other; gives how long it took until the object's status said so. Each has
    /// so long between two changes that the operator writes at once.
    async fn change(&self, operator: &mut Operator<'_>) -> Outcome<Samples> {
        let (sender, mut events) = unbounded_channel();
        let daemonsets = self.daemonsets().await?;
        for (mark, daemonset) in daemonsets.iter().enumerate() {
            self.cluster.api.watch(&object_of(daemonset).0, mark, sender.clone()).await?;
        }
        let mut samples = Samples::default();
        let turns = (0..self.changes).zip(daemonsets.iter().enumerate().cycle());
        for (change, (mark, daemonset)) in turns {
            tokio::time::sleep(self.calm / u32::try_from(daemonsets.len())?).await;
            let ready = self.nodes - usize::from(change / daemonsets.len() % 2 == 0);
            let begun = Instant::now();
            self.cluster
                .api
                .call(Call::merge(&status_of(daemonset), &json!({"status": {"numberReady": ready}})))
                .await?;
            let said = async {
                while let Some((of, at, event)) = events.recv().await {
                    let number = event.pointer("/object/status/numberReady").and_then(Value::as_u64);
                    if of == mark && number == Some(ready as u64) {
                        return at;
                    }
                }
                Instant::now()
            };
            match tokio::time::timeout(PATIENCE, said).await {
                Ok(at) => samples.add(at.saturating_duration_since(begun).as_secs_f64() * 1e3),
                Err(_) => return Err(format!("change {change} was not said").into()),
            }
            operator.check()?;
        }
        Ok(samples)
    }

    /// A thousand pods of the first DaemonSet become unready, which its controller counts at each tenth.
    async fn fail_pods(&self) -> Outcome<()> {
        let daemonsets = self.daemonsets().await?;
        let daemonset = daemonsets.first().cloned().ok_or("there is no DaemonSet")?;
        let (count, nodes) = (self.nodes / 5, self.nodes);
        let calls = (0..count).map(move |number| {
            let pod = format!("{PODS}/{}/status", objects::pod_name(&daemonset, number));
            let mut calls = vec![Call::merge(&pod, &objects::ready(false))];
            if number % 10 == 9 {
                let ready = nodes - number - 1;
                calls.push(Call::merge(&status_of(&daemonset), &json!({"status": {"numberReady": ready}})));
            }
            calls
        });
        self.cluster.api.all("pods that fail", calls).await
    }
}

/// Makes a pod, and says that it runs.
fn create_running(pods: &str, pod: &Value, number: usize) -> Vec<Call> {
    let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let status = Call::merge(&format!("{pods}/{name}/status"), &objects::running(pod, number));
    vec![Call::create(pods, pod), status]
}

fn status_of(daemonset: &Value) -> String {
    let name = daemonset.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    format!("{DAEMONSETS}/{name}/status")
}

/// Where the objects are of which kind the DaemonSet's is, and its name.
fn object_of(daemonset: &Value) -> (String, &str) {
    let at = |field: &str| {
        daemonset.pointer(&format!("/metadata/ownerReferences/0/{field}")).and_then(Value::as_str)
    };
    let kind = at("kind").unwrap_or_default().to_lowercase();
    (format!("/apis/deviceplugin.intel.com/v1/{kind}s"), at("name").unwrap_or_default())
}
