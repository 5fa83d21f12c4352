//! Long lives, with everything that may happen in them.

use std::time::Duration;

use certificates::Lifetimes;
use proptest::prelude::*;

use crate::fake::{Line, SECRETS};
use crate::replica::{Replica, SECRET, World, authorities, world};

/// An hour for an authority, so an overlap of six minutes.
const AUTHORITY: Duration = Duration::from_hours(1);
const OVERLAP: Duration = Duration::from_mins(6);
const NAMES: [&str; 2] = ["a", "b"];

#[derive(Debug, Clone)]
enum Happening {
    /// A replica is away for so many seconds.
    Restart(usize, u64),
    /// A replica does not reach the API server for so many seconds.
    Cut(usize, u64),
    /// The Secret is deleted.
    Delete,
    /// The configurations are applied again.
    Apply,
}

struct Life {
    world: World,
    replicas: Vec<Option<Replica>>,
    ahead: [i64; 2],
    lag: Duration,
}

impl Life {
    fn start(&mut self, which: usize) {
        let lifetimes = Lifetimes::new(AUTHORITY, AUTHORITY / 4).unwrap();
        self.replicas[which] = Some(self.world.replica_with(NAMES[which], lifetimes, self.ahead[which]));
    }

    fn end(&mut self, which: usize) {
        if let Some(replica) = self.replicas[which].take() {
            self.world.check(&replica, self.lag);
        }
    }

    async fn live(mut self, happenings: Vec<(Happening, u64)>) {
        for which in 0..NAMES.len() {
            self.start(which);
        }
        for (happening, minutes) in happenings {
            match happening {
                Happening::Restart(which, seconds) => {
                    self.end(which);
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    self.start(which);
                }
                Happening::Cut(which, seconds) => {
                    self.world.api.set_line(NAMES[which], Line::Cut);
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    self.world.api.set_line(NAMES[which], Line::Open);
                }
                Happening::Delete => self.world.api.delete(SECRETS, SECRET),
                Happening::Apply => self.world.apply(),
            }
            tokio::time::sleep(Duration::from_mins(minutes)).await;
        }
        assert!(authorities(&self.world.bundle()).len() <= 5);
        for which in 0..NAMES.len() {
            assert!(self.replicas[which].as_ref().is_some_and(|replica| replica.missing.borrow().is_none()));
            self.end(which);
        }
    }
}

fn simulate(ahead: [i64; 2], lag: Duration, happenings: Vec<(Happening, u64)>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = world();
        Life { world, replicas: vec![None, None], ahead, lag }.live(happenings).await;
    });
}

fn ordinary() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0..2_usize, 0..2 * OVERLAP.as_secs())
            .prop_map(|(which, seconds)| Happening::Restart(which, seconds)),
        (0..2_usize, 0..OVERLAP.as_secs()).prop_map(|(which, seconds)| Happening::Cut(which, seconds)),
    ]
}

fn any_happening() -> impl Strategy<Value = Happening> {
    prop_oneof![ordinary(), Just(Happening::Delete), Just(Happening::Apply)]
}

fn ahead() -> impl Strategy<Value = [i64; 2]> {
    [-45..45_i64, -45..45_i64]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    /// What an API server has to know it has known for half of the overlap, whoever starts and is away when.
    #[test]
    fn what_is_shown_is_trusted_by_who_has_the_bundle_of_half_an_overlap_ago(
        ahead in ahead(),
        happenings in prop::collection::vec((ordinary(), 1..30_u64), 1..20),
    ) {
        simulate(ahead, OVERLAP / 2, happenings);
    }

    /// Deleted Secrets included, with replicas that are away at any time but that one.
    #[test]
    fn what_is_shown_is_trusted_by_who_has_the_bundle_of_now(
        ahead in ahead(),
        happenings in prop::collection::vec((any_happening(), 1..30_u64), 1..20),
    ) {
        simulate(ahead, Duration::ZERO, happenings);
    }
}
