//! The kubelet's limits, and the kernel's.

use std::time::Duration;

use device_plugin::api;
use simulator::kubelet::EventKind;
use tokio::time::Instant;

use super::world::{INK, PAINT, World, known, pass};

const LONG: &str = "a-name-that-makes-the-list-long-with-few-units";

/// How many units of [`LONG`] a list of so many bytes holds. Each has a tag and a length, and so have its two strings.
fn units_within(bytes: usize) -> usize {
    let mut left = bytes;
    let fits = |i: &usize| {
        let id = LONG.len() + 1 + i.to_string().len();
        let rest = left.checked_sub(2 + 2 + id + 2 + api::HEALTHY.len());
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    (0..bytes).take_while(fits).count()
}

#[tokio::test(start_paused = true)]
async fn a_list_of_4_mib_is_sent_and_a_longer_one_refused() {
    let world = World::with([(LONG, "units 10")]);
    let (kubelet, _plugin) = world.running().await;
    let most = units_within(4 << 20);
    world.set(LONG, &format!("units {most}"));
    world.agrees_by_events(&kubelet).await;

    world.set(LONG, &format!("units {}", most + 1));
    world.log.says("is not offered as it is now").await;
    let warnings = world.log.lines("is not offered as it is now");
    assert!(warnings[0].contains(&format!("the list of its {} devices", most + 1)), "{warnings:?}");
    assert!(warnings[0].ends_with("; lower -units"), "{warnings:?}");
    pass(Duration::from_mins(10)).await;
    assert_eq!(known(&kubelet, PAINT).allocatable(), most, "what was offered before still is");
    assert_eq!(world.log.count("is not offered as it is now"), 1);
    let connected = known(&kubelet, PAINT);
    assert!(connected.connected && connected.registrations == 1);

    // The others go on.
    world.set("blue", "resource ink");
    kubelet.wait_until(|state| state.allocatable(INK) == 1).await.unwrap();
    world.set(LONG, "units 5");
    world.agrees_by_events(&kubelet).await;
    assert_eq!(world.log.count("no more: color.example.com/paint is not offered"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_too_long_from_the_start_is_not_registered() {
    let world = World::with([(LONG, "units 80000"), ("blue", "resource ink")]);
    let kubelet = world.kubelet();
    let _plugin = world.start();
    kubelet.wait_until(|state| state.allocatable(INK) == 1).await.unwrap();
    world.log.says("is not offered as it is now").await;
    world.set(LONG, "units 8");
    world.agrees_by_events(&kubelet).await;
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_too_long_is_left_out() {
    let (longest, too_long) = ("i".repeat(63), "j".repeat(64));
    let world = World::with([(longest.as_str(), ""), (too_long.as_str(), "")]);
    let kubelet = world.kubelet();
    let _plugin = world.start();
    kubelet.wait_until(|state| state.allocatable(PAINT) == 1).await.unwrap();
    assert!(known(&kubelet, PAINT).devices.contains_key(&longest));
    assert_eq!(world.log.count(&format!("device left out: its id {too_long:?}")), 1);
}

#[tokio::test(start_paused = true)]
async fn a_resource_name_that_kubernetes_refuses_is_left_out() {
    let long = "r".repeat(64);
    let names = ["red paint", "-red", "red-", "../../red", "réd", &long];
    let world = World::with([("good", "")]);
    for (i, name) in names.iter().enumerate() {
        world.set(&format!("bad{i}"), &format!("resource {name}"));
    }
    let kubelet = world.kubelet();
    let _plugin = world.start();
    kubelet.wait_until(|state| state.allocatable(PAINT) == 1).await.unwrap();
    pass(Duration::from_mins(5)).await;
    assert_eq!(kubelet.resources().len(), 1);
    assert_eq!(world.log.count("is no name that Kubernetes accepts"), names.len());
    let refused = |kind: &EventKind| matches!(kind, EventKind::NotRegistered { .. });
    assert!(!kubelet.events().iter().any(|event| refused(&event.kind)), "the kubelet was not even asked");
}

/// Runs a test of this program, which is ignored otherwise, where this user may have so many inotify instances.
fn with_inotify_instances(limit: usize, test: &str) {
    let script = format!("echo {limit} > /proc/sys/user/max_inotify_instances && exec \"$0\" \"$@\"");
    let program = std::env::current_exe().unwrap();
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", &script]).arg(program);
    command.args(["--exact", "--ignored", "--nocapture", &format!("situations::limits::{test}")]);
    let output = command.output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && said.contains("unshare: ") && std::env::var_os("CI").is_none() {
        eprintln!("skipped, for this system has no user namespaces: {said}");
        return;
    }
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// F8: the reference exits.
#[test]
fn without_inotify_the_plugin_looks_often() {
    with_inotify_instances(0, "inner_without_inotify");
}

#[tokio::test(start_paused = true)]
#[ignore = "runs within without_inotify_the_plugin_looks_often"]
async fn inner_without_inotify() {
    let world = World::with([("red", "")]);
    let _plugin = world.start();
    let kubelet = world.kubelet();
    world.agrees(&kubelet).await;
    let looks_and_says_so = [
        "folders are not watched",
        "raise the sysctl fs.inotify.max_user_instances",
        "nothing tells of changes: looking at the hardware every 5s",
        "every 1s instead of watching it",
    ];
    for part in looks_and_says_so {
        assert!(world.log.count(part) > 0, "{part}: {:?}", world.log.lines("WARN"));
    }
    for i in 0..5 {
        let began = Instant::now();
        world.set(&format!("blue{i}"), "");
        world.agrees(&kubelet).await;
        kubelet.restart().await.unwrap();
        world.agrees(&kubelet).await;
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }
    assert_eq!(world.log.count("WARN"), 3, "{:?}", world.log.lines("WARN"));
}

/// F8: the reference takes an inotify instance for each resource.
#[test]
fn two_inotify_instances_are_enough_for_any_number_of_resources() {
    with_inotify_instances(2, "inner_with_two_inotify_instances");
}

#[tokio::test(start_paused = true)]
#[ignore = "runs within two_inotify_instances_are_enough_for_any_number_of_resources"]
async fn inner_with_two_inotify_instances() {
    let world = World::new();
    for i in 0..30 {
        world.set(&format!("color{i}"), &format!("resource color{i}"));
    }
    let (kubelet, _plugin) = world.running().await;
    kubelet.restart().await.unwrap();
    world.agrees_by_events(&kubelet).await;
    assert!(world.log.lines("WARN").is_empty(), "{:?}", world.log.lines("WARN"));
}
