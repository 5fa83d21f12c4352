//! How the table follows what the API server says. The clock is paused: it jumps over the pauses between two tries.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::{Debug, Write as _};
use std::io;
use std::sync::{Arc, Mutex};

use fpga_webhook::{Mappings, watch};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::scene::*;

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

const FUNCTIONS: &str = "acceleratorfunctions";
const REGIONS: &str = "fpgaregions";

/// What the watchers ask, in order.
struct Server {
    asked: mpsc::UnboundedReceiver<Asked>,
    later: VecDeque<Asked>,
    mappings: Mappings,
    log: Log,
    _log: tracing::subscriber::DefaultGuard,
}

/// A request that waits for its answer.
struct Asked {
    path: String,
    query: String,
    answer: oneshot::Sender<Answer>,
}

/// The lines of a log, without debugging.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

/// The other end of a watch; it ends when this is dropped.
struct Watched(mpsc::UnboundedSender<Result<Frame<Bytes>, io::Error>>);

impl Server {
    /// With the watchers of an empty table.
    fn start() -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (answer, answered) = oneshot::channel();
            let path = request.uri().path().to_owned();
            let query = request.uri().query().unwrap_or_default().to_owned();
            let gone = sender.send(Asked { path, query, answer }).is_err();
            async move {
                if gone {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Infallible>(answered.await.unwrap_or_else(|_| failure(500, "the test is over")))
            }
        });
        let log = Log::default();
        let guard = tracing::subscriber::set_default(log.clone());
        let mappings = Mappings::default();
        tokio::spawn(watch(kube::Client::new(service, "default"), mappings.clone()));
        Self { asked, later: VecDeque::new(), mappings, log, _log: guard }
    }

    /// The next request for these objects: a watch or a list.
    async fn asked(&mut self, plural: &str, is_watch: bool) -> Asked {
        let fits = |asked: &Asked| {
            asked.path == format!("/apis/fpga.intel.com/v2/{plural}")
                && asked.query.contains("watch=true") == is_watch
        };
        if let Some(number) = self.later.iter().position(fits) {
            return self.later.remove(number).unwrap();
        }
        loop {
            let asked = self.asked.recv().await.unwrap();
            if fits(&asked) {
                return asked;
            }
            self.later.push_back(asked);
        }
    }

    /// Answers the next lists of both kinds, and gives the watches that follow.
    async fn list(&mut self, functions: Value, regions: Value) -> (Watched, Watched) {
        self.asked(FUNCTIONS, false).await.list(functions);
        self.asked(REGIONS, false).await.list(regions);
        (self.asked(FUNCTIONS, true).await.stream(), self.asked(REGIONS, true).await.stream())
    }

    /// Waits until the table has as many objects.
    async fn has(&self, objects: usize) {
        for _ in 0..100_000 {
            if self.mappings.objects() == objects && self.mappings.ready().is_ok() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{:?}, not {objects} objects; {:?}", self.mappings, self.log.lines());
    }

    fn means(&self, name: &str) -> bool {
        let outcome = fpga_webhook::review(&self.mappings, request(pod(&[(name, "1")])));
        matches!(outcome, webhook::Outcome::Allowed { .. })
    }
}

impl Asked {
    fn list(self, items: Value) {
        let list = json!({ "apiVersion": "fpga.intel.com/v2", "kind": "List", "metadata": { "resourceVersion": "1" }, "items": items });
        self.answer(answer(&list));
    }

    fn fails(self, code: u16, message: &str) {
        self.answer(failure(code, message));
    }

    fn stream(self) -> Watched {
        let (sender, receiver) = mpsc::unbounded_channel();
        let body = StreamBody::new(UnboundedReceiverStream::new(receiver));
        self.answer(Response::new(body.boxed_unsync()));
        Watched(sender)
    }

    fn answer(self, response: Answer) {
        self.answer.send(response).unwrap_or_else(|_| panic!("nobody waits for {}", self.path));
    }
}

impl Watched {
    fn says(&self, kind: &str, object: Value) {
        let line = format!("{}\n", json!({ "type": kind, "object": object }));
        self.0.send(Ok(Frame::data(line.into()))).unwrap();
    }

    fn breaks(self) {
        self.0.send(Err(io::Error::from(io::ErrorKind::ConnectionReset))).unwrap();
    }
}

fn status(code: u16, message: &str) -> Value {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        410 => "Expired",
        _ => "InternalError",
    };
    json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message })
}

fn failure(code: u16, message: &str) -> Answer {
    let mut response = answer(&status(code, message));
    *response.status_mut() = code.try_into().unwrap();
    response
}

fn answer(body: &Value) -> Answer {
    let body = Full::new(Bytes::from(body.to_string()));
    Response::new(body.map_err(|never| match never {}).boxed_unsync())
}

/// An object as the API server has it, managed fields and all.
fn stored(object: impl serde::Serialize, version: u32) -> Value {
    let mut object = json!(object);
    object["metadata"]["resourceVersion"] = json!(version.to_string());
    object["metadata"]["managedFields"] = json!([{ "manager": "kubectl" }]);
    object["status"] = json!({});
    object
}

fn one(name: &str) -> Value {
    stored(function("default", name, "af", ARRIA, NLB0), 1)
}

