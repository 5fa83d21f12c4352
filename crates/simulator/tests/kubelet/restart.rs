use std::os::unix::net::UnixStream;
use std::time::Duration;

use device_plugin::api;
use simulator::kubelet::{
    AdmissionError, ContainerRequest, EventKind, Kubelet, Options, PodRequest, RegisterFault, State,
};
use tokio::time::timeout;

use super::plugin::{Plugin, RESOURCE, device, healthy, kubelet_with, until};

async fn rejection(kubelet: &Kubelet, pod: &PodRequest) -> String {
    kubelet.admit(pod).await.unwrap_err().to_string()
}

/// The plugin as it does after a restart of the kubelet: a new socket.
async fn again(kubelet: &Kubelet, devices: Vec<api::Device>) -> Plugin {
    let capacity = devices.len();
    let plugin = Plugin::serve(kubelet.folder(), "paint.sock", devices);
    plugin.register().await.unwrap();
    kubelet.wait_until(|state| state.capacity(RESOURCE) == capacity).await.unwrap();
    plugin
}

#[tokio::test]
async fn a_restart_ends_streams_and_removes_sockets_and_the_resource_is_empty_until_it_registers() {
    let (kubelet, plugin, folder) = kubelet_with(Options::default(), healthy(["red"])).await;
    kubelet.restart().await.unwrap();
    assert!(!folder.path().join("paint.sock").exists());
    let resource = &kubelet.resources()[RESOURCE];
    assert_eq!((resource.capacity(), resource.registrations, resource.connected), (0, 0, false));
    let new = again(&kubelet, healthy(["red"])).await;
    assert_eq!(kubelet.resources()[RESOURCE].registrations, 1);
    until(|| plugin.streams() == 0).await;
    assert_eq!(new.streams(), 1);
    let started = kubelet.events().iter().filter(|event| event.kind == EventKind::Started).count();
    assert_eq!(started, 2, "events outlive the restart");
}

#[tokio::test]
async fn a_stopped_kubelet_leaves_its_socket_with_nobody_listening() {
    let (kubelet, plugin, folder) = kubelet_with(Options::default(), healthy(["red"])).await;
    kubelet.stop().await;
    assert!(!kubelet.state().running);
    let refused = UnixStream::connect(folder.path().join("kubelet.sock")).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let stopped = kubelet.admit(&PodRequest::of("pod", RESOURCE, 1)).await.unwrap_err();
    assert_eq!(stopped, AdmissionError::KubeletStopped);
    assert!(!kubelet.drop_stream(RESOURCE));
    kubelet.stop().await;
    plugin.set_devices(healthy(["red", "blue"]));
    kubelet.restart().await.unwrap();
    again(&kubelet, healthy(["red", "blue"])).await;
}

#[tokio::test]
async fn an_admission_ends_with_the_kubelet() {
    let (kubelet, plugin, _folder) = kubelet_with(Options::default(), healthy(["red"])).await;
    plugin.script(|script| script.allocate_hangs = true);
    let pod = PodRequest::of("pod", RESOURCE, 1);
    let stop = async {
        until(|| !plugin.allocations().is_empty()).await;
        kubelet.stop().await;
    };
    let both = async { tokio::join!(kubelet.admit(&pod), stop) };
    let (admitted, ()) = timeout(Duration::from_secs(30), both).await.unwrap();
    assert_eq!(admitted, Err(AdmissionError::KubeletStopped));
}

#[tokio::test]
async fn running_pods_keep_their_devices_over_a_restart_whatever_the_plugin_does() {
    let (kubelet, plugin, _folder) = kubelet_with(Options::default(), healthy(["red", "blue"])).await;
    plugin.script(|script| script.options.pre_start_required = true);
    plugin.register().await.unwrap();
    let pod = PodRequest::of("pod", RESOURCE, 1);
    let before = kubelet.admit(&pod).await.unwrap();
    let calls = plugin.calls();
    kubelet.restart().await.unwrap();
    assert_eq!(kubelet.admit(&pod).await.unwrap(), before, "before the plugin registers");
    let new = again(&kubelet, healthy(["red", "blue"])).await;
    assert_eq!(kubelet.admit(&pod).await.unwrap(), before, "and after");
    assert_eq!(plugin.calls(), calls);
    assert!(new.allocations().is_empty());
    let other = kubelet.admit(&PodRequest::of("other", RESOURCE, 1)).await.unwrap();
    assert_ne!(other, before, "the devices are still in use");
}

