//! What clients may not do: large, slow, too many. Waits pass on tokio's clock, which is paused once a client has connected and
//! then jumps whenever nothing is left to do.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::{Body, Bytes, Frame};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use webhook::review::MAX_BODY;

use super::world::{NAME, PODS, World, assert_labelled, client, connect, http2, post, review};

/// As many as a server holds.
const MAX_CONNECTIONS: usize = 2000;

/// Both ends of all connections are here.
fn allow_many_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// Waits until the server ends the connection, with or without a farewell.
async fn ends(mut stream: impl AsyncRead + Unpin) {
    let reading = async { while stream.read(&mut [0; 1000]).await.is_ok_and(|length| length > 0) {} };
    tokio::time::timeout(Duration::from_hours(1), reading).await.expect("the connection is still open");
}

/// The beginning of a request whose body is told to have so many bytes.
fn head(length: usize) -> String {
    format!(
        "POST {PODS} HTTP/1.1\r\nhost: {NAME}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_body_that_is_told_to_be_too_large_is_refused_before_it_is_sent() {
    let world = World::start(false).await;
    let mut stream = world.connect().await;
    stream.write_all(head(MAX_BODY + 1).as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    world.stop().await;
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_refused_and_the_client_gets_to_see_it() {
    let world = World::start(false).await;
    let mut stream = world.connect().await;
    let chunk = vec![b' '; 1 << 20];
    let head = head(0).replace("content-length: 0", "transfer-encoding: chunked");
    stream.write_all(head.as_bytes()).await.unwrap();
    // More than the system keeps for the server, without a look at the answer.
    for _ in 0..11 {
        stream.write_all(b"100000\r\n").await.unwrap();
        stream.write_all(&chunk).await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    drop(stream);
    assert_labelled(&world.http().await.send(post(review("a"))).await);
    world.stop().await;
}

#[tokio::test]
async fn a_body_of_the_largest_size_is_read() {
    let world = World::start(false).await;
    let mut body = review("a");
    body.push_str(&" ".repeat(MAX_BODY - body.len()));
    let mut http = world.http().await;
    assert_labelled(&http.send(post(body.clone())).await);
    body.push(' ');
    assert_eq!(http.send(post(body)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    world.stop().await;
}

#[tokio::test]
async fn large_bodies_that_are_being_read_have_a_bound_together_and_small_ones_pass() {
    let world = World::start(false).await;
    let (mut asking, (answered, mut answers)) = (JoinSet::new(), mpsc::channel(1));
    // One more than there is memory for.
    for _ in 0..=(32 << 20) / MAX_BODY {
        let (mut stream, answered) = (world.connect().await, answered.clone());
        asking.spawn(async move {
            stream.write_all(head(MAX_BODY).as_bytes()).await.unwrap();
            stream.write_all(&vec![b' '; MAX_BODY - 1]).await.unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            answered.send(answer).await.unwrap();
        });
    }
    assert_eq!(&answers.recv().await.unwrap(), b"HTTP/1.1 503");
    let mut http = world.http().await;
    assert_labelled(&http.send(post(review("a"))).await);
    // All get their memory back.
    asking.shutdown().await;
    let mut body = review("a");
    body.push_str(&" ".repeat(MAX_BODY - body.len()));
    for _ in 0..3 {
        assert_labelled(&http.send(post(body.clone())).await);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let world = World::start(false).await;
    let mut stream = world.connect().await;
    let head = head(0).replace("\r\n\r\n", &format!("\r\nlong: {}\r\n\r\n", "a".repeat(20_000)));
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");
    world.stop().await;
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_ends_the_connection() {
    let world = World::start(false).await;
    let silent = TcpStream::connect(world.address).await.unwrap();
    let mut half = TcpStream::connect(world.address).await.unwrap();
    half.write_all(&[22, 3, 1, 0, 200, 1]).await.unwrap();
    assert_labelled(&world.http().await.send(post(review("a"))).await);
    tokio::time::pause();
    ends(silent).await;
    ends(half).await;
    assert!(world.page().contains("webhook_tls_handshake_failures_total 2\n"), "{}", world.page());
    world.stop().await;
}

#[tokio::test]
async fn a_request_that_does_not_go_on_ends_the_connection_and_stops_no_others() {
    let world = World::start(false).await;
    let whole = head(1000);
    // The middle of the head of a first request and of a second, and the middle of a body.
    let (mut first, mut second, mut body) =
        (world.connect().await, world.connect().await, world.connect().await);
    first.write_all(&whole.as_bytes()[..20]).await.unwrap();
    let asked = head(2).replace("\r\n\r\n", "\r\n\r\n{}");
    second.write_all(asked.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1000];
    assert!(second.read(&mut answer).await.unwrap() > 0);
    second.write_all(&whole.as_bytes()[..20]).await.unwrap();
    body.write_all(whole.as_bytes()).await.unwrap();
    body.write_all(b"{").await.unwrap();
    assert_labelled(&world.http().await.send(post(review("a"))).await);
    tokio::time::pause();
    for stream in [first, second, body] {
        ends(stream).await;
    }
    tokio::time::resume();
    assert_labelled(&world.http().await.send(post(review("a"))).await);
    world.stop().await;
}

#[tokio::test]
async fn a_connection_between_requests_stays_open() {
    let world = World::start(false).await;
    let mut http = world.http().await;
    assert_labelled(&http.send(post(review("a"))).await);
    tokio::time::pause();
    tokio::time::sleep(Duration::from_hours(1)).await;
    tokio::time::resume();
    assert_labelled(&http.send(post(review("a"))).await);
    world.stop().await;
}

/// A body that begins, and never goes on.
struct Stalled {
    begun: bool,
}

impl Body for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if std::mem::replace(&mut self.begun, true) {
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"{")))))
    }
}

#[tokio::test]
async fn a_body_over_http2_that_does_not_go_on_is_given_up() {
    let world = World::start(true).await;
    let stream = connect(world.address, client(&world.pair, &["h2"])).await.unwrap();
    let mut sender = http2(stream).await;
    let request = post("").map(|_| Stalled { begun: false });
    let asked = tokio::spawn(sender.send_request(request));
    tokio::time::pause();
    let answer = tokio::time::timeout(Duration::from_hours(1), asked).await.expect("no answer");
    assert_eq!(answer.unwrap().unwrap().status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_thousand_connections_that_wait_stop_nobody() {
    allow_many_files();
    let world = World::start(false).await;
    let mut waiting = Vec::new();
    for index in 0..1000 {
        let mut http = world.http().await;
        if index % 10 == 0 {
            assert_labelled(&http.send(post(review("a"))).await);
        }
        waiting.push(http);
    }
    assert_labelled(&world.http().await.send(post(review("a"))).await);
    for mut http in waiting.into_iter().step_by(50) {
        assert_labelled(&http.send(post(review("a"))).await);
    }
    world.stop().await;
}

#[tokio::test]
async fn one_connection_too_many_closes_the_one_that_was_not_used_for_longest() {
    allow_many_files();
    let world = World::start(false).await;
    let mut used = world.http().await;
    let unused = world.connect().await;
    assert_labelled(&used.send(post(review("a"))).await);
    let mut others = Vec::new();
    for _ in 0..MAX_CONNECTIONS - 1 {
        others.push(TcpStream::connect(world.address).await.unwrap());
    }
    ends(unused).await;
    assert_labelled(&used.send(post(review("a"))).await);
    assert!(world.page().contains("webhook_connections 2000\n"), "{}", world.page());
    world.stop().await;
}
