//! Whatever happens in whatever order, at every quiet moment the kubelet knows what the files say.

use std::fs;
use std::time::Duration;

use simulator::kubelet::{Kubelet, Options};

use super::world::{INK, PAINT, World, known};

/// Numbers that look random and are the same at every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        // Knuth's constants for a linear congruential generator; its high bits are good.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn change(world: &World, random: &mut Random) {
    let name = format!("color{}", random.below(6));
    let texts =
        ["", "sick dry", "numa 0 1", "resource ink", "resource ink\nsick dry", "mount /opt", "units 3"];
    match texts.get(usize::try_from(random.below(9)).unwrap()) {
        Some(text) => world.set(&name, text),
        // It may not be there.
        None => drop(fs::remove_file(world.host.outside(super::colors::FOLDER).join(name))),
    }
}

/// On the real clock: events that come in between others' steps.
#[tokio::test]
async fn a_hundred_restarts_among_random_changes_lose_nothing() {
    let world = World::new();
    let mut random = Random(1);
    let kubelet = Kubelet::start(world.folder(), Options::default()).unwrap();
    let _plugin = world.start();
    for _ in 0..100 {
        for _ in 0..random.below(4) {
            change(&world, &mut random);
            for _ in 0..random.below(20) {
                tokio::task::yield_now().await;
            }
        }
        match random.below(5) {
            0 => kubelet.stop().await,
            1 => drop(fs::remove_file(world.socket(PAINT))),
            2 => drop(fs::remove_file(world.socket(INK))),
            3 => drop(fs::remove_file(world.kubelet_socket())),
            _ => {}
        }
        if random.below(3) == 0 {
            // Some notice that the kubelet is away and some do not.
            tokio::time::sleep(Duration::from_millis(random.below(4))).await;
            change(&world, &mut random);
        }
        kubelet.restart().await.unwrap();
        change(&world, &mut random);
        world.agrees(&kubelet).await;
        change(&world, &mut random);
        world.agrees(&kubelet).await;
    }
    let paint = known(&kubelet, PAINT);
    assert!(paint.registrations <= 2, "{paint:?}");
}

/// The kubelet kills lists, too; on the paused clock, for the framework takes its time then.
#[tokio::test(start_paused = true)]
async fn dropped_lists_among_random_changes_lose_nothing() {
    let world = World::with([("color0", "")]);
    let mut random = Random(3);
    let (kubelet, _plugin) = world.running().await;
    for _ in 0..100 {
        change(&world, &mut random);
        match random.below(3) {
            0 => drop(kubelet.drop_stream(PAINT)),
            1 => drop(kubelet.drop_stream(INK)),
            _ => kubelet.restart().await.unwrap(),
        }
        change(&world, &mut random);
        world.agrees(&kubelet).await;
    }
}