impl Log {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.0, " {value:?}").unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_table_follows_lists_and_changes_of_both_kinds() {
    let mut server = Server::start();
    assert!(server.mappings.ready().is_err());
    let card = stored(region("default", "card", D5005), 1);
    let (functions, regions) = server.list(json!([one("a"), one("b")]), json!([card])).await;
    server.has(3).await;
    assert!(server.means("a") && server.means("b") && server.means("card"));

    functions.says("ADDED", stored(function("default", "c", "af", ARRIA, NLB0), 2));
    regions.says("DELETED", stored(region("default", "card", D5005), 3));
    regions.says("ADDED", stored(region("default", "other", D5005), 4));
    regions.says("ADDED", stored(region("default", "more", D5005), 5));
    server.has(5).await;
    assert!(server.means("c") && server.means("other") && !server.means("card"));

    functions.says("MODIFIED", stored(function("default", "c", "unheard of", ARRIA, NLB0), 6));
    functions.says("DELETED", stored(function("default", "a", "af", ARRIA, NLB0), 7));
    server.has(4).await;
    assert!(!server.means("c") && !server.means("a"));
    assert_eq!(
        server.log.lines(),
        [
            "WARN AcceleratorFunction c of namespace default cannot be used: spec.mode is \"unheard of\": write af or region"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_known_stays_until_there_is_a_new_list() {
    let mut server = Server::start();
    let (functions, _regions) = server.list(json!([one("a"), one("b")]), json!([])).await;
    server.has(2).await;

    // The connection breaks, and the server is away.
    functions.breaks();
    for _ in 0..3 {
        server.asked(FUNCTIONS, true).await.fails(500, "etcd has no leader");
        server.has(2).await;
    }
    // What was seen last is too long ago.
    let functions = server.asked(FUNCTIONS, true).await.stream();
    functions.says("ERROR", status(410, "too old resource version"));
    let list = server.asked(FUNCTIONS, false).await;
    server.has(2).await;
    list.list(json!([one("b")]));
    server.has(1).await;
    assert!(server.means("b") && !server.means("a"));
    let lines = server.log.lines();
    let said = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!(said("etcd has no leader"), 1, "{lines:?}");
    assert_eq!(said("connection reset"), 1, "{lines:?}");
    assert_eq!(said("too old"), 0, "{lines:?}");
    assert_eq!(lines.last().unwrap(), "INFO AcceleratorFunctions are followed again");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_changes_nothing() {
    let mut server = Server::start();
    let (functions, _regions) = server.list(json!([one("a"), one("b")]), json!([])).await;
    server.has(2).await;
    functions.says("ERROR", status(410, "too old resource version"));
    let first = server.asked(FUNCTIONS, false).await;
    let page = json!({ "metadata": { "resourceVersion": "9", "continue": "more" }, "items": [one("x")] });
    first.answer(answer(&page));
    let second = server.asked(FUNCTIONS, false).await;
    assert!(second.query.contains("continue=more"), "{}", second.query);
    second.fails(500, "etcd has no leader");
    let again = server.asked(FUNCTIONS, false).await;
    assert!(server.means("a") && server.means("b") && !server.means("x"));
    again.list(json!([one("c")]));
    // What the first page had is no part of this list.
    server.has(1).await;
    assert!(server.means("c"));
}

#[tokio::test(start_paused = true)]
async fn missing_definitions_and_missing_rights_are_said_once_with_what_to_do() {
    let mut server = Server::start();
    for _ in 0..5 {
        server.asked(FUNCTIONS, false).await.fails(404, "the server could not find the requested resource");
        server.asked(REGIONS, false).await.fails(403, "User \"x\" cannot list resource \"fpgaregions\"");
    }
    let functions = server.asked(FUNCTIONS, false).await;
    let regions = server.asked(REGIONS, false).await;
    assert!(server.mappings.ready().is_err());
    let lines = server.log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(
        lines[0],
        "WARN the cluster has no AcceleratorFunctions: apply deployments/fpga_admissionwebhook/crd; none of their names means anything until then"
    );
    assert!(
        lines[1].starts_with("WARN this account may not list and watch FpgaRegions: bind it to a ClusterRole that may (get, list, watch), in all namespaces: ")
            && lines[1].contains("User \"x\" cannot list"),
        "{lines:?}"
    );
    // Both come later.
    functions.list(json!([one("a")]));
    regions.list(json!([]));
    server.has(1).await;
    let mut lines = server.log.lines().split_off(2);
    lines.sort();
    assert_eq!(
        lines,
        ["INFO AcceleratorFunctions are followed again", "INFO FpgaRegions are followed again"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_object_that_stays_wrong_is_said_once() {
    let mut server = Server::start();
    let wrong = || json!([stored(function("default", "x", "afoo", ARRIA, NLB0), 1)]);
    let (functions, _regions) = server.list(wrong(), json!([])).await;
    server.has(1).await;
    functions.says("MODIFIED", stored(function("default", "x", "afoo", ARRIA, NLB0), 2));
    functions.says("ERROR", status(410, "too old resource version"));
    server.asked(FUNCTIONS, false).await.list(wrong());
    server.asked(FUNCTIONS, true).await;
    let line = "WARN AcceleratorFunction x of namespace default cannot be used: spec.mode is \"afoo\": write af or region";
    assert_eq!(server.log.lines(), [line]);
}
