//! Which versions and suites of TLS and which HTTP are spoken.

use hyper::StatusCode;
use rustls::ProtocolVersion;
use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};

use super::world::{Http, World, assert_labelled, client, client_with, connect, http2, post, review, text};

#[tokio::test]
async fn pods_are_answered_over_both_versions_of_tls() {
    let world = World::start(false).await;
    for (version, name) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let config = client_with(&world.pair, &["http/1.1"], ring::default_provider(), &[version]);
        let stream = connect(world.address, config).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(name));
        let mut http = Http::over(stream).await;
        for _ in 0..3 {
            assert_labelled(&http.send(post(review("a"))).await);
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn http2_is_spoken_only_where_it_is_on() {
    let on = World::start(true).await;
    let stream = connect(on.address, client(&on.pair, &["h2", "http/1.1"])).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut sender = http2(stream).await;
    let asked = [sender.send_request(post(review("a"))), sender.send_request(post(review("bad")))];
    let [labelled, refused] = asked;
    assert_labelled(&text(labelled.await.unwrap()).await);
    assert_eq!(text(refused.await.unwrap()).await.0, StatusCode::OK);
    on.stop().await;

    let off = World::start(false).await;
    let stream = connect(off.address, client(&off.pair, &["h2", "http/1.1"])).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_labelled(&Http::over(stream).await.send(post(review("a"))).await);
    off.stop().await;
}
