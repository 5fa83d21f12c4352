//! Why devices are unhealthy. The API does not tell, but plugins do, on the page of metrics that an object may have them serve.
//!
//! A page is whatever listens there: it is asked without credentials, waited for and read within limits, and believed only about the
//! resources that its node has unhealthy devices of.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use client::{Failure, Server};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Uri};
use pages::exposition;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::ResourceSummary;
use crate::reconcile::LOOK_AGAIN;
use crate::stores::Key;

/// `device_plugin_unhealthy_device{resource="example.com/red",device="red0",reason="too hot"} 1`.
const METRIC: &str = "device_plugin_unhealthy_device";
/// For all of a page, and for the status that waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// A page with 50 unhealthy devices has some ten kilobytes. 1 MiB.
const MAX_BYTES: usize = 1 << 20;
/// So many pages are asked for at once.
const AT_ONCE: usize = 10;
/// So many reasons are told of a resource.
const TOLD: usize = 10;
/// Of a device's name, and of a reason, in characters.
const LONGEST: usize = 200;

/// What pages said last, by the object whose plugins they are of. Nobody is asked any more when this is dropped.
#[derive(Debug)]
pub(crate) struct Reasons {
    asked: BTreeMap<Key, Asked>,
    tasks: JoinSet<(Key, u64, Answer)>,
    turns: Arc<Semaphore>,
    /// How many questions there were.
    questions: u64,
}

#[derive(Debug)]
struct Asked {
    question: Question,
    number: u64,
    at: Instant,
    /// None while it is waited for.
    answer: Option<Answer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    /// How many devices are unhealthy, by the resource's name.
    unhealthy: BTreeMap<String, i64>,
    /// Where the plugin is, by the node's name.
    plugins: BTreeMap<Arc<str>, SocketAddr>,
}

/// By node.
type Answer = BTreeMap<Arc<str>, Told>;
/// `DEVICE: REASON` in the order of devices, by the resource's name.
type Told = BTreeMap<String, Vec<String>>;

impl Default for Reasons {
    fn default() -> Self {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Self { asked: BTreeMap::new(), tasks: JoinSet::new(), turns, questions: 0 }
    }
}

impl Reasons {
    /// Adds reasons to what nodes offer, and asks `plugins` (by node) for them if something else is unhealthy than before, or after a
    /// while. Until they have answered, those of `before` stay that are of nodes with unhealthy devices. Says when to come again.
    pub(crate) fn explain(
        &mut self,
        key: &Key,
        plugins: BTreeMap<Arc<str>, SocketAddr>,
        before: &[ResourceSummary],
        sums: &mut [ResourceSummary],
    ) -> Duration {
        let now = Instant::now();
        let is_bad = |sum: &&ResourceSummary| sum.unhealthy > 0;
        let unhealthy = sums.iter().filter(is_bad).map(|sum| (sum.name.clone(), sum.unhealthy)).collect();
        let question = Question { unhealthy, plugins };
        let is_fresh = |asked: &&mut Asked| {
            let is_same = asked.answer.is_none() || asked.question == question;
            is_same && now < asked.at + LOOK_AGAIN
        };
        let asked = self.asked.get_mut(key).filter(is_fresh);
        let (at, answer) = match &asked {
            Some(asked) => (asked.at, asked.answer.as_ref()),
            None => (now, None),
        };
        for sum in sums {
            sum.reasons = match answer {
                Some(answer) => told(answer, sum),
                None => kept(before, sum),
            };
        }
        if asked.is_none() {
            let (asking, key) = (ask(question.clone(), self.turns.clone()), key.clone());
            self.questions += 1;
            let number = self.questions;
            self.asked.insert(key.clone(), Asked { question, number, at, answer: None });
            self.tasks.spawn(async move { (key, number, asking.await) });
        }
        at + LOOK_AGAIN - now
    }

