//! Which functions are healthy.

use std::time::{Duration, Instant};

use super::scene::{
    C62X_ON_VFIO, FOLDER, HEARTBEAT, PF, Scene, VF0, VF1, c62x, counts, ills, later, look_at, plugin,
};

#[test]
fn a_function_whose_firmware_does_not_answer_makes_its_virtual_ones_unhealthy() {
    let mut scene = Scene::loaded(&[PF, VF0, VF1]);
    assert_eq!(ills(&scene.look(&[])), []);
    scene.set(HEARTBEAT, "-1");
    let why = "the firmware of its physical function 0000:6b:00.0 does not answer (heartbeat/status is -1)";
    assert_eq!(ills(&scene.look(&[])), [("0000:6b:00.1", why), ("0000:6b:00.2", why)]);
    // What the driver really gives.
    std::fs::write(scene.host().outside(HEARTBEAT), "-1\n\0").unwrap();
    assert_eq!(ills(&scene.look(&[])).len(), 2);
    for good in ["0", "1", "-10", ""] {
        scene.set(HEARTBEAT, good);
        assert_eq!(ills(&scene.look(&[])), [], "{good}");
    }
}

/// A heart that stops tells nobody.
#[test]
fn only_nodes_with_virtual_functions_are_looked_at_often() {
    assert_eq!(Scene::of(&[]).look(&[]).resync, None);
    assert_eq!(Scene::loaded(&[PF]).look(&[]).resync, None);
    assert_eq!(Scene::loaded(&[PF, VF0]).look(&[]).resync, Some(Duration::from_secs(5)));
}

#[test]
fn older_generations_have_a_heart_too() {
    let status = "file /sys/kernel/debug/qat_c6xx_0000:3d:00.0/heartbeat/status -1";
    let inventory =
        Scene::of(&["use vfio", &c62x(C62X_ON_VFIO, status)]).look(&["-kernel-vf-drivers=c6xxvf"]);
    assert_eq!(ills(&inventory).len(), 1);
}

#[test]
fn without_debugfs_all_are_healthy() {
    let mut scene = Scene::loaded(&[PF, VF0]);
    scene.node.delete("/sys/kernel/debug").unwrap();
    let inventory = scene.look(&[]);
    assert_eq!((ills(&inventory), inventory.warnings.len()), (Vec::new(), 0));
    assert_eq!(counts(&inventory), "cy=1");
}

#[test]
fn the_heart_is_not_asked_more_often_than_the_driver_wants() {
    let mut scene = Scene::loaded(&[PF, VF0]);
    let plugin = plugin(&[]);
    let start = Instant::now();
    let mut ills_after = |status: &str, milliseconds| {
        scene.set(HEARTBEAT, status);
        ills(&look_at(&plugin, &scene.host(), start + Duration::from_millis(milliseconds))).len()
    };
    assert_eq!(ills_after("0", 0), 0);
    assert_eq!(ills_after("-1", 499), 0, "the driver would say -1 only because it was asked too soon");
    assert_eq!(ills_after("-1", 500), 1);
    assert_eq!(ills_after("0", 999), 1);
    assert_eq!(ills_after("0", 1000), 0);
}

#[test]
fn the_heart_is_asked_as_often_as_it_is_configured_to_beat() {
    let mut scene = Scene::loaded(&[PF, VF0]);
    let plugin = plugin(&[]);
    let start = Instant::now();
    scene.node.set_attribute(HEARTBEAT.replace("status", "config"), "10000").unwrap();
    assert_eq!(ills(&look_at(&plugin, &scene.host(), start)), []);
    scene.set(HEARTBEAT, "-1");
    assert_eq!(ills(&look_at(&plugin, &scene.host(), start + Duration::from_secs(9))), []);
    assert_eq!(ills(&look_at(&plugin, &scene.host(), start + Duration::from_secs(10))).len(), 1);
}

#[test]
fn no_answer_without_a_failed_query_says_nothing() {
    let mut scene = Scene::loaded(&[PF, VF0]);
    let plugin = plugin(&[]);
    scene.node.set_attribute(HEARTBEAT.replace("status", "queries_failed"), "3").unwrap();
    scene.set(HEARTBEAT, "-1");
    assert_eq!(ills(&look_at(&plugin, &scene.host(), Instant::now())), [], "somebody else has just asked");
    scene.node.delete(HEARTBEAT.replace("status", "queries_failed")).unwrap();
    assert_eq!(ills(&look_at(&plugin, &scene.host(), later())).len(), 1);
    scene.node.set_attribute(HEARTBEAT.replace("status", "queries_failed"), "3").unwrap();
    let much_later = later() + Duration::from_hours(1);
    assert_eq!(ills(&look_at(&plugin, &scene.host(), much_later)).len(), 1, "it stays as it was");
}

#[test]
fn a_function_that_is_down_makes_its_virtual_ones_unhealthy() {
    let mut scene = Scene::loaded(&[PF, VF0]);
    scene.set(&format!("{FOLDER}/0000:6b:00.0/qat/state"), "down");
    scene.set(&format!("{FOLDER}/0000:6b:00.0/qat/cfg_services"), "dc");
    let inventory = scene.look(&[]);
    assert_eq!(ills(&inventory), [("0000:6b:00.1", "its physical function 0000:6b:00.0 is down")]);
    assert_eq!(counts(&inventory), "dc=1", "it stays what it is");
}
