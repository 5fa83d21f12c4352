//! Virtual functions that are there already.

use super::*;

/// The node with that many virtual functions as an administrator enables them: on the driver, with nothing.
fn enabled(count: u16) -> Scene {
    let scene = Scene::with(&[PF]);
    scene.enable(count);
    scene
}

#[test]
fn those_that_were_given_nothing_are_given_their_share() {
    let scene = enabled(2);
    assert_eq!(offered(&scene), "vf: ", "they are unhealthy");
    setup(&scene, 2).run().unwrap();
    assert_eq!(scene.get("vf1_resources/num_ldb_queues"), "16");
    assert_eq!(scene.bound(), ["0000:6d:00.1 dlb2", "0000:6d:00.2 dlb2"]);
    assert_eq!(offered(&scene), "vf: /dev/dlb1 /dev/dlb2");
    let written = scene.written();
    assert_eq!(written.first().unwrap(), "drivers/dlb2/unbind=0000:6d:00.1");
    assert!(!written.iter().any(|line| line.contains("sriov")), "{written:?}");
}

#[test]
fn their_number_stays_and_so_does_what_they_have() {
    let scene = enabled(2);
    scene.set("vf0_resources/num_ldb_queues", "5");
    scene.set("vf1_resources/num_sched_domains", "1");
    setup(&scene, 4).run().unwrap();
    assert_eq!(scene.written(), [""; 0]);
    Setup { wanted: "num_ldb_ports=9".parse().unwrap(), ..setup(&scene, 2) }.run().unwrap();
    assert_eq!(scene.written(), [""; 0]);
}

#[test]
fn those_without_a_driver_are_bound() {
    let scene = enabled(2);
    scene.set("vf0_resources/num_ldb_queues", "5");
    for at in ["0000:6d:00.1", "0000:6d:00.2"] {
        scene.unbind(at);
    }
    setup(&scene, 2).run().unwrap();
    assert_eq!(scene.bound(), ["0000:6d:00.1 dlb2", "0000:6d:00.2 dlb2"]);
    assert_eq!(scene.get("vf0_resources/num_ldb_queues"), "5");
    assert_eq!(scene.get("vf0_resources/num_ldb_ports"), "0", "it is as somebody wanted it");
    assert_eq!(scene.get("vf1_resources/num_ldb_ports"), "4");
    assert!(!scene.written().iter().any(|line| line.contains("unbind")));
}

#[test]
fn one_with_another_driver_is_left_alone() {
    let scene = enabled(2);
    scene.unbind("0000:6d:00.1");
    scene.administer("/sys/bus/pci/devices/0000:6d:00.1/driver_override", "vfio-pci");
    scene.administer("/sys/bus/pci/drivers/vfio-pci/bind", "0000:6d:00.1");
    setup(&scene, 2).run().unwrap();
    assert_eq!(scene.bound(), ["0000:6d:00.1 vfio-pci", "0000:6d:00.2 dlb2"]);
    assert_eq!(scene.get("vf0_resources/num_ldb_queues"), "0");
    assert_eq!(scene.get("vf1_resources/num_ldb_queues"), "16");
}

/// It lends its interrupts, and its driver must not be taken from it.
#[test]
fn one_that_serves_another_is_left_alone() {
    let scene = enabled(3);
    scene.set("vf0_resources/aux_vf_ids", "1,2");
    setup(&scene, 3).run().unwrap();
    let written = scene.written();
    assert!(
        !written.is_empty() && written.iter().all(|line| !line.contains("vf1_") && !line.contains("vf2_"))
    );
    assert!(written.iter().all(|line| !line.ends_with("00.2") && !line.ends_with("00.3")), "{written:?}");
}

#[test]
fn those_of_a_driver_that_tells_nothing_are_left_alone() {
    let scene = enabled(2);
    for number in 0..2 {
        scene.node().delete(format!("{FOLDER}/vf{number}_resources")).unwrap();
    }
    setup(&scene, 2).run().unwrap();
    assert_eq!(scene.written(), [""; 0]);
}

#[test]
fn what_cannot_be_given_leaves_them_as_they_were() {
    let scene = enabled(2);
    scene.set("vf0_resources/num_ldb_queues", "32");
    let error = refused(&setup(&scene, 2));
    assert!(error.contains("vf1_resources/num_ldb_queues") && error.contains("were undone"), "{error}");
    assert_eq!(scene.bound(), ["0000:6d:00.1 dlb2", "0000:6d:00.2 dlb2"]);
    assert_eq!(scene.get("sriov_numvfs"), "2");
    assert_eq!(scene.get("vf1_resources/num_ldb_ports"), "0");
}
