use std::collections::BTreeMap;
use std::time::Duration;

use device_plugin::api;
use simulator::kubelet::{
    AdmissionError, ContainerDevice, ContainerMount, ContainerRequest, Kubelet, Options, PodRequest,
};
use tonic::Status;

use super::plugin::{Call, Plugin, RESOURCE, device, healthy, kubelet, kubelet_with, node, register};

const OTHER: &str = "color.example.com/brush";

/// The message of a pod that is rejected because devices cannot be allocated.
async fn rejection(kubelet: &Kubelet, pod: &PodRequest) -> String {
    match kubelet.admit(pod).await.unwrap_err() {
        AdmissionError::Rejected { reason, message, .. } if reason == "UnexpectedAdmissionError" => message,
        other => panic!("{other}"),
    }
}

async fn preferring(preferred: Result<Vec<&'static str>, Status>) -> (Kubelet, Plugin, tempfile::TempDir) {
    let (kubelet, folder) = kubelet(Options::default());
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["a", "b", "c", "d"]));
    plugin.script(|script| {
        script.options.get_preferred_allocation_available = true;
        script.preferred = Some(preferred);
    });
    plugin.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 4).await.unwrap();
    (kubelet, plugin, folder)
}

async fn pre_starting(options: Options) -> (Kubelet, Plugin, tempfile::TempDir) {
    let (kubelet, folder) = kubelet(options);
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red", "blue"]));
    plugin.script(|script| script.options.pre_start_required = true);
    plugin.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 2).await.unwrap();
    (kubelet, plugin, folder)
}

#[tokio::test]
async fn a_pod_gets_healthy_devices_until_none_is_free() {
    let mut devices = healthy(["red", "blue"]);
    devices.push(device("broken", api::UNHEALTHY, &[]));
    let (kubelet, plugin, _folder) = kubelet_with(Options::default(), devices).await;
    let first = kubelet.admit(&PodRequest::of("first", RESOURCE, 1)).await.unwrap();
    let main = &first.containers["main"];
    assert_eq!(main.devices[RESOURCE].iter().collect::<Vec<_>>(), ["blue"]);
    assert_eq!(main.options.devices[0].host_path, "/dev/blue");
    kubelet.admit(&PodRequest::of("second", RESOURCE, 1)).await.unwrap();
    assert_eq!(
        rejection(&kubelet, &PodRequest::of("third", RESOURCE, 1)).await,
        "Allocate failed due to requested number of devices unavailable for color.example.com/paint. Requested: 1, \
         Available: 0, which is unexpected"
    );
    assert_eq!(plugin.allocations(), [["blue"], ["red"]]);
    kubelet.remove_pod("first");
    assert_eq!(kubelet.state().in_use(RESOURCE).into_iter().collect::<Vec<_>>(), ["red"]);
    let again = kubelet.admit(&PodRequest::of("first", RESOURCE, 1)).await.unwrap();
    assert_eq!(again, first, "another pod of that name");
}

#[tokio::test]
async fn the_plugin_is_asked_once_for_each_resource_of_each_container() {
    let (kubelet, paint, folder) = kubelet_with(Options::default(), healthy(["red", "blue", "green"])).await;
    let brush = Plugin::serve(folder.path(), "brush.sock", healthy(["thin"]));
    register(folder.path(), brush.request(OTHER)).await.unwrap();
    kubelet.wait_until(|state| state.allocatable(OTHER) == 1).await.unwrap();
    let pod = PodRequest::new("pod")
        .container(ContainerRequest::new("one").with(RESOURCE, 2).with(OTHER, 1))
        .container(ContainerRequest::new("two").with(RESOURCE, 1).with(OTHER, 0));
    let admission = kubelet.admit(&pod).await.unwrap();
    let calls = |plugin: &Plugin| plugin.calls()[2..].to_vec();
    let ids = |ids: &[&str]| vec![ids.iter().map(|id| (*id).to_owned()).collect()];
    assert_eq!(calls(&paint), [Call::Allocate(ids(&["blue", "green"])), Call::Allocate(ids(&["red"]))]);
    assert_eq!(calls(&brush), [Call::Allocate(ids(&["thin"]))]);
    assert_eq!(admission.containers["two"].devices.keys().collect::<Vec<_>>(), [RESOURCE]);
}

