use super::*;

#[test]
fn services_are_changed_while_it_is_down_and_it_is_up_again() {
    let drivers = Drivers::with(0, None);
    run(&drivers, "ServicesEnabled=dc;sym");
    assert_eq!(
        (drivers.get("qat/cfg_services").as_str(), drivers.get("qat/state").as_str()),
        ("sym;dc", "up")
    );
    assert_eq!(
        drivers.written()[..3],
        ["0000:6b:00.0/qat/state=down", "0000:6b:00.0/qat/cfg_services=sym;dc", "0000:6b:00.0/qat/state=up"]
    );
}

#[test]
fn the_same_services_in_another_order_are_the_same() {
    let drivers = Drivers::with(3, Some("vfio-pci"));
    for services in ["sym;asym", "asym;sym", "asym; sym"] {
        run(&drivers, &format!("ServicesEnabled={services}"));
        assert_eq!(drivers.written(), [""; 0], "{services}");
    }
    // As newer kernels give them back.
    drivers.set(&format!("{FOLDER}/{PF}/qat/cfg_services"), "asym;sym");
    run(&drivers, "ServicesEnabled=sym;asym");
    assert_eq!(drivers.written(), [""; 0]);
}

#[test]
fn services_of_a_function_with_virtual_ones_are_changed_when_nobody_uses_these() {
    let drivers = Drivers::with(3, Some("vfio-pci"));
    run(&drivers, "ServicesEnabled=dc");
    assert_eq!(drivers.bound(), ALL_ON_VFIO);
    assert_eq!((drivers.get("qat/cfg_services").as_str(), drivers.get("qat/state").as_str()), ("dc", "up"));
    assert_eq!(
        drivers.written()[..6],
        [
            "0000:6b:00.0/sriov_numvfs=0",
            "0000:6b:00.0/qat/state=down",
            "0000:6b:00.0/qat/cfg_services=dc",
            "0000:6b:00.0/qat/state=up",
            "0000:6b:00.0/sriov_drivers_autoprobe=0",
            "0000:6b:00.0/sriov_numvfs=3",
        ]
    );
}

#[test]
fn kernels_that_disable_virtual_functions_by_the_state_only_are_served_too() {
    let drivers = Drivers::before_6_8(3, Some("vfio-pci"));
    run(&drivers, "ServicesEnabled=dc");
    assert_eq!(drivers.bound(), ALL_ON_VFIO);
    assert_eq!(drivers.get("qat/cfg_services"), "dc");
}

#[test]
fn services_stay_when_a_virtual_function_is_used() {
    let drivers = Drivers::with(3, Some("vfio-pci"));
    let setup = Setup { open: busy, ..setup(drivers.host(), "ServicesEnabled=dc") };
    let error = refused(&setup);
    assert!(error.starts_with("0000:6b:00.0: services cannot be changed from sym;asym to dc"), "{error}");
    assert!(
        error
            .ends_with("0000:6b:00.1: it is bound to vfio-pci, and a program uses it: /dev/vfio/201 is open")
    );
    assert_eq!(setup.show(&mut Vec::new()).unwrap_err(), [error], "a dry run says it too");
    assert_eq!(drivers.written(), [""; 0]);
}

#[test]
fn a_virtual_function_that_is_used_is_no_obstacle_where_nothing_changes() {
    let drivers = Drivers::with(3, Some("vfio-pci"));
    let setup = Setup { open: busy, ..setup(drivers.host(), "ServicesEnabled=asym;sym") };
    setup.run().unwrap();
    assert_eq!(drivers.written(), [""; 0]);
}

#[test]
fn services_stay_when_it_is_not_known_whether_a_virtual_function_is_used() {
    let drivers = Drivers::with(3, Some("igb_uio"));
    let error = refused(&setup(drivers.host(), "ServicesEnabled=dc"));
    assert!(error.contains("bound to igb_uio") && error.contains("not known"), "{error}");
    assert_eq!(drivers.written(), [""; 0]);
}

#[test]
fn virtual_functions_of_the_kernel_are_nobodys() {
    let drivers = Drivers::with(3, Some("4xxxvf"));
    let setup = Setup { open: busy, ..setup(drivers.host(), "ServicesEnabled=dc") };
    setup.run().unwrap();
    assert_eq!(drivers.bound(), ALL_ON_VFIO);
}

#[test]
fn services_that_do_not_fit_are_refused_before_anything_is_changed() {
    let drivers = Drivers::with(0, None);
    let error = refused(&setup(drivers.host(), "\nServicesEnabled=asym;sym;dc"));
    assert!(
        error.contains("qat.conf, line 2: ServicesEnabled=asym;sym;dc does not fit 0000:6b:00.0"),
        "{error}"
    );
    assert_eq!(drivers.written(), [""; 0]);
}
