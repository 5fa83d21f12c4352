use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use device_plugin::api;
use simulator::kubelet::{EventKind, Kubelet, KubeletError, Options, PodRequest};
use tokio::time::sleep;

use super::plugin::{Call, Plugin, RESOURCE, healthy, kubelet, kubelet_with, register, until};

#[tokio::test]
async fn the_kubelet_removes_all_sockets_and_makes_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let _leftovers = [path("old.sock"), path("kubelet.sock"), path("not-named-so")]
        .map(|p| UnixListener::bind(p).unwrap());
    std::fs::write(path("file.sock"), "").unwrap();
    std::fs::create_dir(path("folder.sock")).unwrap();
    std::os::unix::fs::symlink("nowhere", path("dangling.sock")).unwrap();
    std::os::unix::fs::symlink("loop.sock", path("loop.sock")).unwrap();
    let kubelet = Kubelet::start(folder.path(), Options::default()).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["dangling.sock", "file.sock", "folder.sock", "kubelet.sock", "loop.sock"]);
    assert!(std::fs::metadata(path("kubelet.sock")).unwrap().file_type().is_socket());
    assert!(kubelet.state().running);
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Kubelet::start(&file, Options::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot make the folder {}", file.display()));
    let long = folder.path().join("a".repeat(120));
    let error = Kubelet::start(&long, Options::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {}/kubelet.sock", long.display()));
}

#[test]
fn a_kubelet_needs_a_runtime() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Kubelet::start(folder.path(), Options::default()), Err(KubeletError::NoRuntime(_))));
}

#[tokio::test]
async fn a_plugin_is_called_back_before_it_gets_its_answer() {
    let (kubelet, folder) = kubelet(Options::default());
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
    plugin.register().await.unwrap();
    assert_eq!(plugin.calls().first(), Some(&Call::Options));
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 1).await.unwrap();
    assert_eq!(plugin.calls(), [Call::Options, Call::Lists]);
    let registered = &kubelet.resources()[RESOURCE];
    assert!(registered.connected);
    assert_eq!((registered.registrations, registered.lists), (1, 1));
}

#[tokio::test]
async fn the_options_that_count_are_those_of_the_call_back() {
    let (kubelet, folder) = kubelet(Options::default());
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red", "blue"]));
    let options =
        Some(api::DevicePluginOptions { pre_start_required: true, get_preferred_allocation_available: true });
    register(folder.path(), api::RegisterRequest { options, ..plugin.request(RESOURCE) }).await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 2).await.unwrap();
    kubelet.admit(&PodRequest::of("pod", RESOURCE, 1)).await.unwrap();
    let called_more = |call: &Call| matches!(call, Call::Prefer { .. } | Call::PreStart(_));
    assert!(!plugin.calls().iter().any(called_more), "{:?}", plugin.calls());
    assert_eq!(kubelet.resources()[RESOURCE].options, Some(api::DevicePluginOptions::default()));
}

#[tokio::test]
async fn what_the_kubelet_does_not_accept_is_refused_with_its_words() {
    let (kubelet, folder) = kubelet(Options { dial_limit: Duration::from_millis(50), ..Options::default() });
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
    let good = || plugin.request(RESOURCE);
    let cases = [
        (
            api::RegisterRequest { version: "v1alpha1".to_owned(), ..good() },
            "requested API version \"v1alpha1\" is not supported by kubelet. Supported version is [\"v1beta1\"]",
        ),
        (plugin.request("fpga.intel.com/"), "the ResourceName \"fpga.intel.com/\" is invalid"),
        (plugin.request("cpu"), "the ResourceName \"cpu\" is invalid"),
        (
            api::RegisterRequest { endpoint: "missing.sock".to_owned(), ..good() },
            "failed to dial device plugin: context deadline exceeded",
        ),
    ];
    for (request, reason) in cases {
        let resource = request.resource_name.clone();
        let status = register(folder.path(), request).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (tonic::Code::Unknown, reason));
        let reason = reason.to_owned();
        assert_eq!(kubelet.events().last().unwrap().kind, EventKind::NotRegistered { resource, reason });
    }
    assert!(plugin.calls().is_empty());
    assert!(kubelet.resources().is_empty());
}

