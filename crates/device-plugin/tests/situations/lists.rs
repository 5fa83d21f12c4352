//! What the kubelet is told, and when.

use std::time::Duration;

use device_plugin::api;
use simulator::kubelet::{EventKind, Faults, Kubelet};
use tokio::time::timeout;
use tonic::Streaming;

use super::world::{INK, PAINT, World, known, pass};

type Lists = Streaming<api::ListAndWatchResponse>;

/// The ids of the next list.
async fn next(lists: &mut Lists) -> Vec<String> {
    let list = timeout(Duration::from_mins(10), lists.message()).await.expect("no list").unwrap().unwrap();
    list.devices.into_iter().map(|device| device.id).collect()
}

/// All lists that the kubelet got, by their lengths.
fn lengths(kubelet: &Kubelet) -> Vec<usize> {
    let lengths = kubelet.events().into_iter().map(|event| match event.kind {
        EventKind::List { devices, .. } => Some(devices),
        _ => None,
    });
    lengths.flatten().collect()
}

/// F3: the reference's first list is empty, after each restart of the kubelet, too.
#[tokio::test(start_paused = true)]
async fn the_first_list_is_the_real_one() {
    let world = World::with([("red", ""), ("blue", "")]);
    let (kubelet, _plugin) = world.running().await;
    for _ in 0..10 {
        kubelet.restart().await.unwrap();
        world.agrees(&kubelet).await;
    }
    assert_eq!(lengths(&kubelet), [2; 11]);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_devices_is_not_registered_until_it_has() {
    let world = World::new();
    let kubelet = world.kubelet();
    let plugin = world.start();
    pass(Duration::from_mins(5)).await;
    assert_eq!(kubelet.events().len(), 1, "the kubelet started, and that was all");
    assert_eq!(plugin.status.not_ready(), None);
    world.set("red", "");
    world.agrees_by_events(&kubelet).await;
    assert_eq!(lengths(&kubelet), [1]);
}

/// F13: the reference looks every 5 or 15 s.
#[tokio::test(start_paused = true)]
async fn a_change_is_told_by_events() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    world.set("blue", "");
    world.agrees_by_events(&kubelet).await;
    world.set("red", "sick dried up");
    world.agrees_by_events(&kubelet).await;
    world.set("red", "numa 0 1");
    world.agrees_by_events(&kubelet).await;
    world.remove("blue");
    world.agrees_by_events(&kubelet).await;
    assert_eq!(world.log.count("unhealthy: red: dried up"), 1);
    assert_eq!(world.log.count("healthy again: red"), 1);
    assert_eq!(known(&kubelet, PAINT).registrations, 1);
}

/// F2: the reference sends the list again at each look once a list had a topology, even an empty one.
#[tokio::test(start_paused = true)]
async fn nothing_is_sent_when_nothing_changed() {
    let world = World::with([("red", "numa 0"), ("blue", "numa"), ("green", "")]);
    let (kubelet, plugin) = world.running().await;
    for _ in 0..10 {
        world.connect(PAINT).await.allocate(["red", "blue"]).await.unwrap();
        let before = world.controls.script(|script| script.discoveries);
        plugin.rescan.request();
        world.looks_again(before).await;
        pass(Duration::from_secs(1)).await;
    }
    assert_eq!(known(&kubelet, PAINT).lists, 1);
}

/// A mount is in no list, but in what is allocated from then on.
#[tokio::test(start_paused = true)]
async fn a_change_that_the_kubelet_cannot_see_is_not_sent_but_holds() {
    let world = World::with([("red", "mount /old")]);
    let (kubelet, _plugin) = world.running().await;
    let plugin = world.connect(PAINT).await;
    let mount = async || plugin.allocate(["red"]).await.unwrap().mounts.remove(0).container_path;
    assert_eq!(mount().await, "/old");
    world.set("red", "mount /new");
    pass(Duration::from_secs(1)).await;
    assert_eq!(mount().await, "/new");
    assert_eq!(known(&kubelet, PAINT).lists, 1);
    // And the next change that can be seen is sent.
    world.set("red", "mount /new\nsick torn");
    world.agrees_by_events(&kubelet).await;
}

