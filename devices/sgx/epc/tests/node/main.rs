//! What a Node object says after the program ran, with an API server that holds one.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod server;

use std::process::ExitCode;
use std::time::Duration;

use cli::confinement::Confinement;
use cluster::Access;
use serde_json::{Value, json};
use server::NodeServer;
use sgx_epc::{Options, Pace, Registrar, work};

/// An access that is there at once.
type AtHand = std::future::Ready<Result<Access, String>>;

const NONE: Options = Options {
    register: false,
    affirm: false,
    node_label: false,
    daemon: false,
    confinement: Confinement::Off,
};
const REGISTER: Options = Options { register: true, ..NONE };
const LABEL: Options = Options { node_label: true, ..NONE };
const BOTH: Options = Options { node_label: true, ..REGISTER };

fn fresh() -> Value {
    json!({
        "metadata": {"name": "node-1", "labels": {"zone": "a"}},
        "status": {"capacity": {"cpu": "8"}},
    })
}

/// One with all that `BOTH` gives it.
fn registered(bytes: &str) -> Value {
    json!({
        "metadata": {"name": "node-1", "labels": {"zone": "a", "sgx.intel.com/capable": "true"}},
        "status": {"capacity": {"cpu": "8", "sgx.intel.com/epc": bytes}},
    })
}

/// Runs it to its end; beside the result is what it printed.
async fn run(server: &NodeServer, options: Options, bytes: u64) -> (Result<(), String>, String) {
    let mut out = Vec::new();
    let result = work(options, bytes, || Ok(registrar(server)), &mut out).await;
    (result, String::from_utf8(out).unwrap())
}

fn registrar(server: &NodeServer) -> Registrar<impl Fn() -> AtHand> {
    let access = server.access();
    let pace = Pace { retry: Duration::from_millis(1), look: Duration::from_millis(5) };
    Registrar { node: "node-1".to_owned(), access: move || std::future::ready(Ok(access.clone())), pace }
}

/// Must not be called.
fn nobody() -> Result<Registrar<fn() -> AtHand>, String> {
    panic!("the API is asked")
}

#[tokio::test]
async fn the_size_is_printed_without_asking_anybody() {
    for bytes in [0, 98_041_856] {
        let mut out = Vec::new();
        work(NONE, bytes, nobody, &mut out).await.unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("sgx.intel.com/epc={bytes}"));
    }
}

#[tokio::test]
async fn nothing_is_said_or_printed_where_memory_must_be_and_is_not() {
    let mut out = Vec::new();
    let all = Options { register: true, affirm: true, node_label: true, daemon: true, ..NONE };
    let error = work(all, 0, nobody, &mut out).await.unwrap_err();
    assert!(error.starts_with("SGX EPC is not available"), "{error}");
    assert!(out.is_empty());
    work(Options { affirm: true, ..NONE }, 4096, nobody, &mut out).await.unwrap();
}

#[tokio::test]
async fn the_node_is_told_size_and_label_in_one_request() {
    let server = NodeServer::start(fresh()).await;
    assert_eq!(run(&server, BOTH, 98_041_856).await, (Ok(()), String::new()));
    assert_eq!(server.node(), Some(registered("98041856")));
    assert_eq!(server.requests(), ["PATCH /api/v1/nodes/node-1/status"]);
}

#[tokio::test]
async fn a_size_of_zero_is_told_too_and_takes_a_stale_label_away() {
    let server = NodeServer::start(registered("4096")).await;
    assert_eq!(run(&server, BOTH, 0).await, (Ok(()), String::new()));
    let mut expected = fresh();
    expected["status"]["capacity"]["sgx.intel.com/epc"] = "0".into();
    assert_eq!(server.node(), Some(expected));
}

#[tokio::test]
async fn only_what_is_asked_for_is_changed() {
    let server = NodeServer::start(fresh()).await;
    assert_eq!(run(&server, LABEL, 4096).await, (Ok(()), "sgx.intel.com/epc=4096".to_owned()));
    assert_eq!(server.node().unwrap()["status"], fresh()["status"]);
    let server = NodeServer::start(fresh()).await;
    assert_eq!(run(&server, REGISTER, 4096).await, (Ok(()), String::new()));
    assert_eq!(server.node().unwrap()["metadata"], fresh()["metadata"]);
}