    /// How much longer it is worth waiting for the answer about an object's plugins, if it is to come.
    pub(crate) fn awaited(&self, key: &Key) -> Option<Duration> {
        let asked = self.asked.get(key).filter(|asked| asked.answer.is_none())?;
        let left = (asked.at + PATIENCE).saturating_duration_since(Instant::now());
        Some(left).filter(|left| !left.is_zero())
    }

    /// For an object that has nothing unhealthy, or is gone.
    pub(crate) fn forget(&mut self, key: &Key) {
        self.asked.remove(key);
    }

    /// Waits for an answer, and says of which object's plugins. None when nobody is asked.
    pub(crate) async fn answered(&mut self) -> Option<Key> {
        let (key, number, answer) = self.tasks.join_next().await?.ok()?;
        // Another question may have been asked since.
        if let Some(asked) = self.asked.get_mut(&key).filter(|asked| asked.number == number) {
            asked.answer = Some(answer);
        }
        Some(key)
    }
}

fn told(answer: &Answer, sum: &ResourceSummary) -> Vec<String> {
    let of_node = |node: &String| {
        let reasons = answer.get(node.as_str()).and_then(|told| told.get(&sum.name)).into_iter().flatten();
        reasons.map(|reason| format!("{node} {reason}")).collect::<Vec<_>>()
    };
    sum.unhealthy_nodes.iter().flat_map(of_node).take(TOLD).collect()
}

/// What a status says already, of nodes that still have unhealthy devices.
fn kept(before: &[ResourceSummary], sum: &ResourceSummary) -> Vec<String> {
    let known = before.iter().find(|known| known.name == sum.name);
    let is_of = |reason: &&String| {
        let node = reason.split(' ').next().unwrap_or_default();
        sum.unhealthy_nodes.iter().any(|unhealthy| unhealthy == node)
    };
    known.into_iter().flat_map(|known| &known.reasons).filter(is_of).cloned().collect()
}

async fn ask(question: Question, turns: Arc<Semaphore>) -> Answer {
    let resources: Arc<BTreeSet<String>> = Arc::new(question.unhealthy.into_keys().collect());
    let mut pages = JoinSet::new();
    for (node, plugin) in question.plugins {
        let (turns, resources) = (turns.clone(), resources.clone());
        pages.spawn(async move {
            let _turn = turns.acquire().await;
            let told = match page(plugin).await {
                Ok(page) => read(&page, &resources),
                Err(error) => {
                    tracing::debug!(
                        "not known why devices of {node} are unhealthy: http://{plugin}/metrics: {error}"
                    );
                    Told::new()
                }
            };
            (node, told)
        });
    }
    let mut answer = Answer::new();
    while let Some(page) = pages.join_next().await {
        answer.extend(page.ok());
    }
    answer
}

