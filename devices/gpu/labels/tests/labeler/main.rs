//! How a node is kept labelled.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod cluster;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use ::cluster::Access;
use cluster::Cluster;
use gpu_labels::labeler::{Feature, Labeler, Look, Pace, Round, Targets};
use labels::Labels;
use tokio::sync::oneshot;

const INTERVAL: Duration = Duration::from_mins(5);
const FILE: &str = "gpu.txt";

/// What the node is made to have.
#[derive(Clone, Default)]
struct Node(Arc<Mutex<Vec<(&'static str, &'static str)>>>);

impl Node {
    fn with(labels: &[(&'static str, &'static str)]) -> Self {
        let node = Self::default();
        node.has(labels);
        node
    }

    fn has(&self, labels: &[(&'static str, &'static str)]) {
        *self.0.lock().unwrap() = labels.to_vec();
    }

    /// Without labels it cannot be looked at.
    fn look(&self) -> Arc<Look> {
        let node = self.clone();
        Arc::new(move |_: &mut dyn FnMut(String)| {
            let mut labels = Labels::default();
            for (key, value) in node.0.lock().unwrap().iter() {
                labels.insert(&format!("example.com/{key}"), value).unwrap();
            }
            if labels == Labels::default() { Err("cannot look".to_owned()) } else { Ok(labels) }
        })
    }
}

/// A time that is no whole number of intervals.
fn after(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_698_520 + seconds)
}

async fn no_api() -> Result<Access, String> {
    panic!("the API is asked")
}

fn to_file(folder: &Path) -> Targets {
    Targets { file: Some((folder.to_owned(), FILE.to_owned())), ..Targets::default() }
}

fn to_node() -> Targets {
    Targets { node: Some("node-1".to_owned()), ..Targets::default() }
}

fn to_feature() -> Targets {
    let pod = Some(("pod-1".to_owned(), "u-2".to_owned()));
    let feature = Feature { node: "node-1".to_owned(), namespace: "ns".to_owned(), pod };
    Targets { feature: Some(feature), ..Targets::default() }
}

/// A labeler on this cluster.
macro_rules! labeler {
    ($node:expr, $targets:expr, $cluster:expr) => {{
        let access = $cluster.access();
        let access = move || std::future::ready(Ok(access.clone()));
        Labeler::new($node.look(), $targets, access, Pace::new(INTERVAL))
    }};
}

fn map(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn the_file_expires_a_minute_after_three_intervals_and_is_written_anew_before() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::with(&[("a", "1")]);
    let mut labeler = Labeler::new(node.look(), to_file(folder.path()), no_api, Pace::new(INTERVAL));
    let read = || fs::read_to_string(folder.path().join(FILE)).unwrap();
    assert!(labeler.round(after(0)).await.is_done);
    assert_eq!(read(), "# +expiry-time=2026-11-26T13:24:40Z\nexample.com/a=1\n");
    // A round in between, for another reason.
    assert!(labeler.round(after(60)).await.is_done);
    assert_eq!(read(), "# +expiry-time=2026-11-26T13:24:40Z\nexample.com/a=1\n");
    assert!(labeler.round(after(301)).await.is_done);
    assert_eq!(read(), "# +expiry-time=2026-11-26T13:29:41Z\nexample.com/a=1\n");
    // The clock is set back.
    assert!(labeler.round(after(0)).await.is_done);
    assert_eq!(read(), "# +expiry-time=2026-11-26T13:24:40Z\nexample.com/a=1\n");
}

#[tokio::test]
async fn a_file_that_changed_or_went_is_written_anew_at_each_round() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let node = Node::with(&[("a", "1")]);
    let mut labeler = Labeler::new(node.look(), to_file(folder.path()), no_api, Pace::new(INTERVAL));
    assert!(labeler.round(after(0)).await.is_done);
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(labeler.round(after(1)).await.is_done);
    assert_eq!(fs::read(&path).unwrap(), whole);
    fs::write(&path, "example.com/a=2\n").unwrap();
    assert!(labeler.round(after(2)).await.is_done);
    assert_eq!(fs::read(&path).unwrap(), whole);
    node.has(&[("b", "1")]);
    assert!(labeler.round(after(3)).await.is_done);
    assert!(fs::read_to_string(&path).unwrap().ends_with("Z\nexample.com/b=1\n"));
}

