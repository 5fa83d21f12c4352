//! Which versions and suites of TLS and which HTTP are spoken.

use hyper::StatusCode;
use rustls::ProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, cipher_suite};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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

#[tokio::test]
async fn weak_suites_and_versions_are_refused() {
    let world = World::start(false).await;
    let weak = [
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    for suite in weak {
        let provider = CryptoProvider { cipher_suites: vec![suite], ..ring::default_provider() };
        let config = client_with(&world.pair, &["http/1.1"], provider, &[&TLS12]);
        let error = connect(world.address, config).await.unwrap_err();
        assert!(error.to_string().contains("HandshakeFailure"), "{suite:?}: {error}");
    }
    let mut old = TcpStream::connect(world.address).await.unwrap();
    old.write_all(&hello_of_tls_1_1()).await.unwrap();
    let mut alert = [0; 7];
    old.read_exact(&mut alert).await.unwrap();
    // A fatal alert: protocol_version.
    assert_eq!((alert[0], alert[5], alert[6]), (21, 2, 70));
    world.stop().await;
}

/// What a client of TLS 1.1 says first: its version, random bytes, one suite, no compression, a curve, and a signature.
fn hello_of_tls_1_1() -> Vec<u8> {
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x0a, 1, 0]);
    hello.extend([0, 16, 0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 4, 0, 2, 4, 3]);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    record
}
