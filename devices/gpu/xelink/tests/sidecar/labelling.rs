//! What is written when all is well.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use simulator::golden;

use crate::fake::{Scene, exporter, link, metrics};

#[tokio::test]
async fn the_metrics_are_asked_for_and_labelled() {
    let mut fake = exporter([metrics(&link(0, 1))]).await;
    let mut scene = Scene::new(fake.port, &[]);
    scene.sidecar.look().await;
    assert_eq!(scene.labels(), "gpu.intel.com/xe-links=0.0-1.0\n");
    let request = fake.requests.recv().await.unwrap();
    assert!(request.starts_with("GET /metrics HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: 127.0.0.1:{}\r\n", fake.port)), "{request}");
}

/// Eight GPUs of two tiles, each linked with the tiles of all others, and what else XPU Manager tells of them.
fn full_node() -> String {
    let mut text = String::from(
        "# HELP xpum_power_watts Average power (in watts)\n# TYPE xpum_power_watts gauge\n\
         xpum_power_watts{dev_file=\"card0\",dev_name=\"Intel(R) Data Center GPU Max 1550\",src=\"direct\"} 251.5\n\
         # HELP xpum_topology_link Connection type fo two GPU tiles\n# TYPE xpum_topology_link gauge\n",
    );
    let tiles: Vec<(u32, u32)> = (0..8).flat_map(|device| [(device, 0), (device, 1)]).collect();
    for (local, remote) in tiles.iter().flat_map(|local| tiles.iter().map(move |remote| (local, remote))) {
        // 0 is the tile itself, 4 the other one of the same GPU.
        let (value, lanes) = match (local == remote, local.0 == remote.0) {
            (true, _) => (0, String::new()),
            (false, true) => (4, String::new()),
            (false, false) => (1, format!(",lane_count=\"{}\"", if local.1 == remote.1 { 4 } else { 2 })),
        };
        text += &format!(
            "xpum_topology_link{{dev_file=\"card{0}\",dev_name=\"Intel(R) Data Center GPU Max 1550\",\
             local_cpu_affinity=\"0-23,48-71\",local_device_id=\"{0}\",local_numa_index=\"0\",\
             local_on_subdevice=\"true\",local_subdevice_id=\"{1}\",remote_device_id=\"{2}\",\
             remote_subdevice_id=\"{3}\"{lanes}}} {value}.0\n",
            local.0, local.1, remote.0, remote.1
        );
    }
    text.trim_end().to_owned()
}

#[tokio::test]
async fn files_of_a_full_node_are_the_golden_ones() {
    let fake = exporter([metrics(&full_node())]).await;
    for (name, flags) in [
        ("default", &[][..]),
        ("two-lanes", &["-lane-count=2", "-label-namespace=xpumanager.intel.com"]),
        ("no-links", &["-lane-count=16"]),
    ] {
        let mut scene = Scene::new(fake.port, flags);
        scene.sidecar.look().await;
        golden(format!("tests/golden/labels/{name}.txt"), &scene.labels());
    }
}

#[tokio::test]
async fn the_file_changes_only_with_the_links() {
    let fake =
        exporter([metrics(&link(0, 1)), metrics(&link(1, 0)), metrics(&link(0, 2)), metrics("other 1")])
            .await;
    let mut scene = Scene::new(fake.port, &[]);
    let inode = |scene: &Scene| fs::metadata(scene.folder.path().join("labels.txt")).unwrap().ino();
    scene.sidecar.look().await;
    let first = inode(&scene);
    scene.sidecar.look().await;
    assert_eq!(inode(&scene), first);
    scene.sidecar.look().await;
    assert_eq!(scene.labels(), "gpu.intel.com/xe-links=0.0-2.0\n");
    scene.sidecar.look().await;
    assert_eq!(scene.labels(), "gpu.intel.com/xe-links=\n");
}

#[tokio::test]
async fn a_file_that_somebody_removed_or_changed_is_written_again() {
    let fake = exporter([metrics(&link(0, 1))]).await;
    let mut scene = Scene::new(fake.port, &[]);
    scene.sidecar.look().await;
    fs::remove_file(scene.folder.path().join("labels.txt")).unwrap();
    scene.sidecar.look().await;
    assert_eq!(scene.labels(), "gpu.intel.com/xe-links=0.0-1.0\n");
    fs::write(scene.folder.path().join("labels.txt"), "gpu.intel.com/xe-links=0.0-1.0\nother=1\n").unwrap();
    scene.sidecar.look().await;
    assert_eq!(scene.labels(), "gpu.intel.com/xe-links=0.0-1.0\n");
}

#[tokio::test]
async fn a_folder_that_comes_later_is_written_to() {
    let fake = exporter([metrics(&link(0, 1))]).await;
    let mut scene = Scene::new(fake.port, &[]);
    scene.sidecar.folder = scene.folder.path().join("features.d");
    scene.sidecar.look().await;
    fs::create_dir(&scene.sidecar.folder).unwrap();
    scene.sidecar.look().await;
    let file = scene.sidecar.folder.join("labels.txt");
    assert_eq!(fs::read_to_string(file).unwrap(), "gpu.intel.com/xe-links=0.0-1.0\n");
}

#[tokio::test]
async fn it_looks_again_and_again_and_removes_the_file_at_the_end() {
    let mut fake = exporter([metrics(&link(0, 1)), metrics(&link(0, 2)), metrics(&link(0, 3))]).await;
    let Scene { folder, sidecar } = Scene::new(fake.port, &[]);
    let file = folder.path().join("labels.txt");
    let stop = async {
        // The fourth question comes when the file says what the third was answered.
        for _ in 0..4 {
            fake.requests.recv().await.unwrap();
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "gpu.intel.com/xe-links=0.0-3.0\n");
    };
    sidecar.run(Duration::ZERO, Duration::from_millis(1), stop).await;
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// That ends at all: the delay is for ever.
#[tokio::test]
async fn it_ends_at_once_during_the_delay_and_takes_an_old_file_with_it() {
    let Scene { folder, sidecar } = Scene::new(1, &[]);
    fs::write(folder.path().join("labels.txt"), "gpu.intel.com/xe-links=0.0-1.0\n").unwrap();
    sidecar.run(Duration::MAX, Duration::MAX, async {}).await;
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
