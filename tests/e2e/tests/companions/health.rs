//! Temperatures and hung drivers, from the driver to the node and to pods, through the sidecar.

use std::time::Instant;

use e2e::pod;

use crate::world::{Driver, I915, MONITORING, PLUGIN, World, XE, world};

/// The driver's words for a GPU of this temperature.
fn gpus(xe: u32) -> String {
    format!(
        "device 0000:00:02.0 integrated=1 temperature=1:50\ndevice 0000:03:00.0 memory=1:1024 temperature=1:{xe}\n"
    )
}

/// Installs plugin and sidecar in one pod, and waits until both GPUs are there and well.
fn with_sidecar(world: &World) -> Driver {
    world.apply("gpu_plugin/overlays/health");
    let driver = world.driver_of_pod(PLUGIN);
    driver.says(&gpus(60));
    world.kubernetes.wait_for_daemonset(PLUGIN, || world.state());
    world.expect(&[(I915, 1, 1), (XE, 1, 1)]);
    world.expect_log(PLUGIN, &["Level Zero is ready"]);
    driver
}

#[test]
fn a_gpu_that_overheats_is_kept_from_pods_until_it_has_cooled_down() {
    let Some(world) = world() else { return };
    let driver = with_sidecar(&world);
    world.kubernetes.run(&pod("warm", &[(XE, 1)], "true"), || world.state());
    world.expect_health("warm", "Healthy");

    for _ in 0..2 {
        for (degrees, healthy, health) in [(105, 0, "Unhealthy"), (90, 1, "Healthy")] {
            let since = Instant::now();
            driver.says(&gpus(degrees));
            world.expect(&[(I915, 1, 1), (XE, 1, healthy)]);
            let node = since.elapsed();
            world.expect_health("warm", health);
            println!(
                "{degrees} °C: on the node after {node:.1?}, in the pod's status after {:.1?}",
                since.elapsed()
            );
        }
        let reason = "GPU temperature 105 °C is above the limit of 100 °C (-gpu-temp-limit)";
        world.expect_log(PLUGIN, &["card1", reason]);
    }

    driver.says(&gpus(105));
    world.expect(&[(I915, 1, 1), (XE, 1, 0)]);
    world.kill_sidecar();
    world.expect_log(PLUGIN, &["the Level-Zero sidecar", "cannot be asked"]);
    world.expect_log(PLUGIN, &["the Level-Zero sidecar", "answers again"]);
    world.expect_health("warm", "Unhealthy");
    world.kubernetes.delete("warm");
    world.remove("gpu_plugin/overlays/health");
}

#[test]
fn a_driver_that_hangs_makes_its_gpu_unhealthy_until_it_answers() {
    let Some(world) = world() else { return };
    let driver = with_sidecar(&world);

    driver.hangs(&format!("{}hang zesDevicePciGetState\n", gpus(60)));
    world.expect_log(PLUGIN, &["Level Zero reports bad SoC", "the driver hangs"]);
    driver.says(&gpus(60));
    driver.release();
    world.expect(&[(I915, 1, 1), (XE, 1, 1)]);
    world.remove("gpu_plugin/overlays/health");
}

#[test]
fn a_sidecar_without_privileges_tells_the_same_by_a_folder_of_the_node() {
    let Some(world) = world() else { return };
    let label = "intel.feature.node.kubernetes.io/gpu";
    world.cluster.kubectl(&["label", "node", "node-1", &format!("{label}=true")]);
    let driver = world.driver_of_node();
    driver.says(&gpus(60));
    world.apply("gpu_plugin/overlays/health_unprivileged");
    for daemonset in [PLUGIN, "intel-gpu-levelzero"] {
        world.kubernetes.wait_for_daemonset(daemonset, || world.state());
    }
    world.expect(&[(I915, 1, 1), (MONITORING, 1, 1), (XE, 1, 1)]);
    world.expect_log("intel-gpu-levelzero", &["Level Zero is ready"]);
    driver.says(&gpus(105));
    world.expect(&[(I915, 1, 1), (MONITORING, 1, 1), (XE, 1, 0)]);
    driver.says(&gpus(60));
    world.expect(&[(I915, 1, 1), (MONITORING, 1, 1), (XE, 1, 1)]);
    world.remove("gpu_plugin/overlays/health_unprivileged");
    world.cluster.kubectl(&["label", "node", "node-1", &format!("{label}-")]);
}