#[tokio::test]
async fn answers_for_one_container_are_merged() {
    let (kubelet, paint, folder) = kubelet_with(Options::default(), healthy(["red"])).await;
    let brush = Plugin::serve(folder.path(), "brush.sock", healthy(["thin"]));
    register(folder.path(), brush.request(OTHER)).await.unwrap();
    kubelet.wait_until(|state| state.allocatable(OTHER) == 1).await.unwrap();
    let mount =
        |host: &str| api::Mount { container_path: "/m".into(), host_path: host.into(), read_only: true };
    let cdi = |name: &str| api::CdiDevice { name: name.into() };
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let answer = |host: &str| api::ContainerAllocateResponse {
        envs: map(&[("BOTH", host), (host, "1")]),
        mounts: vec![mount(host), mount(host)],
        devices: vec![node(host, "/dev/same"), node(host, "/dev/same"), node(host, host)],
        annotations: map(&[("both", host)]),
        cdi_devices: vec![cdi("a/b=c"), cdi(host), cdi(host)],
    };
    brush.script(|script| script.allocated = Some(Ok(answer("first"))));
    paint.script(|script| script.allocated = Some(Ok(answer("second"))));
    let pod =
        PodRequest::new("pod").container(ContainerRequest::new("main").with(RESOURCE, 1).with(OTHER, 1));
    let options = kubelet.admit(&pod).await.unwrap().containers["main"].options.clone();
    let device = |host: &str, container: &str| ContainerDevice {
        host_path: host.into(),
        container_path: container.into(),
        permissions: "rw".into(),
    };
    assert_eq!(
        options.devices,
        [device("first", "/dev/same"), device("first", "first"), device("second", "second")],
        "one for each path in the container, and the first answer counts"
    );
    let mount = ContainerMount { host_path: "first".into(), container_path: "/m".into(), read_only: true };
    assert_eq!(options.mounts, [mount]);
    assert_eq!(options.env, BTreeMap::from([("BOTH", "first"), ("first", "1"), ("second", "1")].map(owned)));
    assert_eq!(options.annotations, BTreeMap::from([("both", "first")].map(owned)));
    assert_eq!(options.cdi_devices, ["a/b=c", "first", "second"]);
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[tokio::test]
async fn a_preference_is_a_hint_among_free_devices() {
    let (kubelet, plugin, _folder) = preferring(Ok(vec!["d", "no-such"])).await;
    let first = kubelet.admit(&PodRequest::of("first", RESOURCE, 1)).await.unwrap();
    assert_eq!(first.containers["main"].devices[RESOURCE].iter().collect::<Vec<_>>(), ["d"]);
    let second = kubelet.admit(&PodRequest::of("second", RESOURCE, 2)).await.unwrap();
    assert_eq!(
        second.containers["main"].devices[RESOURCE].iter().collect::<Vec<_>>(),
        ["a", "b"],
        "d is not free"
    );
    let asked: Vec<Call> =
        plugin.calls().into_iter().filter(|call| matches!(call, Call::Prefer { .. })).collect();
    let asked_for = |available: &[&str], size| Call::Prefer {
        available: available.iter().map(|id| (*id).to_owned()).collect(),
        must_include: Vec::new(),
        size,
    };
    assert_eq!(asked, [asked_for(&["a", "b", "c", "d"], 1), asked_for(&["a", "b", "c"], 2)]);
}

#[tokio::test]
async fn too_long_a_preference_is_cut() {
    let (kubelet, _plugin, _folder) = preferring(Ok(vec!["d", "c", "b", "a"])).await;
    let pod = kubelet.admit(&PodRequest::of("pod", RESOURCE, 2)).await.unwrap();
    assert_eq!(pod.containers["main"].devices[RESOURCE].len(), 2);
}

#[tokio::test]
async fn a_failing_preference_rejects_the_pod() {
    let (kubelet, plugin, _folder) = preferring(Err(Status::internal("no idea"))).await;
    assert_eq!(
        rejection(&kubelet, &PodRequest::of("pod", RESOURCE, 1)).await,
        "Allocate failed due to device plugin GetPreferredAllocation rpc failed with err: rpc error: code = Internal \
         desc = no idea, which is unexpected"
    );
    assert!(plugin.allocations().is_empty());
}

#[tokio::test]
async fn a_failing_allocation_rejects_the_pod_and_leaves_nothing_in_use() {
    let (kubelet, plugin, folder) = kubelet_with(Options::default(), healthy(["red"])).await;
    let brush = Plugin::serve(folder.path(), "brush.sock", healthy(["thin"]));
    register(folder.path(), brush.request(OTHER)).await.unwrap();
    kubelet.wait_until(|state| state.allocatable(OTHER) == 1).await.unwrap();
    plugin.script(|script| script.allocated = Some(Err(Status::failed_precondition("red is gone"))));
    let pod = PodRequest::new("pod")
        .container(ContainerRequest::new("one").with(OTHER, 1))
        .container(ContainerRequest::new("two").with(RESOURCE, 1));
    assert_eq!(
        rejection(&kubelet, &pod).await,
        "Allocate failed due to rpc error: code = FailedPrecondition desc = red is gone, which is unexpected"
    );
    assert_eq!(brush.allocations(), [["thin"]]);
    assert!(kubelet.state().in_use(OTHER).is_empty());
    assert!(kubelet.state().pods.is_empty());
}

#[tokio::test]
async fn devices_of_init_containers_are_used_again() {
    let (kubelet, plugin, _folder) = preferring(Ok(vec!["d", "c"])).await;
    let pod = PodRequest::new("pod")
        .container(ContainerRequest::new("main").with(RESOURCE, 3))
        .container(ContainerRequest::new("check").with(RESOURCE, 2).init());
    let admission = kubelet.admit(&pod).await.unwrap();
    assert_eq!(admission.containers["check"].devices[RESOURCE].iter().collect::<Vec<_>>(), ["c", "d"]);
    assert_eq!(admission.containers["main"].devices[RESOURCE].iter().collect::<Vec<_>>(), ["a", "c", "d"]);
    let Some(Call::Prefer { available, must_include, size }) =
        plugin.calls().into_iter().rfind(|call| matches!(call, Call::Prefer { .. }))
    else {
        panic!("{:?}", plugin.calls())
    };
    assert_eq!((available.len(), must_include, size), (4, vec!["c".to_owned(), "d".to_owned()], 3));
    assert_eq!(kubelet.state().in_use(RESOURCE).len(), 3);
}

#[tokio::test]
async fn devices_of_sidecars_are_kept() {
    let (kubelet, _plugin, _folder) = kubelet_with(Options::default(), healthy(["a", "b", "c"])).await;
    let pod = PodRequest::new("pod")
        .container(ContainerRequest::new("check").with(RESOURCE, 2).init())
        .container(ContainerRequest::new("proxy").with(RESOURCE, 1).sidecar())
        .container(ContainerRequest::new("main").with(RESOURCE, 2));
    let containers = kubelet.admit(&pod).await.unwrap().containers;
    let devices =
        |name: &str| containers[name].devices[RESOURCE].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(devices("check"), ["a", "b"]);
    assert_eq!(devices("proxy"), ["a"], "used again");
    assert_eq!(devices("main"), ["b", "c"], "what is left of the init container's, and a free one");
}

#[tokio::test]
async fn the_plugin_prepares_devices_before_every_start_and_allocates_them_once() {
    let (kubelet, plugin, _folder) = pre_starting(Options::default()).await;
    let pod = PodRequest::of("pod", RESOURCE, 1);
    kubelet.admit(&pod).await.unwrap();
    let again = kubelet.restart_container(&pod, "main").await.unwrap();
    assert_eq!(again.options.devices[0].host_path, "/dev/blue");
    let blue = || vec!["blue".to_owned()];
    let calls = [Call::Allocate(vec![blue()]), Call::PreStart(blue()), Call::PreStart(blue())];
    assert_eq!(plugin.calls()[2..], calls);
    let missing = kubelet.restart_container(&pod, "other").await.unwrap_err();
    assert_eq!(missing.to_string(), "pod \"pod\" has no container \"other\"");
}

#[tokio::test]
async fn a_container_whose_devices_are_not_prepared_does_not_start_and_keeps_them() {
    let (kubelet, plugin, _folder) = pre_starting(Options::default()).await;
    plugin.script(|script| script.pre_started = Some(Status::failed_precondition("cannot reset blue")));
    let pod = PodRequest::of("pod", RESOURCE, 1);
    let error = kubelet.admit(&pod).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "container \"main\" of pod \"pod\" cannot be started: device plugin PreStartContainer rpc failed with err: \
         rpc error: code = FailedPrecondition desc = cannot reset blue"
    );
    assert!(kubelet.state().in_use(RESOURCE).contains("blue"));
    plugin.script(|script| script.pre_started = None);
    kubelet.restart_container(&pod, "main").await.unwrap();
    assert_eq!(plugin.allocations(), [["blue"]]);
}

