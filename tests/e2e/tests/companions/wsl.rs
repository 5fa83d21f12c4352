//! GPUs that Windows lends to Linux below it.

use e2e::{Demo, DemoImage, STOOD_IN, pod, run_demos};

use crate::world::{DXG, PLUGIN, world};

/// What a container is given: the way to Windows, its libraries, and which GPU is its own.
const LOOK: &str = "ls -d /dev/dxg /usr/lib/wsl; echo mask $ZE_AFFINITY_MASK; echo end";

const DEMO: Demo = (
    "demo/intelgpu-job-wsl.yaml",
    STOOD_IN,
    &[
        "given by gpu.intel.com/dxg",
        "/dev/dxg",
        "ZE_AFFINITY_MASK=1",
        "Device #0: stand-in",
        "Device #0: stand-in",
    ],
);

#[test]
fn gpus_of_windows_are_offered_by_their_place_in_the_drivers_list() {
    let Some(world) = world() else { return };
    world.cluster.node().add("misc as=dxg name=dxg minor=126 node=dxg").unwrap();
    world.apply("gpu_plugin/overlays/wsl");
    let driver = world.driver_of_pod(PLUGIN);
    let other = "device 0000:01:00.0 vendor=0x10de\n";
    driver.says(&format!("{other}device 0000:03:00.0 memory=1:1024\n"));
    world.kubernetes.wait_for_daemonset(PLUGIN, || world.state());
    world.expect(&[(DXG, 1, 1)]);
    world.kubernetes.run(&pod("windows", &[(DXG, 1)], LOOK), || world.state());
    assert_eq!(world.kubernetes.output("windows"), "/dev/dxg\n/usr/lib/wsl\nmask 1\n");
    world.kubernetes.delete("windows");
    world.cluster.load(&DemoImage::of_stand_ins(
        "intel-opencl-icd",
        &[("/usr/bin/clinfo", "echo Device \\#0: stand-in")],
    ));
    run_demos(&world.cluster, &world.kubernetes, &[DEMO], || world.state());
    world.remove("gpu_plugin/overlays/wsl");
    world.cluster.node().remove("dxg").unwrap();
}