/// The list that changed and changed back while nobody could take it.
#[tokio::test(start_paused = true)]
async fn the_reason_of_an_ill_device_may_change_unsent() {
    let world = World::with([("red", "sick dry")]);
    let (kubelet, _plugin) = world.running().await;
    world.set("red", "sick empty");
    world.log.says("unhealthy: red: empty").await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(known(&kubelet, PAINT).lists, 1);
}

/// F1: the reference loses the first change after the kubelet's restart and crashes at the second.
#[tokio::test(start_paused = true)]
async fn a_change_long_after_a_restart_arrives() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    for i in 0..10 {
        kubelet.restart().await.unwrap();
        world.agrees(&kubelet).await;
        pass(Duration::from_mins(5)).await;
        for color in ["green", "blue"] {
            world.set(&format!("{color}{i}"), "");
            world.agrees_by_events(&kubelet).await;
        }
        assert_eq!(known(&kubelet, PAINT).registrations, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn changes_while_the_kubelet_is_away_arrive_when_it_is_back() {
    let world = World::with([("red", ""), ("blue", "")]);
    let (kubelet, _plugin) = world.running().await;
    kubelet.stop().await;
    world.remove("red");
    world.set("green", "");
    world.log.says("added: green").await;
    pass(Duration::from_mins(3)).await;
    kubelet.restart().await.unwrap();
    world.agrees_by_events(&kubelet).await;
    assert_eq!(lengths(&kubelet).len(), 2);
}

/// F15: in the reference two streams of one resource share one queue.
#[tokio::test(start_paused = true)]
async fn two_streams_both_get_every_change() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    let (one, two) = (world.connect(PAINT).await, world.connect(PAINT).await);
    let mut streams = [one.lists().await.unwrap(), two.lists().await.unwrap(), one.lists().await.unwrap()];
    for stream in &mut streams {
        assert_eq!(next(stream).await, ["red"]);
    }
    for (color, list) in [("blue", vec!["blue", "red"]), ("green", vec!["blue", "green", "red"])] {
        world.set(color, "");
        world.agrees_by_events(&kubelet).await;
        for stream in &mut streams {
            assert_eq!(next(stream).await, list);
        }
    }
}

/// F1: in the reference a stream whose reader went takes the next change with it.
#[tokio::test(start_paused = true)]
async fn a_stream_that_was_left_takes_nothing_from_another() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    for i in 0..20 {
        let client = world.connect(PAINT).await;
        let mut lists = client.lists().await.unwrap();
        next(&mut lists).await;
        drop((lists, client));
        world.set(&format!("blue{i}"), "");
        world.agrees_by_events(&kubelet).await;
    }
    assert_eq!(known(&kubelet, PAINT).registrations, 1);
}

/// F9: in the reference the second list that nobody takes stops everything.
#[tokio::test(start_paused = true)]
async fn who_reads_slowly_holds_up_nobody_and_gets_the_latest_list_in_the_end() {
    let name = "a-name-that-makes-the-list-long-with-few-units-of-it";
    let world = World::with([(name, "units 1500")]);
    let (kubelet, _plugin) = world.running().await;
    let client = world.connect(PAINT).await;
    let mut slow = client.lists().await.unwrap();
    // More than any buffer on the way holds.
    for i in 1..=60 {
        world.set(name, &format!("units {}", 1500 + i));
        world.agrees_by_events(&kubelet).await;
    }
    world.connect(PAINT).await.allocate([format!("{name}-1559")]).await.unwrap();
    let mut lists = 1;
    while next(&mut slow).await.len() != 1560 {
        lists += 1;
    }
    assert!(lists < 60, "it got {lists} lists, most of them stale");
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_reads_no_lists_gets_the_latest_when_it_does() {
    let world = World::with([("red", "units 1000")]);
    let (kubelet, _plugin) = world.running().await;
    kubelet.set_faults(|faults| faults.reads_no_lists = true);
    for units in 1001..1030 {
        world.set("red", &format!("units {units}"));
        pass(Duration::from_secs(1)).await;
    }
    kubelet.set_faults(|faults| *faults = Faults::default());
    world.agrees(&kubelet).await;
    assert_eq!(known(&kubelet, PAINT).registrations, 1);
}

#[tokio::test(start_paused = true)]
async fn a_resource_whose_last_device_goes_is_empty_at_once() {
    let world = World::with([("red", ""), ("blue", "resource ink")]);
    let (kubelet, _plugin) = world.running().await;
    world.remove("red");
    world.agrees_by_events(&kubelet).await;
    let paint = known(&kubelet, PAINT);
    assert!(paint.connected && paint.devices.is_empty());
    assert_eq!(known(&kubelet, INK).lists, 1, "another resource's change is no change");
    world.set("red", "");
    world.agrees_by_events(&kubelet).await;
    assert_eq!(known(&kubelet, PAINT).registrations, 1);
}

#[tokio::test(start_paused = true)]
async fn a_resource_without_devices_is_not_registered_with_the_next_kubelet() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    world.remove("red");
    world.agrees(&kubelet).await;
    kubelet.restart().await.unwrap();
    pass(Duration::from_mins(5)).await;
    assert_eq!(known(&kubelet, PAINT).registrations, 0);
    world.set("red", "");
    world.agrees_by_events(&kubelet).await;
}

