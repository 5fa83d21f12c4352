//! F12: the status server, over TCP on the real clock.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use device_plugin::{Status, status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::world::{PAINT, World, until};

/// Serves on some free port.
async fn serve(plugins: Vec<Arc<Status>>) -> SocketAddr {
    // The port stays free for long enough: the kernel hands out others first.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = tokio::spawn(status::serve(address, |_| {}, move || plugins.clone()));
    while TcpStream::connect(address).await.is_err() {
        assert!(!server.is_finished(), "the port was taken");
        tokio::task::yield_now().await;
    }
    address
}

/// What the server answers to `request`: the status line's code and everything.
async fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let asking = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(Duration::from_mins(1), asking).await.expect("no answer");
    (answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default(), answer)
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: node\r\n\r\n")).await
}

#[tokio::test]
async fn it_tells_when_the_plugin_is_ready_and_when_it_is_not() {
    let world = World::with([("red", "sick dried up"), ("blue", "")]);
    let plugin = world.start();
    let address = serve(vec![Arc::clone(&plugin.status)]).await;
    until("the first look", || !plugin.status.registered().is_empty()).await;
    let (code, text) = get(address, "/readyz").await;
    assert_eq!(code, 503);
    assert!(text.contains("color.example.com/paint is not registered"), "{text}");
    assert_eq!(get(address, "/healthz").await.0, 200);

    let kubelet = world.kubelet();
    world.agrees(&kubelet).await;
    until("the plugin got its answer", || plugin.status.not_ready().is_none()).await;
    assert_eq!(get(address, "/readyz").await.0, 200);
    let (code, text) = get(address, "/metrics").await;
    assert_eq!(code, 200);
    assert!(text.contains(PAINT) && text.contains("dried up"), "{text}");

    kubelet.stop().await;
    std::fs::remove_file(world.kubelet_socket()).unwrap();
    until("the kubelet is missed", || plugin.status.not_ready().is_some()).await;
    assert_eq!(get(address, "/readyz").await.0, 503);
    plugin.stop().await;
}

#[tokio::test]
async fn it_answers_what_it_does_not_know_with_an_error() {
    let address = serve(Vec::new()).await;
    assert_eq!(get(address, "/").await.0, 404);
    assert_eq!(get(address, "/healthz/../metrics").await.0, 404);
    assert_eq!(
        ask(address, "POST /healthz HTTP/1.1\r\nHost: node\r\nContent-Length: 0\r\n\r\n").await.0,
        405
    );
    assert_eq!(ask(address, "not HTTP at all\r\n\r\n").await.0, 400);
    let (code, text) = ask(address, "HEAD /healthz HTTP/1.1\r\nHost: node\r\n\r\n").await;
    assert!(code == 200 && text.ends_with("\r\n\r\n"), "{text}");
    assert_eq!(get(address, "/healthz").await.0, 200);
}

/// As many as a node's probes are at once may hang, and a few more; they are dropped after a while.
#[tokio::test]
async fn clients_that_say_nothing_hold_up_nobody() {
    let address = serve(Vec::new()).await;
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET /healthz HTT").await.unwrap();
    assert_eq!(get(address, "/healthz").await.0, 200);
    drop(silent);
}

#[tokio::test]
async fn it_does_not_start_on_an_address_that_is_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    status::serve(address, |_| {}, Vec::new).await.unwrap_err();
}
