//! Links between GPUs, from XPU Manager's metrics to the file of labels. A stand-in takes XPU Manager's place: its own manifest is
//! on the network.

use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::XPU_MANAGER;

use crate::world::{World, world};

const FOLDER: &str = "deployments/xpumanager_sidecar";
const LABELS: &str = "/etc/kubernetes/node-feature-discovery/features.d/xpum-sidecar-labels.txt";
/// What the exporter serves, on the node.
const METRICS: &str = "/run/xpumd/www/metrics";
/// The overlay in a folder of its own, on the stand-in; the sidecar looks each second.
fn overlay_on_stand_in(folder: &Path) -> String {
    let status = Command::new("cp").arg("-r").arg(format!("../../{FOLDER}/.")).arg(folder).status().unwrap();
    assert!(status.success());
    fs::write(folder.join("base/kustomization.yaml"), "resources: [stand-in.yaml]\n").unwrap();
    fs::write(folder.join("base/stand-in.yaml"), XPU_MANAGER).unwrap();
    let overlay = folder.join("overlays/http");
    let patch = fs::read_to_string(overlay.join("xpumanager.yaml")).unwrap();
    let impatient =
        patch.replace("- -v=2\n", "- -v=2\n            - -interval=1\n            - -startup-delay=1\n");
    assert_ne!(patch, impatient);
    fs::write(overlay.join("xpumanager.yaml"), impatient).unwrap();
    overlay.to_str().unwrap().to_owned()
}

/// A line of the exporter's about a link of eight lanes.
fn link(local: (u32, u32), remote: (u32, u32)) -> String {
    format!(
        "xpum_topology_link{{local_on_subdevice=\"true\",local_device_id=\"{}\",local_subdevice_id=\"{}\",\
         remote_device_id=\"{}\",remote_subdevice_id=\"{}\",lane_count=\"8\"}} 1\n",
        local.0, local.1, remote.0, remote.1
    )
}

fn wait_for_labels(world: &World, expected: Option<&str>) {
    let found = || fs::read_to_string(world.cluster.file(LABELS)).ok();
    world.kubernetes.wait_for(
        &format!("the labels {expected:?}"),
        || format!("{:?}\n{}", found(), world.state()),
        || (found().as_deref() == expected).then_some(()),
    );
}

#[test]
fn links_between_gpus_become_labels_and_go_with_the_sidecar() {
    let Some(world) = world() else { return };
    let copy = tempfile::tempdir().unwrap();
    let overlay = overlay_on_stand_in(copy.path());
    let metrics = world.cluster.file(METRICS);
    fs::create_dir_all(metrics.parent().unwrap()).unwrap();
    fs::write(&metrics, link((0, 0), (1, 0)) + &link((1, 1), (0, 1))).unwrap();
    world.cluster.kubectl(&["create", "namespace", "monitoring"]);
    world.cluster.kubectl(&["apply", "-k", &overlay]);
    wait_for_labels(&world, Some("gpu.intel.com/xe-links=0.0-1.0_0.1-1.1\n"));

    // A page that is not there is no news; one with other metrics alone is.
    fs::rename(&metrics, metrics.with_extension("away")).unwrap();
    world.cluster.kubectl(&[
        "rollout",
        "status",
        "-n",
        "monitoring",
        "daemonset/intel-xpumanager",
        "--timeout=110s",
    ]);
    wait_for_labels(&world, Some("gpu.intel.com/xe-links=0.0-1.0_0.1-1.1\n"));
    fs::write(&metrics, "xpum_power_watts 60\n").unwrap();
    wait_for_labels(&world, Some("gpu.intel.com/xe-links=\n"));

    world.cluster.kubectl(&["delete", "-k", &overlay, "--timeout=60s"]);
    wait_for_labels(&world, None);
    world.cluster.kubectl(&["delete", "namespace", "monitoring", "--timeout=60s"]);
}
