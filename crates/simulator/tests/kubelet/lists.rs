use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use device_plugin::api;
use simulator::kubelet::{AdmissionError, EventKind, Options, PodRequest, State};

use super::plugin::{Plugin, RESOURCE, device, healthy, kubelet, kubelet_with, until};

#[tokio::test]
async fn every_list_is_whole_and_replaces_the_last() {
    let (kubelet, plugin, folder) = kubelet_with(Options::default(), healthy(["red", "blue"])).await;
    let checkpoint = || std::fs::metadata(folder.path().join("kubelet_internal_checkpoint")).unwrap().ino();
    let first = checkpoint();
    plugin.set_devices(vec![device("blue", api::UNHEALTHY, &[]), device("green", api::HEALTHY, &[1, 0])]);
    kubelet.wait_until(|state| state.resources[RESOURCE].lists == 2).await.unwrap();
    let resource = &kubelet.resources()[RESOURCE];
    assert_eq!((resource.capacity(), resource.allocatable()), (2, 1));
    assert_eq!(resource.devices.keys().collect::<Vec<_>>(), ["blue", "green"]);
    assert_eq!(resource.devices["green"].numa, [1, 0]);
    assert!(!resource.devices["blue"].healthy);
    assert_ne!(checkpoint(), first, "each list makes the kubelet write its checkpoint anew");
}

#[tokio::test]
async fn lists_are_logged_one_by_one() {
    let (kubelet, plugin, _folder) = kubelet_with(Options::default(), healthy(["red"])).await;
    plugin.set_devices(Vec::new());
    kubelet.wait_until(|state| state.resources[RESOURCE].lists == 2).await.unwrap();
    let lists = kubelet.events().into_iter().filter_map(|event| match event.kind {
        EventKind::List { resource, devices, healthy } => Some((resource, devices, healthy)),
        _ => None,
    });
    assert_eq!(lists.collect::<Vec<_>>(), [(RESOURCE.to_owned(), 1, 1), (RESOURCE.to_owned(), 0, 0)]);
}

#[tokio::test]
async fn the_end_of_the_stream_makes_all_devices_unhealthy() {
    let (kubelet, plugin, folder) = kubelet_with(Options::default(), healthy(["red", "blue"])).await;
    plugin.stop().await;
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 0).await.unwrap();
    let resource = &kubelet.resources()[RESOURCE];
    assert_eq!((resource.capacity(), resource.connected), (2, false));
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red", "blue"]));
    plugin.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 2).await.unwrap();
}

#[tokio::test]
async fn a_resource_is_forgotten_after_the_grace_period_and_the_node_has_none() {
    let options = Options { grace_period: Duration::from_millis(10), ..Options::default() };
    let (kubelet, plugin, folder) = kubelet_with(options, healthy(["red"])).await;
    plugin.stop().await;
    kubelet.wait_until(|state| state.resources[RESOURCE].forgotten).await.unwrap();
    assert_eq!(kubelet.state().capacity(RESOURCE), 0);
    let rejected = kubelet.admit(&PodRequest::of("pod", RESOURCE, 1)).await.unwrap_err();
    let message = format!("Node didn't have enough resource: {RESOURCE}, requested: 1, used: 0, capacity: 0");
    let reason = format!("OutOf{RESOURCE}");
    assert_eq!(rejected, AdmissionError::Rejected { pod: "pod".to_owned(), reason, message });
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
    plugin.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 1).await.unwrap();
    assert!(!kubelet.resources()[RESOURCE].forgotten);
}

#[tokio::test]
async fn a_plugin_that_is_back_in_time_is_not_forgotten() {
    let options = Options { grace_period: Duration::from_millis(300), ..Options::default() };
    let (kubelet, plugin, folder) = kubelet_with(options, healthy(["red"])).await;
    plugin.stop().await;
    // As soon as the end of its list is known.
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 0).await.unwrap();
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
    plugin.register().await.unwrap();
    // The other resource's end comes later than that of the first: then its grace period has passed, too.
    let other = Plugin::serve(folder.path(), "other.sock", healthy(["x"]));
    super::plugin::register(folder.path(), other.request("color.example.com/other")).await.unwrap();
    kubelet.wait_until(|state| state.allocatable("color.example.com/other") == 1).await.unwrap();
    other.stop().await;
    let forgotten = |state: &State| state.resources["color.example.com/other"].forgotten;
    kubelet.wait_until(forgotten).await.unwrap();
    assert_eq!(kubelet.state().allocatable(RESOURCE), 1);
}

#[tokio::test]
async fn a_list_of_more_than_4_mib_ends_the_stream() {
    // A device takes 63 bytes for its id, 7 for its health, twice 2 for the fields' headers and 2 for its own.
    let devices =
        |count: usize| (0..count).map(|n| device(&format!("{n:063}"), api::HEALTHY, &[])).collect::<Vec<_>>();
    let fitting = api::MAX_MESSAGE_BYTES / 76;
    let (kubelet, folder) = kubelet(Options::default());
    let plugin = Plugin::serve(folder.path(), "paint.sock", devices(fitting));
    plugin.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == fitting).await.unwrap();
    plugin.set_devices(devices(fitting + 1));
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 0).await.unwrap();
    assert_eq!(kubelet.state().capacity(RESOURCE), fitting);
    let Some(EventKind::StreamEnded { reason, .. }) = kubelet.events().pop().map(|event| event.kind) else {
        panic!("{}", kubelet.state());
    };
    assert!(reason.contains("4194304"), "{reason}");
}

#[tokio::test]
async fn a_state_that_does_not_come_is_an_error_that_shows_what_came() {
    let (kubelet, folder) = kubelet(Options { patience: Duration::from_millis(20), ..Options::default() });
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
    plugin.register().await.unwrap();
    until(|| kubelet.state().allocatable(RESOURCE) == 1).await;
    let error = kubelet.wait_until(|state| state.allocatable(RESOURCE) == 2).await.unwrap_err();
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(
            text.starts_with("what was waited for did not come within 20ms; the kubelet is:\nrunning\n"),
            "{text}"
        );
        let line = "color.example.com/paint: connected, 1 registrations, 1 lists, 1 of 1 devices healthy, 0 in use\n";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("ago: color.example.com/paint has 1 devices, 1 of them healthy\n"), "{text}");
    }
}