#[tokio::test]
async fn a_plugin_that_serves_late_is_waited_for() {
    let (kubelet, folder) = kubelet(Options::default());
    let early = api::RegisterRequest {
        version: api::VERSION.to_owned(),
        endpoint: "paint.sock".to_owned(),
        resource_name: RESOURCE.to_owned(),
        options: None,
    };
    let late = async {
        // Long enough for the kubelet to have tried once: it tries again a second later.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        Plugin::serve(folder.path(), "paint.sock", healthy(["red"]))
    };
    let (answer, _plugin) = tokio::join!(register(folder.path(), early), late);
    answer.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 1).await.unwrap();
}

#[tokio::test]
async fn the_latest_registration_of_a_resource_counts() {
    let (kubelet, _old, folder) = kubelet_with(Options::default(), healthy(["red"])).await;
    let new = Plugin::serve(folder.path(), "new.sock", healthy(["blue", "green"]));
    new.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 2).await.unwrap();
    kubelet.admit(&PodRequest::of("pod", RESOURCE, 1)).await.unwrap();
    assert_eq!(new.allocations(), [["blue"]]);
}

#[tokio::test]
async fn the_end_of_an_old_instance_drops_the_new_one() {
    let (kubelet, old, folder) = kubelet_with(Options::default(), healthy(["red"])).await;
    let new = Plugin::serve(folder.path(), "new.sock", healthy(["blue", "green"]));
    new.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 2).await.unwrap();
    old.set_devices(healthy(["red", "black", "white"]));
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 3).await.expect("its lists count, too");
    old.stop().await;
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 0).await.unwrap();
    assert!(!kubelet.resources()[RESOURCE].connected);
    until(|| new.streams() == 0).await;
}

/// As a real one does that is asked to register within a millisecond after the end of the list that it had.
#[tokio::test]
async fn who_registers_before_an_end_is_known_is_listened_to_and_never_asked() {
    for (pause, allocatable) in [(0, 0), (1000, 1)] {
        let (kubelet, old, folder) = kubelet_with(Options::default(), healthy(["red"])).await;
        old.stop().await;
        let ended = |kind: &EventKind| matches!(kind, EventKind::StreamEnded { .. });
        kubelet.wait_until(|state| state.events.iter().any(|event| ended(&event.kind))).await.unwrap();
        sleep(Duration::from_millis(pause)).await;
        let new = Plugin::serve(folder.path(), "new.sock", healthy(["red"]));
        new.register().await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(kubelet.state().allocatable(RESOURCE), allocatable);
        assert_eq!(new.streams(), 1);
        assert_eq!(kubelet.admit(&PodRequest::of("pod", RESOURCE, 1)).await.is_ok(), allocatable > 0);
    }
}

#[tokio::test]
async fn instances_that_are_told_apart_do_not_disturb_one_another() {
    let options = Options { tells_instances_apart: true, ..Options::default() };
    let (kubelet, old, folder) = kubelet_with(options, healthy(["red"])).await;
    let new = Plugin::serve(folder.path(), "new.sock", healthy(["blue", "green"]));
    new.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 2).await.unwrap();
    until(|| old.streams() == 0).await;
    old.stop().await;
    new.set_devices(healthy(["blue"]));
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 1).await.unwrap();
    assert!(kubelet.resources()[RESOURCE].connected);
}

#[tokio::test]
async fn a_failed_registration_hides_the_end_of_the_other_instance() {
    for tells_instances_apart in [false, true] {
        let options = Options { tells_instances_apart, ..Options::default() };
        let (kubelet, plugin, folder) = kubelet_with(options, healthy(["red"])).await;
        let other = Plugin::serve(folder.path(), "other.sock", healthy(["blue"]));
        other.script(|script| script.options_fail = true);
        assert_eq!(
            other.register().await.unwrap_err().message(),
            "failed to get device plugin options: rpc error: code = Internal desc = broken"
        );
        plugin.stop().await;
        let ended = |kind: &EventKind| matches!(kind, EventKind::StreamEnded { .. });
        kubelet.wait_until(|state| state.events.iter().any(|event| ended(&event.kind))).await.unwrap();
        // Longer than such a kubelet takes to hold devices for gone.
        sleep(Duration::from_millis(500)).await;
        let stale = usize::from(!tells_instances_apart);
        assert_eq!(kubelet.state().allocatable(RESOURCE), stale, "apart: {tells_instances_apart}");
    }
}