#[tokio::test]
async fn after_a_reboot_a_pod_needs_its_own_devices_healthy() {
    let pod = PodRequest::of("pod", RESOURCE, 1);
    let late = "no healthy devices present; cannot allocate unhealthy devices";
    let changed = "previously allocated devices are no longer healthy; cannot allocate unhealthy devices";
    let sick = || vec![device("blue", api::UNHEALTHY, &[]), device("red", api::HEALTHY, &[])];
    let cases = [
        ("the plugin is late", None, Some(late)),
        ("all is there", Some(healthy(["blue", "red"])), None),
        ("the device is gone", Some(healthy(["red"])), Some(changed)),
        ("the device is not healthy", Some(sick()), Some(changed)),
    ];
    for (case, devices, error) in cases {
        let (kubelet, _plugin, _folder) = kubelet_with(Options::default(), healthy(["blue", "red"])).await;
        let before = kubelet.admit(&pod).await.unwrap();
        kubelet.reboot().await.unwrap();
        let mut new = None;
        if let Some(devices) = devices {
            new = Some(again(&kubelet, devices).await);
        }
        let Some(error) = error else {
            assert_eq!(kubelet.admit(&pod).await.unwrap(), before, "{case}");
            assert!(new.unwrap().allocations().is_empty(), "{case}: nothing is allocated anew");
            continue;
        };
        let rejected = rejection(&kubelet, &pod).await;
        let expected = format!(
            "pod \"pod\" was rejected: UnexpectedAdmissionError: Allocate failed due to {error} {RESOURCE}, which is \
             unexpected"
        );
        assert_eq!(rejected, expected, "{case}");
        assert!(kubelet.state().in_use(RESOURCE).is_empty(), "{case}: a rejected pod has nothing");
    }
}

#[tokio::test]
async fn finished_init_containers_do_not_run_again_after_a_restart() {
    let (kubelet, _plugin, _folder) = kubelet_with(Options::default(), healthy(["blue", "red"])).await;
    let pod = PodRequest::new("pod")
        .container(ContainerRequest::new("check").with(RESOURCE, 1).init())
        .container(ContainerRequest::new("main").with(RESOURCE, 1));
    let before = kubelet.admit(&pod).await.unwrap();
    kubelet.restart().await.unwrap();
    let plugin = Plugin::serve(kubelet.folder(), "paint.sock", healthy(["blue", "red"]));
    plugin.script(|script| script.options.pre_start_required = true);
    plugin.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 2).await.unwrap();
    assert_eq!(kubelet.admit(&pod).await.unwrap(), before);
    assert_eq!(plugin.calls().len(), 2, "{:?}", plugin.calls());
}

#[tokio::test]
async fn another_kubelet_in_the_folder_remembers_the_allocations() {
    let (kubelet, _plugin, folder) = kubelet_with(Options::default(), healthy(["red"])).await;
    kubelet.admit(&PodRequest::of("pod", RESOURCE, 1)).await.unwrap();
    drop(kubelet);
    let kubelet = Kubelet::start(folder.path(), Options::default()).unwrap();
    assert!(kubelet.state().in_use(RESOURCE).contains("red"));
    assert_eq!(kubelet.state().capacity(RESOURCE), 0);
    let more = rejection(&kubelet, &PodRequest::of("pod", RESOURCE, 2)).await;
    assert!(more.contains("changed request for resource \"color.example.com/paint\" from 1 to 2"), "{more}");
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_read_costs_only_the_allocations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubelet_internal_checkpoint");
    for content in [&b""[..], b"\0\xff", b"{\"pods\": 3}", b"{\"pods\": {}"] {
        std::fs::write(&path, content).unwrap();
        let kubelet = Kubelet::start(folder.path(), Options::default()).unwrap();
        assert!(kubelet.state().running);
        assert!(kubelet.state().pods.is_empty());
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let kubelet = Kubelet::start(folder.path(), Options::default()).unwrap();
    again(&kubelet, healthy(["red"])).await;
}

#[tokio::test]
async fn nothing_runs_on_when_a_kubelet_is_dropped() {
    let (kubelet, plugin, folder) = kubelet_with(Options::default(), healthy(["red"])).await;
    kubelet.admit(&PodRequest::of("pod", RESOURCE, 1)).await.unwrap();
    kubelet.set_faults(|faults| faults.register.push_back(RegisterFault::Hang(Duration::MAX)));
    let called_back = |kind: &EventKind| matches!(kind, EventKind::CalledBack { .. });
    let calls = |state: &State| state.events.iter().filter(|event| called_back(&event.kind)).count();
    let drop_while_registering = async {
        kubelet.wait_until(|state| calls(state) == 2).await.unwrap();
        drop(kubelet);
    };
    let (registered, ()) = tokio::join!(plugin.register(), drop_while_registering);
    registered.unwrap_err();
    plugin.stop().await;
    let tasks = tokio::runtime::Handle::current().metrics();
    until(|| tasks.num_alive_tasks() == 0).await;
    let refused = UnixStream::connect(folder.path().join("kubelet.sock")).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}
