//! How many functions, and what each of them gets.

use super::*;

/// What the virtual functions of the first physical one have of a kind.
fn given(scene: &Scene, kind: &str) -> Vec<String> {
    let count: u16 = scene.get("sriov_numvfs").parse().unwrap();
    (0..count).map(|number| scene.get(&format!("vf{number}_resources/{kind}"))).collect()
}

#[test]
fn several_virtual_functions_share_what_there_is() {
    let scene = Scene::with(&[PF]);
    setup(&scene, 2).run().unwrap();
    assert_eq!(scene.bound(), ["0000:6d:00.1 dlb2", "0000:6d:00.2 dlb2"]);
    assert_eq!(given(&scene, "num_ldb_queues"), ["16", "16"]);
    assert_eq!(given(&scene, "num_ldb_credits"), ["4096", "4096"]);
    assert_eq!(given(&scene, "num_ldb_ports"), ["4", "4"], "of these there are enough");
    assert_eq!(offered(&scene), "vf: /dev/dlb1 /dev/dlb2");
}

#[test]
fn each_of_as_many_as_there_can_be_is_of_use() {
    let scene = Scene::with(&[PF]);
    setup(&scene, 16).run().unwrap();
    // The kernel would have refused more than there is.
    for (kind, _) in USUAL {
        let given = given(&scene, kind);
        assert!(given.len() == 16 && given.iter().all(|number| number != "0"), "{kind}: {given:?}");
    }
    assert_eq!(scene.bound().last().unwrap(), "0000:6d:02.0 dlb2", "across devices");
    scene.set("sriov_totalvfs", "8");
    scene.enable(0);
    assert_eq!(refused(&setup(&scene, 9)), "0000:6d:00.0: it can have 8 virtual functions, not 9");
}

/// DLB 2.5 has no credits for directed queues of their own, and refuses any number.
#[test]
fn no_more_is_given_than_the_driver_says_that_there_is() {
    let scene = Scene::with(&[PF]);
    scene.set("total_resources/num_dir_credits", "0");
    scene.set("total_resources/num_ldb_queues", "24");
    setup(&scene, 2).run().unwrap();
    assert_eq!(given(&scene, "num_dir_credits"), ["0", "0"]);
    assert_eq!(given(&scene, "num_ldb_queues"), ["12", "12"]);
    assert_eq!(given(&scene, "num_ldb_credits"), ["4096", "4096"]);
}

#[test]
fn what_is_asked_for_is_given_or_refused() {
    let scene = Scene::with(&[PF]);
    let wanted = || "num_ldb_ports=32,num_dir_ports=0".parse().unwrap();
    Setup { wanted: wanted(), ..setup(&scene, 2) }.run().unwrap();
    assert_eq!(given(&scene, "num_ldb_ports"), ["32", "32"]);
    assert_eq!(given(&scene, "num_dir_ports"), ["0", "0"]);
    assert_eq!(given(&scene, "num_sched_domains"), ["16", "16"]);
    let scene = Scene::with(&[PF]);
    let error = refused(&Setup { wanted: wanted(), ..setup(&scene, 3) });
    assert!(
        error.contains("cannot write \"32\" to ") && error.contains("vf2_resources/num_ldb_ports"),
        "{error}"
    );
    assert_eq!(scene.get("sriov_numvfs"), "0");
}

#[test]
fn as_many_physical_functions_as_asked_for_are_prepared() {
    let physical = ["0000:72:00.0", PF, "0000:ea:00.0"];
    let scene = Scene::with(&physical);
    let enabled = || {
        let read = |at| scene.node().host().read(format!("/sys/bus/pci/devices/{at}/sriov_numvfs")).unwrap();
        physical.map(read)
    };
    setup(&scene, 1).run().unwrap();
    assert_eq!(enabled(), ["0", "1", "0"], "the first by address");
    Setup { limit: 2, ..setup(&scene, 1) }.run().unwrap();
    assert_eq!(enabled(), ["1", "1", "0"]);
    Setup { limit: usize::MAX, ..setup(&scene, 1) }.run().unwrap();
    assert_eq!(enabled(), ["1", "1", "1"]);
}

#[test]
fn one_physical_function_that_cannot_be_prepared_keeps_no_other_from_it() {
    let scene = Scene::with(&[PF, "0000:72:00.0"]);
    scene.set("sriov_numvfs", "many");
    let error = refused(&Setup { limit: 2, ..setup(&scene, 1) });
    assert!(error.starts_with("0000:6d:00.0: ") && error.contains("\"many\" is not a number"), "{error}");
    assert_eq!(scene.node().host().read("/sys/bus/pci/devices/0000:72:00.0/sriov_numvfs").unwrap(), "1");
}

#[test]
fn where_virtual_functions_cannot_be_foreseen_they_are_configured_when_they_are_there() {
    for (attribute, value, lines) in [
        ("sriov_offset", None, 3),
        ("sriov_offset", Some("0"), 3),
        ("sriov_stride", Some("0"), 3),
        // Before Linux 4.12 the driver has them at once.
        ("sriov_drivers_autoprobe", None, 1),
    ] {
        let prepared = || {
            let scene = Scene::with(&[PF]);
            match value {
                Some(value) => scene.set(attribute, value),
                None => scene.node().delete(format!("{FOLDER}/{attribute}")).unwrap(),
            }
            scene
        };
        let scene = prepared();
        assert_eq!(shown(&setup(&scene, 2)).lines().count(), lines, "{attribute}");
        setup(&scene, 2).run().unwrap();
        assert_eq!(offered(&scene), "vf: /dev/dlb1 /dev/dlb2", "{attribute} {value:?}");
        let scene = prepared();
        scene.kernel.refuse("vf1_resources/num_ldb_queues=16", ErrorKind::InvalidInput);
        let error = refused(&setup(&scene, 2));
        assert!(error.ends_with("; its virtual functions are disabled again"), "{attribute}: {error}");
        assert_eq!(scene.get("sriov_numvfs"), "0", "{attribute} {value:?}");
    }
}

#[test]
fn autoprobe_stays_as_it_was() {
    let scene = Scene::with(&[PF]);
    scene.set("sriov_drivers_autoprobe", "0");
    setup(&scene, 1).run().unwrap();
    assert_eq!(scene.bound(), ["0000:6d:00.1 dlb2"], "the kernel binds nothing while it is off");
    assert_eq!(scene.get("sriov_drivers_autoprobe"), "0");
    scene.unbind("0000:6d:00.1");
    setup(&scene, 1).run().unwrap();
    assert_eq!(scene.bound(), ["0000:6d:00.1 dlb2"]);
    assert_eq!(scene.get("sriov_drivers_autoprobe"), "0");
    scene.enable(0);
    scene.kernel.refuse("vf0_resources/num_dir_ports", ErrorKind::InvalidInput);
    refused(&setup(&scene, 1));
    assert_eq!(scene.get("sriov_drivers_autoprobe"), "0");
}
