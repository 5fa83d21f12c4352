//! Container Device Interface files: there before anybody asks, and right.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::world::{PAINT, World, until};

const RED: &str = "color.example.com-paint-red.yaml";

fn files(world: &World) -> Vec<String> {
    let Ok(folder) = fs::read_dir(world.cdi()) else { return Vec::new() };
    let mut names: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What the file of `red` says.
fn red(world: &World) -> String {
    fs::read_to_string(world.cdi().join(RED)).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn files_are_there_before_the_kubelet_and_go_with_their_devices() {
    let world = World::with([("red", "cdi paint"), ("blue", "cdi paint"), ("green", "")]);
    let _plugin = world.start();
    until("the files", || files(&world) == ["color.example.com-paint-blue.yaml", RED]).await;
    assert_eq!(fs::metadata(world.cdi().join(RED)).unwrap().permissions().mode() & 0o777, 0o644);
    let kubelet = world.kubelet();
    world.agrees(&kubelet).await;
    world.remove("blue");
    world.agrees(&kubelet).await;
    assert_eq!(files(&world), [RED]);
    world.set("red", "");
    until("no file", || files(&world).is_empty()).await;
}

/// F10: the reference keeps what an earlier version wrote.
#[tokio::test(start_paused = true)]
async fn a_stale_file_is_written_anew_and_others_are_left_alone() {
    let world = World::with([("red", "cdi paint\nmount /opt/new")]);
    fs::create_dir(world.cdi()).unwrap();
    for name in [RED, "color.example.com-paint-former.yaml", "other.example.com-thing.yaml"] {
        fs::write(world.cdi().join(name), "cdiVersion: 0.5.0").unwrap();
    }
    let _plugin = world.start();
    until("the new file", || red(&world).contains("/opt/new")).await;
    assert_eq!(files(&world).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_changes_changes_its_file() {
    let world = World::with([("red", "cdi paint\nmount /opt/old")]);
    let (_kubelet, _plugin) = world.running().await;
    world.set("red", "cdi paint\nmount /opt/new");
    until("the new file", || red(&world).contains("/opt/new")).await;
    assert!(!red(&world).contains("/opt/old"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_file_is_made_again_when_it_is_needed_and_at_the_next_look() {
    let world = World::with([("red", "cdi paint")]);
    let (_kubelet, plugin) = world.running().await;
    let client = world.connect(PAINT).await;
    let content = red(&world);
    fs::remove_dir_all(world.cdi()).unwrap();
    let answer = client.allocate(["red"]).await.unwrap();
    assert_eq!(answer.cdi_devices[0].name, "color.example.com/paint=red");
    assert_eq!(red(&world), content);
    fs::write(world.cdi().join(RED), "").unwrap();
    plugin.rescan.request();
    until("the file", || red(&world) == content).await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_written_refuses_the_allocation_and_names_the_file() {
    let world = World::with([("red", "cdi paint"), ("blue", "")]);
    fs::write(world.cdi(), "a file where the folder should be").unwrap();
    let (_kubelet, plugin) = world.running().await;
    let client = world.connect(PAINT).await;
    let error = client.allocate(["red"]).await.unwrap_err();
    assert!(
        error.message().contains("cannot write the CDI file") && error.message().contains(RED),
        "{error}"
    );
    client.allocate(["blue"]).await.unwrap();
    for _ in 0..3 {
        plugin.rescan.request();
        super::world::pass(std::time::Duration::from_secs(1)).await;
    }
    let warned =
        format!("WARN color.example.com: cannot write the CDI file {}", world.cdi().join(RED).display());
    assert_eq!(world.log.count(&warned), 1, "{:?}", world.log.lines("CDI"));

    fs::remove_file(world.cdi()).unwrap();
    client.allocate(["red"]).await.unwrap();
}

/// What a plugin leaves behind that was killed while it wrote: half a temporary file, or half a file on a full disk.
#[tokio::test(start_paused = true)]
async fn what_a_killed_plugin_left_is_harmless() {
    let world = World::with([("red", "cdi paint")]);
    fs::create_dir(world.cdi()).unwrap();
    fs::write(world.cdi().join(format!(".{RED}.new")), "{ \"cdiVersion\": \"0.5").unwrap();
    fs::write(world.cdi().join(RED), "{ \"cdiVer").unwrap();
    let (_kubelet, _plugin) = world.running().await;
    world.connect(PAINT).await.allocate(["red"]).await.unwrap();
    assert_eq!(files(&world), [RED]);
    assert!(red(&world).contains("\"name\": \"red\""));
}

/// Devices may share a CDI device, also across resources, and one may move from one device to another.
#[tokio::test(start_paused = true)]
async fn a_shared_file_stays_until_its_last_device_goes() {
    let world = World::with([
        ("one", "cdi paint red"),
        ("two", "cdi paint red"),
        ("ink", "resource ink\ncdi paint red"),
    ]);
    let (kubelet, _plugin) = world.running().await;
    assert_eq!(files(&world), [RED]);
    let answer = world.connect(PAINT).await.allocate(["one", "two"]).await.unwrap();
    assert_eq!(answer.cdi_devices.len(), 1);
    for name in ["one", "ink"] {
        world.remove(name);
        world.agrees(&kubelet).await;
        assert_eq!(files(&world), [RED]);
    }
    world.remove("two");
    world.agrees(&kubelet).await;
    assert_eq!(files(&world), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn devices_of_two_kinds_have_two_files() {
    let world = World::with([("red", "cdi paint"), ("blue", "cdi ink")]);
    let (_kubelet, _plugin) = world.running().await;
    assert_eq!(files(&world), ["color.example.com-ink-blue.yaml", RED]);
    let answer = world.connect(PAINT).await.allocate(["red", "blue"]).await.unwrap();
    let names: Vec<_> = answer.cdi_devices.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names, ["color.example.com/paint=red", "color.example.com/ink=blue"]);
}

#[tokio::test(start_paused = true)]
async fn files_stay_when_the_plugin_stops_for_pods_refer_to_them() {
    let world = World::with([("red", "cdi paint")]);
    let (_kubelet, plugin) = world.running().await;
    plugin.stop().await;
    assert_eq!(files(&world), [RED]);
}

/// As on a disk that was read-only for a while.
#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_removed_goes_at_a_later_look() {
    let world = World::with([("red", "cdi paint"), ("blue", "")]);
    let (kubelet, _plugin) = world.running().await;
    let path = world.cdi().join(RED);
    let content = red(&world);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    world.remove("red");
    world.agrees(&kubelet).await;
    fs::remove_dir(&path).unwrap();
    fs::write(&path, content).unwrap();
    world.remove("blue");
    until("no file", || files(&world).is_empty()).await;
}
