use super::*;

#[test]
fn virtual_functions_are_made_and_bound() {
    let drivers = Drivers::with(0, None);
    run(&drivers, "");
    assert_eq!(drivers.bound(), ALL_ON_VFIO);
    assert_eq!(
        drivers.written(),
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
    run(&drivers, "");
    assert_eq!(drivers.written(), [""; 0], "a second time changes nothing");
}

#[test]
fn virtual_functions_that_are_there_are_bound_too() {
    let drivers = Drivers::with(3, None);
    drivers.bind("0000:6b:00.2", "4xxxvf");
    drivers.bind("0000:6b:00.3", "igb_uio");
    run(&drivers, "");
    assert_eq!(drivers.bound(), ["0000:6b:00.1 vfio-pci", "0000:6b:00.2 vfio-pci", "0000:6b:00.3 igb_uio"]);
    let written = drivers.written();
    assert!(!written.iter().any(|line| line.contains("sriov")), "{written:?}");
}

#[test]
fn one_that_cannot_be_bound_keeps_no_other_from_being_bound() {
    let drivers = Drivers::with(3, None);
    drivers.refuse("bind=0000:6b:00.2", ErrorKind::InvalidInput);
    let error = refused(&setup(drivers.host(), "AutoresetEnabled=on"));
    assert!(
        error.starts_with("0000:6b:00.2: step 2 of 2 failed, the steps before it were undone"),
        "{error}"
    );
    assert_eq!(drivers.bound(), ["0000:6b:00.1 vfio-pci", "0000:6b:00.2 -", "0000:6b:00.3 vfio-pci"]);
    assert_eq!(drivers.get("qat/auto_reset"), "on");
}

#[test]
fn autoprobe_stays_as_it_was() {
    let drivers = Drivers::with(0, None);
    drivers.set(&format!("{FOLDER}/{PF}/sriov_drivers_autoprobe"), "0");
    run(&drivers, "");
    assert_eq!(drivers.get("sriov_drivers_autoprobe"), "0");
    assert!(!drivers.written().iter().any(|line| line.contains("autoprobe")));
    assert_eq!(drivers.bound(), ALL_ON_VFIO);
    let drivers = Drivers::with(0, None);
    drivers.refuse("sriov_numvfs", ErrorKind::InvalidInput);
    let error = refused(&setup(drivers.host(), ""));
    assert!(error.ends_with("is the IOMMU on (kernel option intel_iommu=on)?"), "{error}");
    assert_eq!(drivers.get("sriov_drivers_autoprobe"), "1");
}

#[test]
fn where_virtual_functions_cannot_be_foreseen_they_are_bound_when_they_are_there() {
    for (attribute, value) in [("sriov_offset", None), ("sriov_stride", None), ("sriov_offset", Some("0"))] {
        let drivers = Drivers::with(0, None);
        let path = format!("{FOLDER}/{PF}/{attribute}");
        match value {
            Some(value) => drivers.set(&path, value),
            None => drivers.node().delete(&path).unwrap(),
        }
        let plan = shown(&setup(drivers.host(), ""));
        assert_eq!(plan.lines().count(), 3, "{plan}");
        run(&drivers, "");
        assert_eq!(drivers.bound(), ALL_ON_VFIO, "{attribute} {value:?}");
    }
}

#[test]
fn virtual_functions_that_nobody_asked_for_are_bound_too() {
    let drivers = Drivers::with(0, None);
    let setup = Setup { num_vfs: 2, ..setup(drivers.host(), "") };
    setup.run().unwrap();
    assert!(drivers.written().contains(&"0000:6b:00.0/sriov_numvfs=2".to_owned()));
    assert_eq!(drivers.bound(), ALL_ON_VFIO, "the driver enables all or none");
    setup.run().unwrap();
    assert_eq!(drivers.written(), [""; 0]);
}

#[test]
fn no_more_are_asked_for_than_there_can_be() {
    let drivers = Drivers::with(0, None);
    Setup { num_vfs: 100, ..setup(drivers.host(), "") }.run().unwrap();
    assert!(drivers.written().contains(&"0000:6b:00.0/sriov_numvfs=3".to_owned()));
    let drivers = Drivers::with(0, None);
    drivers.set(&format!("{FOLDER}/{PF}/sriov_totalvfs"), "0");
    run(&drivers, "");
    assert_eq!(drivers.written(), [""; 0]);
}