/// The page of a plugin, or why there is none.
async fn page(plugin: SocketAddr) -> Result<Bytes, String> {
    let server = Server { host: plugin.ip().to_string(), port: plugin.port(), tls: None };
    let mut request = Request::new(Full::default());
    *request.uri_mut() = Uri::from_static("/metrics");
    match timeout(PATIENCE, client::ask(&server, request, MAX_BYTES)).await {
        Ok(Ok((StatusCode::OK, page))) => Ok(page),
        Ok(Ok((status, _))) => Err(format!("it answers {status}")),
        Ok(Err(Failure { operation, source })) => Err(format!("cannot {operation} it: {source}")),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// What a page tells of these resources.
fn read(page: &[u8], resources: &BTreeSet<String>) -> Told {
    let mut found: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for line in page.split(|byte| *byte == b'\n') {
        let line = str::from_utf8(line).ok().filter(|line| line.starts_with(METRIC));
        let Some((METRIC, sample)) = line.and_then(exposition::sample) else { continue };
        let label =
            |name: &str| sample.labels.iter().find(|(label, _)| *label == name).map(|(_, text)| &**text);
        if let (Some(resource), Some(device), Some(reason)) =
            (label("resource"), label("device"), label("reason"))
            && resources.contains(resource)
        {
            let reasons = found.entry(resource.to_owned()).or_default();
            reasons.insert((clean(device), clean(reason)));
            if reasons.len() > TOLD {
                reasons.pop_last();
            }
        }
    }
    let lines = |reasons: BTreeSet<(String, String)>| {
        reasons.into_iter().map(|(device, reason)| format!("{device}: {reason}")).collect()
    };
    found.into_iter().map(|(resource, reasons)| (resource, lines(reasons))).collect()
}

/// As a part of a line.
fn clean(text: &str) -> String {
    let shown = |character: char| if character.is_control() { ' ' } else { character };
    let more = text.chars().nth(LONGEST).map(|_| '…');
    text.chars().take(LONGEST).map(shown).chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(page: &str) -> Vec<String> {
        let told = read(page.as_bytes(), &BTreeSet::from(["x/red".to_owned()]));
        told.into_iter()
            .flat_map(|(resource, lines)| lines.into_iter().map(move |line| format!("{resource} {line}")))
            .collect()
    }

    fn line(resource: &str, device: &str, reason: &str) -> String {
        format!("{METRIC}{{resource=\"{resource}\",device=\"{device}\",reason=\"{reason}\"}} 1\n")
    }

    #[test]
    fn what_is_told_of_other_resources_and_in_other_words_is_left_out() {
        let page = [
            format!("# HELP {METRIC} Why.\n# TYPE {METRIC} gauge\nother{{resource=\"x/red\"}} 1\n"),
            line("x/blue", "a", "no"),
            line("x/red", "b", "one \\\"1\\\"\\ntwo \\\\ \u{1b}[31m"),
            line("x/red", "a", "well"),
            format!("{METRIC}{{resource=\"x/red\",device=\"c\"}} 1\n{METRIC}_total 1\n{METRIC}{{"),
        ];
        assert_eq!(lines(&page.concat()), ["x/red a: well", "x/red b: one \"1\" two \\  [31m"]);
        assert!(read(b"\xff\n", &BTreeSet::new()).is_empty());
    }

    #[test]
    fn the_first_ten_devices_are_told_each_in_so_many_characters() {
        let long = "ä".repeat(LONGEST + 1);
        let page: String = (10..99).rev().map(|device| line("x/red", &device.to_string(), &long)).collect();
        let expected: Vec<String> =
            (10..20).map(|device| format!("x/red {device}: {}…", "ä".repeat(LONGEST))).collect();
        assert_eq!(lines(&page), expected);
        assert_eq!(clean(&"ä".repeat(LONGEST)), "ä".repeat(LONGEST));
    }

    #[test]
    fn reasons_come_by_node_then_device_and_stay_while_their_node_is_unhealthy() {
        let told_of = |devices: &[&str]| {
            let lines = devices.iter().map(|device| format!("{device}: no")).collect();
            Told::from([("x/red".to_owned(), lines)])
        };
        let many: Vec<String> = (10..19).map(|device| device.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let answer = Answer::from([("a".into(), told_of(&many)), ("b".into(), told_of(&["1", "2"]))]);
        let mut sum = ResourceSummary {
            name: "x/red".to_owned(),
            unhealthy_nodes: ["a", "b", "c"].map(str::to_owned).into(),
            ..ResourceSummary::default()
        };
        sum.reasons = told(&answer, &sum);
        assert_eq!(sum.reasons.len(), TOLD);
        assert_eq!((sum.reasons[8].as_str(), sum.reasons[9].as_str()), ("a 18: no", "b 1: no"));

        let next = ResourceSummary { unhealthy_nodes: vec!["b".to_owned()], ..sum.clone() };
        assert_eq!(kept(std::slice::from_ref(&sum), &next), ["b 1: no"]);
        let other = ResourceSummary { name: "x/blue".to_owned(), ..next };
        assert_eq!(kept(&[sum], &other), [""; 0]);
    }
}
