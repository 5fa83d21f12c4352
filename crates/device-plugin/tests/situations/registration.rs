//! The kubelet comes, goes and misbehaves, and so do the sockets.

use std::fs;
use std::time::Duration;

use device_plugin::{Manager, STREAM_GRACE};
use simulator::kubelet::{EventKind, Faults, Kubelet, Options, PodRequest, RegisterFault};
use tokio::net::UnixListener;
use tokio::time::Instant;

use super::world::{AN_EVENT, PAINT, World, known, pass};

fn with(faults: impl IntoIterator<Item = RegisterFault>) -> Options {
    Options {
        faults: Faults { register: faults.into_iter().collect(), ..Faults::default() },
        ..Options::default()
    }
}

fn refuse(why: &str) -> RegisterFault {
    RegisterFault::Refuse(why.to_owned())
}

async fn died(kubelet: &Kubelet) {
    kubelet.wait_until(|state| !state.running).await.unwrap();
}

/// F6: the reference exits.
#[tokio::test(start_paused = true)]
async fn a_kubelet_that_comes_late_is_waited_for_and_that_is_said_once() {
    let world = World::with([("red", "")]);
    fs::create_dir(world.folder()).unwrap();
    let _plugin = world.start();
    world.log.says("waiting for the kubelet").await;
    pass(Duration::from_mins(10)).await;
    let kubelet = world.kubelet();
    world.agrees_by_events(&kubelet).await;
    assert_eq!(world.log.count("waiting for the kubelet"), 1);
    assert!(world.log.lines("WARN").is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_kubelets_folder_may_be_missing_at_the_start() {
    let world = World::with([("red", "")]);
    let _plugin = world.start();
    world.log.says("waiting for the kubelet").await;
    let kubelet = world.kubelet();
    world.agrees_by_events(&kubelet).await;
}

#[tokio::test(start_paused = true)]
async fn the_kubelets_folder_may_be_removed_and_made_again() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    kubelet.stop().await;
    fs::remove_dir_all(world.folder()).unwrap();
    world.log.says("waiting for the kubelet").await;
    kubelet.restart().await.unwrap();
    world.agrees_by_events(&kubelet).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_said_once_for_each_reason_and_tried_again() {
    let world = World::with([("red", "")]);
    let reasons = ["not now", "go away"];
    let kubelet = world.kubelet_with(with(reasons.iter().flat_map(|why| (0..10).map(|_| refuse(why)))));
    let _plugin = world.start();
    world.agrees(&kubelet).await;
    for why in reasons {
        assert_eq!(world.log.count(why), 1, "{:?}", world.log.lines(why));
    }
    assert_eq!(world.log.count("WARN"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_is_about_to_listen_is_no_news() {
    let world = World::with([("red", "")]);
    fs::create_dir(world.folder()).unwrap();
    // Bound and not listening yet looks the same as nobody's socket.
    drop(UnixListener::bind(world.kubelet_socket()).unwrap());
    let plugin = world.start();
    pass(Duration::from_millis(20)).await;
    let kubelet = world.kubelet();
    world.agrees_by_events(&kubelet).await;
    assert!(world.log.lines("WARN").is_empty());
    plugin.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_kubelet_socket_is_said_once_and_outlived() {
    let world = World::with([("red", "")]);
    fs::create_dir(world.folder()).unwrap();
    drop(UnixListener::bind(world.kubelet_socket()).unwrap());
    let _plugin = world.start();
    world.log.says("cannot register, will try on").await;
    pass(Duration::from_mins(10)).await;
    assert_eq!(world.log.count("WARN"), 1);
    let kubelet = world.kubelet();
    world.agrees_by_events(&kubelet).await;
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_socket_that_is_no_socket_is_outlived() {
    let world = World::with([("red", "")]);
    fs::create_dir(world.folder()).unwrap();
    fs::create_dir(world.kubelet_socket()).unwrap();
    let _plugin = world.start();
    world.log.says("cannot register, will try on").await;
    fs::remove_dir(world.kubelet_socket()).unwrap();
    let kubelet = world.kubelet();
    world.agrees_by_events(&kubelet).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_given_up_and_said() {
    let world = World::with([("red", "")]);
    let kubelet = world.kubelet_with(with([RegisterFault::Hang(Duration::MAX)]));
    let began = Instant::now();
    let _plugin = world.start();
    world.agrees(&kubelet).await;
    assert!(began.elapsed() >= Duration::from_secs(10), "the kubelet takes up to 10 s");
    assert_eq!(world.log.count("no answer within"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_late_is_waited_for() {
    let world = World::with([("red", "")]);
    let kubelet = world.kubelet_with(with([RegisterFault::Hang(Duration::from_secs(9))]));
    let _plugin = world.start();
    world.agrees(&kubelet).await;
    assert_eq!(known(&kubelet, PAINT).registrations, 1);
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_accepts_nothing_may_do_so_later() {
    let world = World::with([("red", "")]);
    let faults = Faults { accepts_nothing: true, ..Faults::default() };
    let kubelet = world.kubelet_with(Options { faults, ..Options::default() });
    let _plugin = world.start();
    pass(Duration::from_secs(40)).await;
    assert_eq!(kubelet.resources().len(), 0);
    kubelet.set_faults(|faults| faults.accepts_nothing = false);
    world.agrees(&kubelet).await;
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_hangs_may_be_restarted() {
    let world = World::with([("red", "")]);
    let kubelet = world.kubelet_with(with([RegisterFault::Hang(Duration::MAX)]));
    let _plugin = world.start();
    let called_back = |kind: &EventKind| matches!(kind, EventKind::CalledBack { .. });
    kubelet.wait_until(|state| state.events.iter().any(|event| called_back(&event.kind))).await.unwrap();
    kubelet.restart().await.unwrap();
    world.agrees_by_events(&kubelet).await;
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_removed_during_a_registration_is_made_anew_at_once() {
    let world = World::with([("red", "")]);
    let kubelet = world.kubelet_with(with([RegisterFault::Hang(Duration::MAX)]));
    let _plugin = world.start();
    let called_back = |kind: &EventKind| matches!(kind, EventKind::CalledBack { .. });
    kubelet.wait_until(|state| state.events.iter().any(|event| called_back(&event.kind))).await.unwrap();
    fs::remove_file(world.socket(PAINT)).unwrap();
    world.agrees_by_events(&kubelet).await;
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_may_stop_at_every_step_of_a_registration() {
    for fault in [RegisterFault::StopBeforeDial, RegisterFault::StopBeforeAnswer] {
        let world = World::with([("red", "")]);
        let kubelet = world.kubelet_with(with([fault]));
        let _plugin = world.start();
        died(&kubelet).await;
        kubelet.restart().await.unwrap();
        world.agrees_by_events(&kubelet).await;
    }
}

/// F6, F7: it is noticed by events that nothing was lost between, however often.
#[tokio::test(start_paused = true)]
async fn a_restarted_kubelet_gets_one_registration() {
    let world = World::with([("red", ""), ("blue", "resource ink")]);
    let (kubelet, _plugin) = world.running().await;
    for _ in 0..20 {
        kubelet.restart().await.unwrap();
        world.agrees_by_events(&kubelet).await;
        assert_eq!(known(&kubelet, PAINT).registrations, 1);
    }
    pass(Duration::from_mins(10)).await;
    assert_eq!(known(&kubelet, PAINT).registrations, 1);
    assert!(world.log.lines("WARN").is_empty(), "{:?}", world.log.lines("WARN"));
}

/// F7: a kubelet that finds the folder as it left it, with the plugin's socket.
#[tokio::test(start_paused = true)]
async fn a_restarted_kubelet_that_leaves_other_sockets_alone_is_noticed() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    let (socket, kept) = (world.socket(PAINT), world.folder().join("kept"));
    kubelet.stop().await;
    drop(kubelet);
    // Nothing waits between these, so that the plugin sees them as one.
    fs::hard_link(&socket, world.host.outside("/kept")).unwrap();
    let kubelet = world.kubelet();
    fs::rename(world.host.outside("/kept"), &kept).unwrap();
    fs::rename(&kept, &socket).unwrap();
    world.agrees_by_events(&kubelet).await;
    assert_eq!(world.log.count("the kubelet was restarted"), 1);
    assert_eq!(world.log.count("the socket was removed"), 0);
}

/// Not at once, or kubelets up to 1.36 take the end of the list that they had for the end of the new one.
#[tokio::test(start_paused = true)]
async fn a_removed_socket_is_made_again_and_registered_when_the_kubelet_knows_of_the_end() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    for times in 2..5 {
        fs::remove_file(world.socket(PAINT)).unwrap();
        let began = Instant::now();
        kubelet.wait_until(|state| state.resources[PAINT].registrations == times).await.unwrap();
        assert!(began.elapsed() < STREAM_GRACE + AN_EVENT);
        pass(STREAM_GRACE).await;
        world.agrees(&kubelet).await;
        kubelet.admit(&PodRequest::of("pod", PAINT, 1)).await.unwrap();
        kubelet.remove_pod("pod");
    }
    assert_eq!(world.log.count("the socket was removed"), 3);
}

/// The kubelet is the same one, and has to know of the end, too.
#[tokio::test(start_paused = true)]
async fn a_folder_that_was_away_for_a_moment_is_registered_in_again() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    let away = world.host.outside("/away");
    fs::rename(world.folder(), &away).unwrap();
    world.log.says("waiting for the kubelet").await;
    fs::rename(&away, world.folder()).unwrap();
    kubelet.wait_until(|state| state.resources[PAINT].registrations == 2).await.unwrap();
    pass(STREAM_GRACE).await;
    world.agrees(&kubelet).await;
    kubelet.admit(&PodRequest::of("pod", PAINT, 1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_file_in_the_sockets_place_is_replaced() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    fs::write(world.folder().join("text"), "no socket").unwrap();
    fs::rename(world.folder().join("text"), world.socket(PAINT)).unwrap();
    kubelet.wait_until(|state| state.resources[PAINT].registrations == 2).await.unwrap();
    world.agrees(&kubelet).await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_in_the_sockets_place_is_complained_of_once() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    fs::remove_file(world.socket(PAINT)).unwrap();
    fs::create_dir(world.socket(PAINT)).unwrap();
    world.log.says("cannot listen on").await;
    pass(Duration::from_mins(10)).await;
    assert_eq!(world.log.count("cannot listen on"), 1);
    fs::remove_dir(world.socket(PAINT)).unwrap();
    kubelet.wait_until(|state| state.resources[PAINT].registrations == 2).await.unwrap();
    world.agrees(&kubelet).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_list_is_registered_anew_but_ever_more_slowly() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    let began = Instant::now();
    for times in 2..12 {
        assert!(kubelet.drop_stream(PAINT));
        kubelet.wait_until(|state| state.resources[PAINT].registrations == times).await.unwrap();
        world.agrees(&kubelet).await;
    }
    let took = began.elapsed();
    assert!(took > Duration::from_mins(4) && took < Duration::from_mins(20), "{took:?}");
    assert_eq!(known(&kubelet, PAINT).registrations, 11);
}

#[tokio::test(start_paused = true)]
async fn nothing_happens_while_nothing_happens() {
    let world = World::with([("red", "numa 0"), ("blue", "numa")]);
    let (kubelet, plugin) = world.running().await;
    let (lines, events) = (world.log.count(""), kubelet.events().len());
    pass(Duration::from_hours(1)).await;
    assert_eq!(kubelet.events().len(), events);
    assert_eq!(world.log.count(""), lines, "{:?}", world.log.lines(""));
    assert_eq!(plugin.status.not_ready(), None);
    let looks = world.controls.script(|script| script.discoveries);
    assert!((60..=63).contains(&looks), "a look a minute, not {looks}");
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_is_dropped_leaves_no_socket() {
    let world = World::with([("red", "")]);
    let (kubelet, plugin) = world.running().await;
    plugin.abort().await;
    kubelet.wait_until(|state| !state.resources[PAINT].connected).await.unwrap();
    super::world::until("the socket is gone", || !world.socket(PAINT).exists()).await;
}

#[test]
fn a_manager_that_never_ran_does_nothing() {
    fn is_send<T: Send>(_: &T) {}
    let world = World::with([("red", "")]);
    let paths = device_plugin::Paths { kubelet: world.folder(), cdi: world.cdi() };
    let colors = super::colors::Colors { controls: world.controls.clone() };
    let manager = Manager::new(colors, world.host.clone(), paths, device_plugin::Rescan::default());
    is_send(&manager);
    assert!(manager.status().not_ready().is_some());
    drop(manager);
    assert!(!world.folder().exists() && !world.cdi().exists());
}
