//! Discovery fails, crashes, or hangs in a driver.

use std::sync::Arc;
use std::time::Duration;

use super::colors::Controls;
use super::world::{PAINT, Running, World, known, pass, until};

/// On the real clock: the paused one stands still while a thread is at work. Lets discovery go, also when a test fails: its thread would keep the test from ending.
struct Hanging(Arc<Controls>);

impl Hanging {
    async fn begin(world: &World, plugin: &Running) -> Self {
        let looks = world.controls.script(|script| {
            script.discovery_hangs = true;
            script.discoveries
        });
        let hanging = Self(Arc::clone(&world.controls));
        plugin.rescan.request();
        until("it hangs", || world.controls.script(|script| script.discoveries) > looks).await;
        hanging
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.script(|script| script.discovery_hangs = false);
    }
}

/// F11: the reference exits.
#[tokio::test(start_paused = true)]
async fn an_error_leaves_what_is_offered_as_it_is() {
    let world = World::with([("red", "")]);
    let (kubelet, plugin) = world.running().await;
    world.controls.script(|script| script.failure = Some("/etc/colors: out of paint".to_owned()));
    world.set("blue", "");
    world.log.says("discovery failed").await;
    for _ in 0..5 {
        plugin.rescan.request();
        pass(Duration::from_mins(1)).await;
    }
    assert_eq!(world.log.count("out of paint"), 1);
    assert!(plugin.status.not_ready().unwrap().contains("out of paint"));
    assert_eq!(known(&kubelet, PAINT).allocatable(), 1);
    world.connect(PAINT).await.allocate(["red"]).await.unwrap();
    // A kubelet that comes meanwhile hears of what was there.
    kubelet.restart().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(PAINT) == 1).await.unwrap();

    world.controls.script(|script| script.failure = None);
    plugin.rescan.request();
    world.agrees_by_events(&kubelet).await;
    assert_eq!(world.log.count("discovery works again"), 1);
    assert_eq!(plugin.status.not_ready(), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_yet_leaves_what_is_offered_as_it_is_and_is_no_error() {
    let world = World::with([("red", "")]);
    let (kubelet, plugin) = world.running().await;
    world.controls.script(|script| {
        script.failure = Some("nobody has named the colours yet".to_owned());
        script.is_early = true;
    });
    world.set("blue", "");
    world.log.says("nothing is changed yet: nobody has named the colours yet").await;
    assert!(world.log.lines("ERROR").is_empty());
    assert_eq!(known(&kubelet, PAINT).allocatable(), 1);
    assert!(plugin.status.not_ready().is_some());
    world.controls.script(|script| script.failure = None);
    plugin.rescan.request();
    world.agrees_by_events(&kubelet).await;
}

/// What raises no events is looked at often, but only where it is.
#[tokio::test(start_paused = true)]
async fn what_is_found_says_how_often_to_look() {
    let world = World::with([("red", "")]);
    let (kubelet, plugin) = world.running().await;
    let looks_in_a_minute = async || {
        let looks = || world.controls.script(|script| script.discoveries);
        let before = looks();
        pass(Duration::from_mins(1)).await;
        looks() - before
    };
    assert!(looks_in_a_minute().await <= 1);
    world.set("blue", "look 5");
    world.agrees(&kubelet).await;
    assert!((11..=12).contains(&looks_in_a_minute().await));
    // A failure says nothing new of it.
    world.controls.script(|script| script.failure = Some("out of paint".to_owned()));
    assert!((11..=12).contains(&looks_in_a_minute().await));
    world.controls.script(|script| script.failure = None);
    world.remove("blue");
    plugin.rescan.request();
    world.agrees(&kubelet).await;
    assert!(looks_in_a_minute().await <= 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_discovery_may_fail() {
    let world = World::with([("red", "")]);
    world.controls.script(|script| script.failure = Some("too early".to_owned()));
    let kubelet = world.kubelet();
    let plugin = world.start();
    world.log.says("discovery failed").await;
    assert!(kubelet.resources().is_empty());
    world.controls.script(|script| script.failure = None);
    // Nothing tells that it would work now.
    world.agrees(&kubelet).await;
    assert_eq!(plugin.status.not_ready(), None);
}

#[tokio::test(start_paused = true)]
async fn a_bug_in_discovery_is_contained() {
    let world = World::with([("red", "")]);
    let (kubelet, plugin) = world.running().await;
    world.controls.script(|script| script.discovery_panics = true);
    plugin.rescan.request();
    world.log.says("it panicked").await;
    assert_eq!(known(&kubelet, PAINT).allocatable(), 1);
    for _ in 0..3 {
        plugin.rescan.request();
        pass(Duration::from_mins(1)).await;
    }
    assert_eq!(world.log.count("it panicked"), 1, "{:?}", world.log.lines("panicked"));
    world.controls.script(|script| script.discovery_panics = false);
    world.set("blue", "");
    world.agrees_by_events(&kubelet).await;
}

/// A driver that hangs in a read: what is known is served, registered anew, and allocated.
#[tokio::test]
async fn a_discovery_that_hangs_stops_nothing_else() {
    let world = World::with([("red", "")]);
    let (kubelet, plugin) = world.running().await;
    let hanging = Hanging::begin(&world, &plugin).await;
    let client = world.connect(PAINT).await;
    client.allocate(["red"]).await.unwrap();
    client.lists().await.unwrap().message().await.unwrap().unwrap();
    kubelet.restart().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(PAINT) == 1).await.unwrap();
    world.set("blue", "");
    drop(hanging);
    world.agrees(&kubelet).await;
}

#[tokio::test]
async fn a_discovery_that_hangs_does_not_keep_the_plugin_from_stopping() {
    let world = World::with([("red", "")]);
    let (kubelet, plugin) = world.running().await;
    let _hanging = Hanging::begin(&world, &plugin).await;
    plugin.stop().await;
    assert!(!world.socket(PAINT).exists());
    kubelet.wait_until(|state| !state.resources[PAINT].connected).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_unreadable_device_is_a_warning_and_not_the_end_of_the_others() {
    let world = World::with([("red", "")]);
    std::os::unix::fs::symlink("nowhere", world.host.outside("/etc/colors/dangling")).unwrap();
    std::fs::create_dir(world.host.outside("/etc/colors/folder")).unwrap();
    let kubelet = world.kubelet();
    let _plugin = world.start();
    world.agrees(&kubelet).await;
    until("both warnings", || world.log.count("WARN color.example.com: cannot ") == 2).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_plugin_prepares_is_found_and_what_it_cannot_is_said_once() {
    let world = World::with([("green", "")]);
    world.file("/sys/mixed", "green");
    let (_kubelet, plugin) = world.running().await;
    world.connect(PAINT).await.allocate(["green-0"]).await.unwrap();
    world.file("/sys/mixed", "brown");
    for _ in 0..2 {
        plugin.rescan.request();
        pass(Duration::from_mins(1)).await;
    }
    assert_eq!(world.log.count("cannot write to /etc/colors/brown"), 1);
}
