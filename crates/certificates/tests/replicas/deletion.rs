//! What becomes of a Secret that is deleted, and of configurations that are applied again.

use std::time::Duration;

use tokio::time::Instant;

use crate::fake::{Line, MUTATING, SECRETS, VALIDATING};
use crate::replica::{Replica, SECRET, WEBHOOKS, World, authorities, world};

/// Half of what the replicas wait before they show a certificate of an authority that replaces a lost one.
const LAG: Duration = Duration::from_secs(30);

async fn two_ready() -> (World, Replica, Replica) {
    let world = world();
    let (mut a, mut b) = (world.replica("a"), world.replica("b"));
    a.ready().await;
    b.ready().await;
    world.settle().await;
    (world, a, b)
}

#[tokio::test(start_paused = true)]
async fn a_deleted_secret_is_made_again_and_all_replicas_change_over_without_a_gap() {
    let (world, a, b) = two_ready().await;
    tokio::time::sleep(Duration::from_hours(50)).await;
    let before = world.bundle();
    world.api.delete(SECRETS, SECRET);
    world.settle().await;
    let old = authorities(&before);
    assert!(
        old.iter().all(|old| authorities(&world.bundle()).contains(old)),
        "who has not changed over is trusted"
    );
    assert_eq!(authorities(&world.bundle()).len(), 2);

    tokio::time::sleep(Duration::from_hours(1)).await;
    for replica in [&a, &b] {
        assert!(world.trusts(&before, replica).is_err(), "the old key is still in use");
        world.check(replica, LAG);
    }

    tokio::time::sleep(Duration::from_hours(72)).await;
    assert_eq!(authorities(&world.bundle()).len(), 1, "the old key is trusted no longer");
    for replica in [&a, &b] {
        world.check(replica, LAG);
        assert!(replica.missing.borrow().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_that_know_different_authorities_come_to_the_same_bundle_and_rest() {
    let (world, a, b) = two_ready().await;
    tokio::time::sleep(Duration::from_hours(50)).await;
    let old = world.bundle();
    // Only a knows the old authority when the Secret is gone, and it is not there to say so.
    world.api.set_line("a", Line::Cut);
    drop(b);
    world.api.delete(SECRETS, SECRET);
    let mut b = world.replica("b");
    b.ready().await;
    let new = world.bundle();
    assert!(world.trusts(&new, &a).is_err());

    world.api.set_line("a", Line::Open);
    tokio::time::sleep(Duration::from_mins(5)).await;
    let both = authorities(&world.bundle());
    assert!(authorities(&old).iter().chain(&authorities(&new)).all(|one| both.contains(one)));
    assert_eq!(both.len(), 2);
    world.trusts(&world.bundle(), &a).unwrap();
    world.trusts(&world.bundle(), &b).unwrap();

    let writes = world.api.writes();
    tokio::time::sleep(Duration::from_hours(12)).await;
    assert_eq!(world.api.writes(), writes, "they still write");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_set_back_to_an_older_one_takes_no_trust_away() {
    let (world, a, b) = two_ready().await;
    let backup = world.api.get(SECRETS, SECRET).unwrap();
    world.api.delete(SECRETS, SECRET);
    tokio::time::sleep(Duration::from_hours(72)).await;
    world.api.put(SECRETS, SECRET, backup);
    tokio::time::sleep(Duration::from_hours(24)).await;
    for replica in [&a, &b] {
        world.check(replica, LAG);
        world.trusts(&world.bundle(), replica).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn configurations_that_are_applied_again_or_made_anew_get_the_bundle_before_the_next_resync() {
    let (world, a, _b) = two_ready().await;
    let bundle = world.bundle();
    world.apply();
    assert_ne!(world.bundle(), bundle);
    world.settle().await;
    assert_eq!(world.bundle(), bundle);
    world.api.delete(MUTATING, WEBHOOKS);
    world.api.delete(VALIDATING, WEBHOOKS);
    world.settle().await;
    assert!(a.missing.borrow().is_none(), "a server that others need is not taken away from them");
    world.apply();
    world.settle().await;
    assert_eq!(world.bundle(), bundle);
    assert_eq!(crate::fake::bundle(&world.api.get(VALIDATING, WEBHOOKS).unwrap()), bundle);
}

#[tokio::test(start_paused = true)]
async fn a_bundle_that_another_writer_undoes_again_and_again_is_no_fast_fight() {
    let (world, _a, _b) = two_ready().await;
    let (writes, began) = (world.api.writes(), Instant::now());
    for _ in 0..1000 {
        world.api.put(MUTATING, WEBHOOKS, crate::replica::configuration());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    let fought = world.api.writes() - writes;
    assert!((1..=2 * seconds + 2).contains(&fought), "{fought} in {seconds} s");
}
