//! Which certificate is shown.

use super::world::{Pair, World, client, connect};

#[tokio::test]
async fn without_a_certificate_handshakes_fail_and_with_one_they_work() {
    let world = World::start(false).await;
    world.certificate.send_replace(None);
    connect(world.address, client(&world.pair, &["http/1.1"])).await.unwrap_err();
    let other = Pair::new();
    world.certificate.send_replace(Some(other.certified()));
    connect(world.address, client(&world.pair, &["http/1.1"])).await.unwrap_err();
    connect(world.address, client(&other, &["http/1.1"])).await.unwrap();
    world.stop().await;
}
