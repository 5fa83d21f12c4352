//! Two instances of a plugin on one node, as in a rolling update: the newer one wins, and nobody quarrels.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use simulator::kubelet::{Kubelet, Options};
use tokio::net::UnixListener;

use super::world::{PAINT, World, known, pass, until};

/// Kubelets that tell instances apart, and those that do not.
fn kubelets() -> [Options; 2] {
    [true, false].map(|tells_instances_apart| Options { tells_instances_apart, ..Options::default() })
}

async fn registered(kubelet: &Kubelet, times: usize) {
    kubelet.wait_until(|state| state.resources[PAINT].registrations >= times).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_newer_instance_wins_and_the_older_returns_when_it_ends() {
    for options in kubelets() {
        let world = World::with([("red", "")]);
        let kubelet = world.kubelet_with(options);
        let _older = world.start();
        world.agrees(&kubelet).await;
        let newer = world.start();
        registered(&kubelet, 2).await;
        world.agrees(&kubelet).await;
        pass(Duration::from_hours(1)).await;
        assert_eq!(known(&kubelet, PAINT).registrations, 2);
        assert_eq!(world.log.count("a newer instance of this plugin has taken over"), 1);

        newer.stop().await;
        registered(&kubelet, 3).await;
        world.set("blue", "");
        world.agrees_by_events(&kubelet).await;
        pass(Duration::from_hours(1)).await;
        assert_eq!(known(&kubelet, PAINT).registrations, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn the_older_instance_ends_first_as_a_rolling_update_does() {
    for options in kubelets() {
        let apart = options.tells_instances_apart;
        let world = World::with([("red", "")]);
        let kubelet = world.kubelet_with(options);
        let older = world.start();
        world.agrees(&kubelet).await;
        let _newer = world.start();
        registered(&kubelet, 2).await;
        world.agrees(&kubelet).await;
        older.stop().await;
        assert!(world.socket(PAINT).exists(), "it is the newer one's");
        pass(Duration::from_mins(1)).await;
        world.agrees(&kubelet).await;
        // A kubelet that does not tell them apart drops the newer one with the older one's list.
        assert_eq!(known(&kubelet, PAINT).registrations, if apart { 2 } else { 3 });
        world.set("blue", "");
        world.agrees_by_events(&kubelet).await;
        pass(Duration::from_hours(1)).await;
        assert_eq!(known(&kubelet, PAINT).registrations, if apart { 2 } else { 3 });
    }
}

#[tokio::test(start_paused = true)]
async fn two_instances_outlive_the_kubelets_restarts_without_a_quarrel() {
    for options in kubelets() {
        let world = World::with([("red", "")]);
        let kubelet = world.kubelet_with(options);
        let (_one, _two) = (world.start(), world.start());
        world.agrees(&kubelet).await;
        for i in 0..10 {
            kubelet.restart().await.unwrap();
            world.agrees(&kubelet).await;
            pass(Duration::from_hours(1)).await;
            let registrations = known(&kubelet, PAINT).registrations;
            assert!((1..=3).contains(&registrations), "{registrations} registrations");
            world.set(&format!("blue{i}"), "");
            world.agrees_by_events(&kubelet).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_instances_without_a_kubelet_do_not_quarrel_either() {
    let world = World::with([("red", "")]);
    fs::create_dir(world.folder()).unwrap();
    drop(UnixListener::bind(world.kubelet_socket()).unwrap());
    let (_one, _two) = (world.start(), world.start());
    pass(Duration::from_hours(1)).await;
    assert_eq!(world.log.count("a newer instance of this plugin has taken over"), 1);
    let kubelet = world.kubelet();
    world.agrees(&kubelet).await;
}

/// It had no list of its own, but the other's has just ended, and a kubelet may take that for the end of the next.
#[tokio::test(start_paused = true)]
async fn an_older_instance_that_had_not_registered_yet_returns_when_the_newer_ends() {
    for options in kubelets() {
        let world = World::with([("red", "")]);
        let kubelet = world.kubelet_with(options);
        kubelet.set_faults(|faults| faults.accepts_nothing = true);
        let _older = world.start();
        until("the older one's socket", || world.socket(PAINT).exists()).await;
        let newer = world.start();
        world.log.says("a newer instance of this plugin has taken over").await;
        kubelet.set_faults(|faults| faults.accepts_nothing = false);
        world.agrees(&kubelet).await;
        assert_eq!(known(&kubelet, PAINT).registrations, 1);
        newer.stop().await;
        registered(&kubelet, 2).await;
        pass(Duration::from_hours(1)).await;
        world.agrees(&kubelet).await;
        assert_eq!(known(&kubelet, PAINT).registrations, 2);
    }
}

/// Its socket stays, with nobody listening, and no event tells.
#[tokio::test(start_paused = true)]
async fn the_older_instance_returns_when_the_newer_is_killed() {
    let world = World::with([("red", "")]);
    let (kubelet, _older) = world.running().await;
    fs::remove_file(world.socket(PAINT)).unwrap();
    let newer = UnixListener::bind(world.socket(PAINT)).unwrap();
    world.log.says("a newer instance of this plugin has taken over").await;
    pass(Duration::from_mins(1)).await;
    assert_eq!(known(&kubelet, PAINT).registrations, 1);
    drop(newer);
    registered(&kubelet, 2).await;
    world.agrees(&kubelet).await;
}

/// The older instance takes its socket back when nobody is there, be it for a moment.
#[tokio::test(start_paused = true)]
async fn somebody_is_there_all_the_time_while_the_newer_instance_takes_over() {
    let world = World::with([("red", "")]);
    let kubelet = world.kubelet();
    let mut older = world.start();
    world.agrees(&kubelet).await;
    let (socket, stop) = (world.socket(PAINT), Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop);
    let watching = std::thread::spawn(move || {
        let mut gone = 0;
        while !stopped.load(Ordering::Relaxed) {
            gone += usize::from(fs::symlink_metadata(&socket).is_err());
        }
        gone
    });
    for times in 2..150 {
        let newer = world.start();
        registered(&kubelet, times).await;
        older.abort().await;
        older = newer;
    }
    stop.store(true, Ordering::Relaxed);
    assert_eq!(watching.join().unwrap(), 0);
}
