use super::*;

#[test]
fn virtual_functions_are_made_and_bound() {
    let scene = Scene::new();
    run(&scene, "");
    assert_eq!(scene.bound(), ALL_ON_VFIO);
    assert_eq!(
        scene.written(),
        [
            "0000:6b:00.0/sriov_drivers_autoprobe=0",
            "0000:6b:00.0/sriov_numvfs=3",
            "0000:6b:00.0/sriov_drivers_autoprobe=1",
            "0000:6b:00.1/driver_override=vfio-pci",
            "drivers/vfio-pci/bind=0000:6b:00.1",
            "0000:6b:00.2/driver_override=vfio-pci",
            "drivers/vfio-pci/bind=0000:6b:00.2",
            "0000:6b:00.3/driver_override=vfio-pci",
            "drivers/vfio-pci/bind=0000:6b:00.3",
        ]
    );
    run(&scene, "");
    assert_eq!(scene.written(), [""; 0], "a second time changes nothing");
}

#[test]
fn virtual_functions_that_are_there_are_bound_too() {
    let scene = Scene::enabled(None);
    scene.bind("0000:6b:00.2", "4xxxvf");
    scene.bind("0000:6b:00.3", "igb_uio");
    run(&scene, "");
    assert_eq!(scene.bound(), ["0000:6b:00.1 vfio-pci", "0000:6b:00.2 vfio-pci", "0000:6b:00.3 igb_uio"]);
    let written = scene.written();
    assert!(!written.iter().any(|line| line.contains("sriov")), "{written:?}");
}

#[test]
fn one_that_cannot_be_bound_keeps_no_other_from_being_bound() {
    let scene = Scene::enabled(None);
    scene.kernel.refuse("bind=0000:6b:00.2", ErrorKind::InvalidInput);
    let error = refused(&setup(scene.host(), "AutoresetEnabled=on"));
    assert!(
        error.starts_with("0000:6b:00.2: step 2 of 2 failed, the steps before it were undone"),
        "{error}"
    );
    assert_eq!(scene.bound(), ["0000:6b:00.1 vfio-pci", "0000:6b:00.2 -", "0000:6b:00.3 vfio-pci"]);
    assert_eq!(scene.get("qat/auto_reset"), "on");
}

#[test]
fn autoprobe_stays_as_it_was() {
    let scene = Scene::new();
    scene.set("sriov_drivers_autoprobe", "0");
    run(&scene, "");
    assert_eq!(scene.get("sriov_drivers_autoprobe"), "0");
    assert!(!scene.written().iter().any(|line| line.contains("autoprobe")));
    assert_eq!(scene.bound(), ALL_ON_VFIO);
    let scene = Scene::new();
    scene.kernel.refuse("sriov_numvfs", ErrorKind::InvalidInput);
    let error = refused(&setup(scene.host(), ""));
    assert!(error.ends_with("is the IOMMU on (kernel option intel_iommu=on)?"), "{error}");
    assert_eq!(scene.get("sriov_drivers_autoprobe"), "1");
}

#[test]
fn where_virtual_functions_cannot_be_foreseen_they_are_bound_when_they_are_there() {
    for (attribute, value) in [("sriov_offset", None), ("sriov_stride", None), ("sriov_offset", Some("0"))] {
        let scene = Scene::new();
        match value {
            Some(value) => scene.set(attribute, value),
            None => scene.delete(attribute),
        }
        let plan = shown(&setup(scene.host(), ""));
        assert_eq!(plan.lines().count(), 3, "{plan}");
        run(&scene, "");
        assert_eq!(scene.bound(), ALL_ON_VFIO, "{attribute} {value:?}");
    }
}

#[test]
fn virtual_functions_that_nobody_asked_for_are_bound_too() {
    let scene = Scene::new();
    let setup = Setup { num_vfs: 2, ..setup(scene.host(), "") };
    setup.run().unwrap();
    assert!(scene.written().contains(&"0000:6b:00.0/sriov_numvfs=2".to_owned()));
    assert_eq!(scene.bound(), ALL_ON_VFIO, "the driver enables all or none");
    setup.run().unwrap();
    assert_eq!(scene.written(), [""; 0]);
}

#[test]
fn no_more_are_asked_for_than_there_can_be() {
    let scene = Scene::new();
    Setup { num_vfs: 100, ..setup(scene.host(), "") }.run().unwrap();
    assert!(scene.written().contains(&"0000:6b:00.0/sriov_numvfs=3".to_owned()));
    let scene = Scene::new();
    scene.set("sriov_totalvfs", "0");
    run(&scene, "");
    assert_eq!(scene.written(), [""; 0]);
}