#[tokio::test]
async fn the_file_goes_at_the_end_and_what_the_api_has_stays() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start().await;
    let node = Node::with(&[("a", "1")]);
    let targets = Targets { node: to_node().node, feature: to_feature().feature, ..to_file(folder.path()) };
    let labeler = labeler!(node, targets, cluster);
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(labeler.run(async { stopped.await.unwrap() }));
    cluster.until(|state| !state.labels.is_empty()).await;
    assert!(folder.path().join(FILE).exists());
    stop.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(cluster.labels(), map(&[("example.com/a", "1")]));
    assert!(cluster.state().feature.is_some());
    assert!(cluster.state().requests.iter().all(|request| !request.starts_with("DELETE")));
}

#[tokio::test]
async fn labels_that_no_longer_hold_go_and_those_of_others_stay() {
    let cluster = Cluster::start().await;
    cluster.give("kubectl", "zone", "x");
    cluster.give("kubectl", "example.com/mine", "y");
    // Of the labeler that was here before.
    cluster.give("intel-gpu-labels", "example.com/stale", "1");
    let node = Node::with(&[("a", "1"), ("b", "2")]);
    let mut labeler = labeler!(node, to_node(), cluster);
    assert!(labeler.round(after(0)).await.is_done);
    let others = [("zone", "x"), ("example.com/mine", "y")];
    let with = |mine: &[(&str, &str)]| map(&[&others, mine].concat());
    assert_eq!(cluster.labels(), with(&[("example.com/a", "1"), ("example.com/b", "2")]));
    node.has(&[("a", "3")]);
    assert!(labeler.round(after(1)).await.is_done);
    assert_eq!(cluster.labels(), with(&[("example.com/a", "3")]));
}

#[tokio::test]
async fn a_label_that_somebody_else_gave_is_not_taken_over() {
    let cluster = Cluster::start().await;
    cluster.give("kubectl", "example.com/a", "5");
    let mut labeler = labeler!(Node::with(&[("a", "1"), ("b", "2")]), to_node(), cluster);
    assert!(!labeler.round(after(0)).await.is_done);
    assert_eq!(cluster.labels(), map(&[("example.com/a", "5")]));
    // Of the same value, it is of both.
    cluster.give("kubectl", "example.com/a", "1");
    assert!(labeler.round(after(1)).await.is_done);
    assert_eq!(cluster.labels(), map(&[("example.com/a", "1"), ("example.com/b", "2")]));
}

#[tokio::test]
async fn a_node_feature_says_the_labels_and_goes_with_the_pod() {
    let cluster = Cluster::start().await;
    let mut labeler = labeler!(Node::with(&[("a", "1")]), to_feature(), cluster);
    assert!(labeler.round(after(0)).await.is_done);
    let state = cluster.state();
    let feature = state.feature.as_ref().unwrap();
    assert_eq!(feature["spec"]["labels"], serde_json::json!({"example.com/a": "1"}));
    assert_eq!(feature["metadata"]["labels"]["nfd.node.kubernetes.io/node-name"], "node-1");
    assert_eq!(feature["metadata"]["ownerReferences"].as_array().unwrap().len(), 1);
    assert_eq!(state.requests.len(), 1, "the Node is left alone");
}

#[tokio::test]
async fn what_fails_in_one_place_does_not_keep_labels_from_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start().await;
    cluster.refuse(1);
    let node = Node::with(&[("a", "1")]);
    let targets = Targets { node: to_node().node, feature: to_feature().feature, ..to_file(folder.path()) };
    let mut labeler = labeler!(node, targets, cluster);
    assert!(!labeler.round(after(0)).await.is_done);
    assert!(cluster.state().feature.is_none());
    assert_eq!(cluster.labels(), map(&[("example.com/a", "1")]));
    assert!(folder.path().join(FILE).exists());
    // Nor does a file that cannot be written.
    node.has(&[("a", "2")]);
    fs::remove_dir_all(folder.path()).unwrap();
    assert!(!labeler.round(after(1)).await.is_done);
    assert_eq!(cluster.labels(), map(&[("example.com/a", "2")]));
    fs::create_dir(folder.path()).unwrap();
    assert!(labeler.round(after(2)).await.is_done);
}

