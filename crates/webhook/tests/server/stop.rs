//! The end of a server.

use std::time::Duration;

use hyper::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::world::{World, client, connect, http2, post, review, text};

#[tokio::test]
async fn a_request_in_flight_is_answered_and_all_else_is_closed() {
    let world = World::start(true).await;
    let (request, rest) = half_a_request();
    let mut asking = world.connect().await;
    asking.write_all(&request).await.unwrap();
    let mut never_used = world.connect().await;
    let mut used = world.connect().await;
    used.write_all(&[&request[..], &rest].concat()).await.unwrap();
    assert!(used.read(&mut [0; 4096]).await.unwrap() > 0);
    let mut silent = TcpStream::connect(world.address).await.unwrap();
    let mut over_http2 = http2::<http_body_util::Full<hyper::body::Bytes>>(
        connect(world.address, client(&world.pair, &["h2"])).await.unwrap(),
    )
    .await;
    let (status, _) = text(over_http2.send_request(post(review("a"))).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);

    world.stop.send(()).unwrap();
    for idle in [&mut used, &mut never_used] {
        assert_eq!(idle.read(&mut [0; 9]).await.unwrap(), 0, "a farewell of TLS");
    }
    assert_eq!(silent.read(&mut [0; 9]).await.unwrap_or_default(), 0);
    TcpStream::connect(world.address).await.unwrap_err();
    while !over_http2.is_closed() {
        tokio::task::yield_now().await;
    }
    assert!(!world.server.is_finished(), "a request is in flight");

    asking.write_all(&rest).await.unwrap();
    let mut answer = String::new();
    asking.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close") && answer.contains("JSONPatch"), "{answer}");
    world.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_does_not_go_on_is_given_up_in_the_end() {
    let world = World::start(false).await;
    let mut asking = world.connect().await;
    asking.write_all(&half_a_request().0).await.unwrap();
    world.stop.send(()).unwrap();
    tokio::time::pause();
    world.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_of_http2_that_says_nothing_is_not_waited_for_for_ever() {
    let world = World::start(true).await;
    let mut mute = connect(world.address, client(&world.pair, &["h2"])).await.unwrap();
    mute.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    mute.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    // The settings of the server.
    assert!(mute.read(&mut [0; 100]).await.unwrap() > 0);
    world.stop.send(()).unwrap();
    tokio::time::pause();
    let ended = tokio::time::timeout(Duration::from_hours(1), world.server).await;
    ended.expect("the server still runs").unwrap().unwrap();
    drop(mute);
}

/// A request whose body is cut, and the rest of it.
fn half_a_request() -> (Vec<u8>, Vec<u8>) {
    let body = review("a");
    let (begin, end) = body.split_at(20);
    let length = body.len();
    let head = format!(
        "POST /pods HTTP/1.1\r\nhost: a\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {length}\r\n\r\n"
    );
    (format!("{head}{begin}").into_bytes(), end.as_bytes().to_vec())
}
