//! F12: the plugin stops on demand, quickly, and leaves nothing behind that is its own.

use std::fs;
use std::time::Duration;

use simulator::kubelet::{EventKind, Faults, Kubelet, Options, RegisterFault};
use tokio::net::UnixListener;
use tokio::time::Instant;

use super::world::{INK, PAINT, Running, World};

/// Of the second that a node's shutdown may take.
async fn stops_soon(plugin: Running) {
    let began = Instant::now();
    plugin.stop().await;
    assert!(began.elapsed() <= Duration::from_millis(500), "it took {:?}", began.elapsed());
}

fn ends(kubelet: &Kubelet) -> Vec<String> {
    let reasons = kubelet.events().into_iter().map(|event| match event.kind {
        EventKind::StreamEnded { reason, .. } => Some(reason),
        _ => None,
    });
    reasons.flatten().collect()
}

#[tokio::test(start_paused = true)]
async fn lists_end_and_sockets_go() {
    let world = World::with([("red", ""), ("blue", "resource ink")]);
    let (kubelet, plugin) = world.running().await;
    fs::write(world.folder().join("other.sock"), "").unwrap();
    let began = Instant::now();
    plugin.stop().await;
    assert!(
        began.elapsed() < Duration::from_millis(100),
        "nothing had to be broken off: {:?}",
        began.elapsed()
    );
    assert!(!world.socket(PAINT).exists() && !world.socket(INK).exists());
    assert!(world.kubelet_socket().exists() && world.folder().join("other.sock").exists());
    kubelet.wait_until(|state| state.resources.values().all(|resource| !resource.connected)).await.unwrap();
    assert_eq!(ends(&kubelet), ["EOF", "EOF"], "in order, and not broken off");
    assert!(world.log.lines("WARN").is_empty() && world.log.lines("ERROR").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_anothers_by_now_stays() {
    let world = World::with([("red", "")]);
    let (_kubelet, plugin) = world.running().await;
    fs::remove_file(world.socket(PAINT)).unwrap();
    let _newer = UnixListener::bind(world.socket(PAINT)).unwrap();
    stops_soon(plugin).await;
    assert!(world.socket(PAINT).exists());
}

#[tokio::test(start_paused = true)]
async fn a_list_that_nobody_reads_does_not_hold_it_up() {
    let name = "a-name-that-makes-the-list-long-with-few-units-of-it";
    let world = World::with([(name, "units 4000")]);
    let (kubelet, plugin) = world.running().await;
    kubelet.set_faults(|faults| faults.reads_no_lists = true);
    let client = world.connect(PAINT).await;
    let _unread = client.lists().await.unwrap();
    for i in 1..20 {
        world.set(name, &format!("units {}", 4000 + i));
        world.log.says(&format!("added: {name}-{}", 3999 + i)).await;
    }
    stops_soon(plugin).await;
    assert!(!world.socket(PAINT).exists());
}

#[tokio::test(start_paused = true)]
async fn it_stops_while_the_kubelet_hangs() {
    let world = World::with([("red", "")]);
    let register = [RegisterFault::Hang(Duration::MAX)].into();
    let faults = Faults { register, ..Faults::default() };
    let kubelet = world.kubelet_with(Options { faults, ..Options::default() });
    let plugin = world.start();
    let called_back = |kind: &EventKind| matches!(kind, EventKind::CalledBack { .. });
    kubelet.wait_until(|state| state.events.iter().any(|event| called_back(&event.kind))).await.unwrap();
    stops_soon(plugin).await;
    assert!(!world.socket(PAINT).exists());
}

#[tokio::test(start_paused = true)]
async fn it_stops_while_it_waits_for_the_kubelet() {
    let world = World::with([("red", "")]);
    let plugin = world.start();
    world.log.says("waiting for the kubelet").await;
    stops_soon(plugin).await;
}

#[tokio::test(start_paused = true)]
async fn it_stops_while_it_waits_to_register_again() {
    let world = World::with([("red", "")]);
    let (kubelet, plugin) = world.running().await;
    kubelet.drop_stream(PAINT);
    world.log.says("does not listen any more").await;
    stops_soon(plugin).await;
}

#[tokio::test(start_paused = true)]
async fn it_stops_before_it_began() {
    let world = World::with([("red", "")]);
    let kubelet = world.kubelet();
    stops_soon(world.start()).await;
    assert!(!world.socket(PAINT).exists());
    drop(kubelet);
}

/// As a rolling update without overlap does.
#[tokio::test(start_paused = true)]
async fn the_next_instance_begins_where_this_one_ended() {
    let world = World::with([("red", "")]);
    let kubelet = world.kubelet();
    for _ in 0..20 {
        let plugin = world.start();
        world.agrees_by_events(&kubelet).await;
        stops_soon(plugin).await;
        kubelet.wait_until(|state| !state.resources[PAINT].connected).await.unwrap();
    }
}

/// A plugin that was killed leaves its socket.
#[tokio::test(start_paused = true)]
async fn what_a_killed_instance_left_is_replaced() {
    let world = World::with([("red", "")]);
    let kubelet = world.kubelet();
    drop(UnixListener::bind(world.socket(PAINT)).unwrap());
    let _plugin = world.start();
    world.agrees_by_events(&kubelet).await;
    assert!(world.log.lines("WARN").is_empty());
}