#[tokio::test(start_paused = true)]
async fn a_resource_may_appear_later() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    world.set("blue", "resource ink");
    world.agrees_by_events(&kubelet).await;
    // And a device may change its resource.
    world.set("red", "resource ink");
    world.agrees_by_events(&kubelet).await;
    assert_eq!(known(&kubelet, PAINT).capacity(), 0);
}

/// F5: the reference leaves a resource behind that nobody updates, or crashes.
#[tokio::test(start_paused = true)]
async fn a_resource_may_go_before_it_is_registered() {
    let world = World::new();
    let kubelet = world.kubelet();
    let _plugin = world.start();
    for i in 0..20 {
        let color = format!("c{i}");
        world.set(&color, &format!("resource r{i}"));
        world.log.says(&format!("r{i}: added")).await;
        world.remove(&color);
        world.log.says(&format!("r{i}: removed")).await;
        pass(Duration::from_secs(2)).await;
        world.agrees(&kubelet).await;
        world.set(&color, &format!("resource r{i}"));
        world.agrees_by_events(&kubelet).await;
        world.remove(&color);
        world.agrees_by_events(&kubelet).await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_changes_at_once_are_few_looks() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    let before = world.controls.script(|script| script.discoveries);
    for i in 0..20 {
        world.set(&format!("blue{i}"), "");
        pass(Duration::from_millis(1)).await;
    }
    world.agrees_by_events(&kubelet).await;
    let looks = world.controls.script(|script| script.discoveries) - before;
    assert!(looks <= 4, "{looks} looks");
}

#[tokio::test(start_paused = true)]
async fn changes_that_never_stop_do_not_put_a_look_off() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    let endless = async {
        for i in 0..1000 {
            world.set("red", &format!("sick {i}"));
            pass(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        () = endless => panic!("the look was put off"),
        reached = kubelet.wait_until(|state| state.allocatable(PAINT) == 0) => reached.unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_warning_of_discovery_is_said_when_it_comes_and_when_it_goes() {
    let world = World::with([("red", "warn dusty"), ("blue", "")]);
    let (kubelet, plugin) = world.running().await;
    for _ in 0..5 {
        plugin.rescan.request();
        pass(Duration::from_mins(1)).await;
    }
    assert_eq!(world.log.count("red: dusty"), 1);
    world.set("red", "sick cleaned");
    world.agrees(&kubelet).await;
    assert_eq!(world.log.lines("dusty")[1], "INFO color.example.com: no more: red: dusty");
}

#[tokio::test(start_paused = true)]
async fn the_watched_folder_may_come_and_go() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    let (folder, away) = (world.host.outside(super::colors::FOLDER), world.host.outside("/away"));
    for _ in 0..5 {
        std::fs::rename(&folder, &away).unwrap();
        world.agrees_by_events(&kubelet).await;
        std::fs::rename(&away, &folder).unwrap();
        world.agrees_by_events(&kubelet).await;
    }
}