#[tokio::test]
async fn the_kubelet_does_not_wait_for_ever_for_devices_to_be_prepared() {
    let limit = Duration::from_millis(20);
    let (kubelet, plugin, _folder) =
        pre_starting(Options { pre_start_limit: limit, ..Options::default() }).await;
    plugin.script(|script| script.pre_start_hangs = true);
    let error = kubelet.admit(&PodRequest::of("pod", RESOURCE, 1)).await.unwrap_err();
    assert!(
        error.to_string().ends_with("code = DeadlineExceeded desc = context deadline exceeded"),
        "{error}"
    );
}

#[tokio::test]
async fn a_pod_that_comes_before_the_plugin_gets_nothing_and_its_devices_later() {
    let (kubelet, folder) = kubelet(Options::default());
    let pod = PodRequest::of("pod", RESOURCE, 1);
    let admission = kubelet.admit(&pod).await.unwrap();
    assert!(admission.containers["main"].devices.is_empty());
    let plugin = Plugin::serve(folder.path(), "paint.sock", healthy(["red"]));
    plugin.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 1).await.unwrap();
    assert!(kubelet.state().in_use(RESOURCE).is_empty());
    let restarted = kubelet.restart_container(&pod, "main").await.unwrap();
    assert_eq!(restarted.options.devices[0].host_path, "/dev/red");
}

#[tokio::test]
async fn pods_are_rejected_while_nobody_serves_the_resource() {
    let (kubelet, plugin, _folder) = kubelet_with(Options::default(), healthy(["red"])).await;
    plugin.stop().await;
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 0).await.unwrap();
    assert_eq!(
        rejection(&kubelet, &PodRequest::of("pod", RESOURCE, 1)).await,
        "Allocate failed due to no healthy devices present; cannot allocate unhealthy devices \
         color.example.com/paint, which is unexpected"
    );
}

#[tokio::test]
async fn pods_are_admitted_one_after_the_other() {
    let (kubelet, plugin, _folder) = kubelet_with(Options::default(), healthy(["red", "blue"])).await;
    let pods = ["one", "two"].map(|name| PodRequest::of(name, RESOURCE, 1));
    let (one, two) = tokio::join!(kubelet.admit(&pods[0]), kubelet.admit(&pods[1]));
    one.unwrap();
    two.unwrap();
    assert_eq!(plugin.allocations(), [["blue"], ["red"]]);
}
