//! What containers get, and what is refused.

use std::time::Duration;

use device_plugin::Capabilities;
use simulator::kubelet::{AdmissionError, ContainerRequest, PodRequest};
use tonic::Code;

use super::world::{PAINT, World, known, pass};

/// What the plugin says about `ids`, which it must refuse.
async fn refusal(world: &World, ids: &[&str]) -> String {
    let status = world.connect(PAINT).await.allocate(ids.iter().copied()).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    status.message().to_owned()
}

#[tokio::test(start_paused = true)]
async fn an_unknown_device_is_refused_and_looked_for() {
    let world = World::with([("red", "")]);
    let (_kubelet, plugin) = world.running().await;
    let looks = world.controls.script(|script| script.discoveries);
    let message = refusal(&world, &["red", "blue"]).await;
    assert_eq!(message, "device blue cannot be allocated: this node has no such device");
    world.looks_again(looks).await;
    assert_eq!(plugin.status.not_ready(), None);
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_device_is_refused_with_the_reason() {
    let world = World::with([("red", "sick dried up"), ("blue", "")]);
    let (_kubelet, _plugin) = world.running().await;
    let message = refusal(&world, &["blue", "red"]).await;
    assert_eq!(message, "device red cannot be allocated: it is unhealthy: dried up");
}

/// The node goes when nothing that is watched tells of it: the kubelet's view is older than the hardware.
#[tokio::test(start_paused = true)]
async fn a_device_whose_node_vanished_is_refused_and_the_pod_says_why() {
    let world = World::new();
    world.file("/dev/red", "c 10:1");
    world.set("red", "node /dev/red");
    let (kubelet, _plugin) = world.running().await;
    std::fs::remove_file(world.host.outside("/dev/red")).unwrap();
    let looks = world.controls.script(|script| script.discoveries);
    let Err(AdmissionError::Rejected { reason, message, .. }) =
        kubelet.admit(&PodRequest::of("pod", PAINT, 1)).await
    else {
        panic!("it was admitted");
    };
    assert_eq!(reason, "UnexpectedAdmissionError");
    assert!(message.contains("device red cannot be allocated") && message.contains("/dev/red"), "{message}");
    assert_eq!(world.log.count("device red cannot be allocated"), 1);
    world.looks_again(looks).await;
    world.file("/dev/red", "c 10:1");
    kubelet.admit(&PodRequest::of("pod2", PAINT, 1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_device_with_another_driver_is_refused() {
    let world = World::with([("red", "driver brush")]);
    let driver = world.host.outside("/sys/colors/red/driver");
    std::fs::create_dir_all(driver.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("../../bus/drivers/brush", &driver).unwrap();
    let (_kubelet, _plugin) = world.running().await;
    world.connect(PAINT).await.allocate(["red"]).await.unwrap();
    std::fs::remove_file(&driver).unwrap();
    std::os::unix::fs::symlink("../../bus/drivers/pen", &driver).unwrap();
    let message = refusal(&world, &["red"]).await;
    assert!(message.ends_with("/sys/colors/red/driver leads to pen, not to brush any more"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_says_otherwise_now_is_refused() {
    let world = World::with([("red", "says wet")]);
    world.file("/sys/colors/red/says", "wet\n");
    let (_kubelet, _plugin) = world.running().await;
    world.connect(PAINT).await.allocate(["red"]).await.unwrap();
    world.file("/sys/colors/red/says", "dry\n");
    let message = refusal(&world, &["red"]).await;
    assert!(message.ends_with("/sys/colors/red/says says \"dry\", not \"wet\" any more"), "{message}");
}

/// F10: the reference repeats nodes and mounts for each unit.
#[tokio::test(start_paused = true)]
async fn what_units_share_is_given_once() {
    let world = World::new();
    for node in ["/dev/red", "/dev/blue", "/dev/both"] {
        world.file(node, "c 10:1");
    }
    world.set("red", "units 3\nnode /dev/red\nnode /dev/both\nmount /opt/paint\ncdi paint");
    world.set("blue", "node /dev/blue\nnode /dev/both\nmount /opt/paint");
    let (_kubelet, _plugin) = world.running().await;
    let answer = world.connect(PAINT).await.allocate(["red-2", "blue", "red-0"]).await.unwrap();
    let nodes: Vec<_> = answer.devices.iter().map(|node| node.container_path.as_str()).collect();
    assert_eq!(nodes, ["/dev/red", "/dev/both", "/dev/blue"]);
    let hosts: Vec<_> = answer.devices.iter().map(|node| node.host_path.clone()).collect();
    let outside = |path: &str| world.host.outside(path).display().to_string();
    assert_eq!(hosts, [outside("/dev/red"), outside("/dev/both"), outside("/dev/blue")]);
    assert_eq!(answer.mounts.len(), 1);
    assert_eq!(answer.cdi_devices.len(), 1);
    assert_eq!(answer.envs["COLORS"], "red-2,blue,red-0", "the hook knows each");
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_is_the_pods_reason() {
    let world = World::with([("red", "")]);
    let (kubelet, _plugin) = world.running().await;
    world.controls.script(|script| script.refusal = Some("no brush".to_owned()));
    let error = kubelet.admit(&PodRequest::of("pod", PAINT, 1)).await.unwrap_err();
    assert!(error.to_string().contains("no brush"), "{error}");
    world.controls.script(|script| script.refusal = None);
    let admission = kubelet.admit(&PodRequest::of("pod2", PAINT, 1)).await.unwrap();
    assert_eq!(admission.containers["main"].options.env["COLORS"], "red");
}

#[tokio::test(start_paused = true)]
async fn devices_are_prepared_at_every_start_of_a_container() {
    let world = World::with([("red", "")]);
    world.controls.script(|script| script.capabilities = Capabilities { pre_starts: true, prefers: false });
    let (kubelet, _plugin) = world.running().await;
    let pod = PodRequest::of("pod", PAINT, 1);
    kubelet.admit(&pod).await.unwrap();
    kubelet.restart_container(&pod, "main").await.unwrap();
    assert_eq!(world.controls.script(|script| script.pre_starts.clone()), [["red"], ["red"]]);

    world.controls.script(|script| script.refusal = Some("cannot rinse".to_owned()));
    let error = kubelet.restart_container(&pod, "main").await.unwrap_err();
    assert!(error.to_string().contains("cannot rinse"), "{error}");
    world.controls.script(|script| script.refusal = None);

    world.controls.script(|script| script.pre_start_panics = true);
    let error = kubelet.restart_container(&pod, "main").await.unwrap_err();
    assert!(error.to_string().contains("preparing the devices broke off"), "{error}");
    world.controls.script(|script| script.pre_start_panics = false);
    kubelet.restart_container(&pod, "main").await.unwrap();
    assert_eq!(known(&kubelet, PAINT).registrations, 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_plugin_does_not_do_is_not_asked_for_and_answered_all_the_same() {
    let world = World::with([("red", ""), ("blue", "")]);
    let (kubelet, _plugin) = world.running().await;
    let client = world.connect(PAINT).await;
    let options = client.options().await.unwrap();
    assert!(!options.pre_start_required && !options.get_preferred_allocation_available);
    kubelet.admit(&PodRequest::of("pod", PAINT, 1)).await.unwrap();
    world.controls.script(|script| assert!(script.pre_starts.is_empty() && script.must_include.is_empty()));
    assert_eq!(client.prefer(["blue", "red"], ["red"], 1).await.unwrap(), ["red"]);
    client.pre_start(["red"]).await.unwrap();
    client.pre_start(["green"]).await.unwrap_err();
}

/// The init container's devices are the others' again: the kubelet says so by must-include.
#[tokio::test(start_paused = true)]
async fn devices_of_an_init_container_are_preferred_again() {
    let world = World::with([("a", ""), ("b", ""), ("c", ""), ("d", "")]);
    world.controls.script(|script| script.capabilities = Capabilities { pre_starts: false, prefers: true });
    let (kubelet, _plugin) = world.running().await;
    kubelet.admit(&PodRequest::of("first", PAINT, 1)).await.unwrap();
    let pod = PodRequest::new("pod")
        .container(ContainerRequest::new("setup").with(PAINT, 1).init())
        .container(ContainerRequest::new("main").with(PAINT, 2));
    let admission = kubelet.admit(&pod).await.unwrap();
    let devices = |container: &str| admission.containers[container].devices[PAINT].clone();
    assert_eq!(devices("setup"), ["b".to_owned()].into());
    assert_eq!(devices("main"), ["b".to_owned(), "c".to_owned()].into());
    let asked = world.controls.script(|script| script.must_include.clone());
    assert_eq!(asked, [vec![], vec![], vec!["b".to_owned()]]);
}

/// After a reboot the kubelet may admit pods before the plugin is there: they fail for good and are made anew.
#[tokio::test(start_paused = true)]
async fn pods_that_are_admitted_before_the_plugin_after_a_reboot_are_told_to_wait() {
    let world = World::with([("red", "cdi paint")]);
    let (kubelet, plugin) = world.running().await;
    let pod = PodRequest::of("pod", PAINT, 1);
    let before = kubelet.admit(&pod).await.unwrap();
    plugin.stop().await;
    // /var/run is empty after a reboot.
    std::fs::remove_dir_all(world.cdi()).unwrap();
    kubelet.reboot().await.unwrap();
    kubelet.admit(&pod).await.unwrap_err();

    let _plugin = world.start();
    world.agrees_by_events(&kubelet).await;
    let after = kubelet.admit(&PodRequest::of("pod2", PAINT, 1)).await.unwrap();
    assert_eq!(before, after);
    assert!(world.cdi().join("color.example.com-paint-red.yaml").exists());
}

/// And if the plugin is there first, the pods have what they had.
#[tokio::test(start_paused = true)]
async fn pods_that_are_admitted_after_the_plugin_after_a_reboot_have_what_they_had() {
    let world = World::with([("red", ""), ("blue", "")]);
    let (kubelet, plugin) = world.running().await;
    let pod = PodRequest::of("pod", PAINT, 1);
    let before = kubelet.admit(&pod).await.unwrap();
    plugin.stop().await;
    kubelet.reboot().await.unwrap();
    let _plugin = world.start();
    world.agrees_by_events(&kubelet).await;
    assert_eq!(kubelet.admit(&pod).await.unwrap(), before);
}

/// What runs keeps its devices while the plugin is replaced and the kubelet restarted.
#[tokio::test(start_paused = true)]
async fn running_pods_do_not_notice_a_new_plugin_or_kubelet() {
    let world = World::with([("red", ""), ("blue", "")]);
    let (kubelet, plugin) = world.running().await;
    let pod = PodRequest::of("pod", PAINT, 1);
    let before = kubelet.admit(&pod).await.unwrap();
    plugin.stop().await;
    kubelet.restart().await.unwrap();
    let _plugin = world.start();
    pass(Duration::from_secs(1)).await;
    world.agrees(&kubelet).await;
    assert_eq!(kubelet.admit(&pod).await.unwrap(), before);
    assert_eq!(kubelet.state().in_use(PAINT).len(), 1);
}