#[tokio::test]
async fn a_node_without_labels_or_capacity_gets_them() {
    let server = NodeServer::start(json!({"metadata": {"name": "node-1"}})).await;
    assert_eq!(run(&server, BOTH, 4096).await, (Ok(()), String::new()));
    let node = server.node().unwrap();
    assert_eq!(node["status"]["capacity"]["sgx.intel.com/epc"], "4096");
    assert_eq!(node["metadata"]["labels"]["sgx.intel.com/capable"], "true");
}

#[tokio::test]
async fn a_failure_ends_it_before_anything_is_printed() {
    let server = NodeServer::start(fresh()).await;
    server.refuse(1);
    let (result, printed) = run(&server, LABEL, 4096).await;
    let error = result.unwrap_err();
    assert!(error.contains("503 Service Unavailable for node node-1: not now"), "{error}");
    assert_eq!(printed, "");
    assert_eq!(server.requests().len(), 1, "without -daemon there is one try");
}

#[tokio::test]
async fn a_node_name_that_is_missing_is_an_error_only_where_it_is_needed() {
    let missing = || Err::<Registrar<fn() -> AtHand>, _>("NODE_NAME is not set".to_owned());
    let mut out = Vec::new();
    for options in [BOTH, Options { daemon: true, ..BOTH }] {
        assert_eq!(work(options, 4096, missing, &mut out).await, Err("NODE_NAME is not set".to_owned()));
    }
    work(NONE, 4096, missing, &mut out).await.unwrap();
}

/// Runs a daemon until the server's node is in the state that is waited for.
async fn daemon(server: &NodeServer, options: Options, until: impl AsyncFnOnce()) -> String {
    let mut out = Vec::new();
    let options = Options { daemon: true, ..options };
    tokio::select! {
        result = work(options, 98_041_856, || Ok(registrar(server)), &mut out) => panic!("it ended: {result:?}"),
        () = until() => {}
    }
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn a_daemon_tries_again_and_prints_once_when_it_is_through() {
    let server = NodeServer::start(fresh()).await;
    server.refuse(3);
    let printed = daemon(&server, LABEL, async || server.until(|state| state.requests.len() > 6).await).await;
    assert_eq!(printed, "sgx.intel.com/epc=98041856");
    assert_eq!(server.node().unwrap()["metadata"]["labels"]["sgx.intel.com/capable"], "true");
}

#[tokio::test]
async fn a_daemon_only_looks_at_a_node_that_says_it_already() {
    let server = NodeServer::start(fresh()).await;
    // As the API server does with some: its spelling of 512000 is 512k.
    server.spell("98041856", "95744Ki");
    daemon(&server, BOTH, async || server.until(|state| state.requests.len() > 5).await).await;
    let requests = server.requests();
    assert_eq!(requests[0], "PATCH /api/v1/nodes/node-1/status");
    assert!(requests[1..].iter().all(|request| request == "GET /api/v1/nodes/node-1"), "{requests:?}");
}

#[tokio::test]
async fn a_daemon_tells_a_node_that_was_made_anew_or_changed() {
    let server = NodeServer::start(fresh()).await;
    let is_told = |state: &server::State| state.node == Some(registered("98041856"));
    daemon(&server, BOTH, async || {
        server.until(is_told).await;
        server.put(None);
        let count = server.requests().len();
        server.until(|state| state.requests.len() > count + 2).await;
        server.put(Some(fresh()));
        server.until(is_told).await;
        // A kubelet that takes itself for a new one.
        server.put(Some(registered("0")));
        server.until(is_told).await;
        let mut unlabelled = registered("98041856");
        unlabelled["metadata"]["labels"].as_object_mut().unwrap().remove("sgx.intel.com/capable");
        server.put(Some(unlabelled));
        server.until(is_told).await;
    })
    .await;
}

#[test]
fn wrong_flags_have_an_exit_code_of_their_own() {
    let main = |flags: &[&str]| sgx_epc::main("hook", flags.iter().map(Into::into).collect());
    assert_eq!(main(&["-h"]), ExitCode::SUCCESS);
    assert_eq!(main(&["-v=4"]), ExitCode::from(2));
}