#[tokio::test]
async fn a_node_that_cannot_be_looked_at_keeps_its_labels_for_now() {
    let cluster = Cluster::start().await;
    let node = Node::with(&[("a", "1")]);
    let mut labeler = labeler!(node, to_node(), cluster);
    assert!(labeler.round(after(0)).await.is_done);
    node.has(&[]);
    assert!(!labeler.round(after(1)).await.is_done);
    assert_eq!(cluster.labels(), map(&[("example.com/a", "1")]));
}

#[tokio::test]
async fn what_is_wrong_is_said_once_until_it_is_right_again() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start().await;
    let node = Node::with(&[("a", "1")]);
    let targets = Targets { node: to_node().node, ..to_file(&folder.path().join("none")) };
    let mut labeler = labeler!(node, targets, cluster);
    let mut news = Vec::new();
    for (at, refusals) in [(0, 0), (1, 0), (2, 1), (3, 0)] {
        cluster.refuse(refusals);
        news.push(labeler.round(after(at)).await.news);
    }
    fs::create_dir(folder.path().join("none")).unwrap();
    assert_eq!(labeler.round(after(4)).await, Round { is_done: true, news: Vec::new() });
    fs::remove_dir_all(folder.path().join("none")).unwrap();
    news.push(labeler.round(after(5)).await.news);
    let [first, same, other, former, again] = news.try_into().unwrap();
    let is = |news: &[String], part: &str| news.len() == 1 && news.iter().all(|line| line.contains(part));
    assert!(is(&first, "cannot write ") && same.is_empty(), "{first:?} {same:?}");
    assert!(is(&other, "answers 503 Service Unavailable for node node-1: not now"), "{other:?}");
    assert!(former.is_empty() && again == first, "{former:?} {again:?}");
}

#[tokio::test]
async fn failures_are_tried_again_and_never_end_it() {
    let cluster = Cluster::start().await;
    cluster.refuse(5);
    let access = cluster.access();
    let access = move || std::future::ready(Ok(access.clone()));
    let millisecond = Duration::from_millis(1);
    let pace = Pace { interval: millisecond, retry: millisecond, longest: millisecond };
    let node = Node::with(&[("a", "1")]);
    let labeler = Labeler::new(node.look(), to_node(), access, pace);
    let running = tokio::spawn(labeler.run(std::future::pending()));
    cluster.until(|state| !state.labels.is_empty()).await;
    // Somebody takes it away.
    cluster.state().labels.clear();
    cluster.until(|state| !state.labels.is_empty()).await;
    assert!(!running.is_finished());
    running.abort();
}

/// The clock is not the real one: it goes on when all wait.
#[tokio::test(start_paused = true)]
async fn what_fails_in_one_place_does_not_let_the_file_in_another_expire() {
    let folder = tempfile::tempdir().unwrap();
    let (node, looks) = (Node::with(&[("a", "1")]).look(), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&looks);
    let look = move |warn: &mut dyn FnMut(String)| {
        counted.fetch_add(1, Ordering::Relaxed);
        node(warn)
    };
    let targets = Targets { node: to_node().node, ..to_file(folder.path()) };
    let no_api = || std::future::ready(Err("no account".to_owned()));
    let labeler = Labeler::new(Arc::new(look), targets, no_api, Pace::new(Duration::from_secs(10)));
    labeler.run(tokio::time::sleep(Duration::from_mins(10))).await;
    // The file is written anew with each.
    assert!(looks.load(Ordering::Relaxed) >= 60, "{looks:?} looks in 60 intervals");
}
