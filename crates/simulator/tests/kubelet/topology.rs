use device_plugin::api;
use simulator::kubelet::{AdmissionError, ContainerRequest, Kubelet, Options, PodRequest, TopologyPolicy};

use super::plugin::{Call, Plugin, RESOURCE, device, kubelet};

/// Two devices near node 0, three near node 1, and one near none. The plugin always prefers `a0`.
async fn node(topology: TopologyPolicy) -> (Kubelet, Plugin, tempfile::TempDir) {
    let (kubelet, folder) = kubelet(Options { topology, ..Options::default() });
    let near = [("a0", &[0][..]), ("b0", &[0]), ("c1", &[1]), ("d1", &[1]), ("e1", &[1]), ("f", &[])];
    let devices = near.map(|(id, numa)| device(id, api::HEALTHY, numa));
    let plugin = Plugin::serve(folder.path(), "paint.sock", devices.into());
    plugin.script(|script| {
        script.options.get_preferred_allocation_available = true;
        script.preferred = Some(Ok(vec!["a0", "e1"]));
    });
    plugin.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 6).await.unwrap();
    (kubelet, plugin, folder)
}

async fn devices(kubelet: &Kubelet, pod: &str, count: usize) -> Vec<String> {
    let admission = kubelet.admit(&PodRequest::of(pod, RESOURCE, count)).await.unwrap();
    admission.containers["main"].devices[RESOURCE].iter().cloned().collect()
}

#[tokio::test]
async fn without_a_policy_the_plugin_decides() {
    let (kubelet, _plugin, _folder) = node(TopologyPolicy::None).await;
    assert_eq!(devices(&kubelet, "pod", 2).await, ["a0", "e1"]);
}

#[tokio::test]
async fn devices_are_taken_near_one_node_and_the_plugin_chooses_among_those() {
    let (kubelet, plugin, _folder) = node(TopologyPolicy::BestEffort).await;
    assert_eq!(devices(&kubelet, "three", 3).await, ["c1", "d1", "e1"]);
    assert!(!plugin.calls().iter().any(|call| matches!(call, Call::Prefer { .. })), "there was no choice");
    assert_eq!(devices(&kubelet, "one", 1).await, ["a0"]);
    let Some(Call::Prefer { available, .. }) = plugin.calls().into_iter().rev().nth(1) else {
        panic!("{:?}", plugin.calls())
    };
    assert_eq!(available, ["a0", "b0"], "only what is near is offered");
    assert_eq!(devices(&kubelet, "rest", 2).await, ["b0", "f"]);
}

#[tokio::test]
async fn a_strict_policy_rejects_what_does_not_fit_one_node() {
    let (kubelet, plugin, _folder) = node(TopologyPolicy::SingleNumaNode).await;
    let rejected = kubelet.admit(&PodRequest::of("four", RESOURCE, 4)).await.unwrap_err();
    let expected = AdmissionError::Rejected {
        pod: "four".to_owned(),
        reason: "TopologyAffinityError".to_owned(),
        message: "Resources cannot be allocated with Topology locality".to_owned(),
    };
    assert_eq!(rejected, expected);
    assert!(plugin.allocations().is_empty());
    assert_eq!(devices(&kubelet, "three", 3).await, ["c1", "d1", "e1"]);
}

#[tokio::test]
async fn an_init_container_decides_where_the_others_are() {
    let (kubelet, plugin, _folder) = node(TopologyPolicy::SingleNumaNode).await;
    plugin.script(|script| script.preferred = Some(Ok(vec!["b0"])));
    let pod = PodRequest::new("pod")
        .container(ContainerRequest::new("check").with(RESOURCE, 1).init())
        .container(ContainerRequest::new("main").with(RESOURCE, 2));
    let containers = kubelet.admit(&pod).await.unwrap().containers;
    assert_eq!(containers["check"].devices[RESOURCE].iter().collect::<Vec<_>>(), ["b0"]);
    assert_eq!(containers["main"].devices[RESOURCE].iter().collect::<Vec<_>>(), ["a0", "b0"]);
}

#[tokio::test]
async fn a_pod_that_has_its_devices_is_aligned_by_those() {
    let (kubelet, plugin, _folder) = node(TopologyPolicy::SingleNumaNode).await;
    let pod = PodRequest::of("three", RESOURCE, 3);
    kubelet.admit(&pod).await.unwrap();
    kubelet.reboot().await.unwrap();
    let again = Plugin::serve(
        kubelet.folder(),
        "paint.sock",
        ["c1", "d1", "e1"].map(|id| device(id, api::HEALTHY, &[1])).into(),
    );
    again.register().await.unwrap();
    kubelet.wait_until(|state| state.allocatable(RESOURCE) == 3).await.unwrap();
    kubelet.admit(&pod).await.unwrap();
    assert_eq!((plugin.allocations().len(), again.allocations().len()), (1, 0));
}
