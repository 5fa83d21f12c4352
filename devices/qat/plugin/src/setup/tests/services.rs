use super::*;

#[test]
fn services_are_changed_while_it_is_down_and_it_is_up_again() {
    let scene = Scene::new();
    run(&scene, "ServicesEnabled=dc;sym");
    assert_eq!((scene.get("qat/cfg_services").as_str(), scene.get("qat/state").as_str()), ("sym;dc", "up"));
    assert_eq!(
        scene.written()[..3],
        ["0000:6b:00.0/qat/state=down", "0000:6b:00.0/qat/cfg_services=sym;dc", "0000:6b:00.0/qat/state=up"]
    );
}

#[test]
fn the_same_services_in_another_order_are_the_same() {
    let scene = Scene::enabled(Some("vfio-pci"));
    for services in ["sym;asym", "asym;sym", "asym; sym"] {
        run(&scene, &format!("ServicesEnabled={services}"));
        assert_eq!(scene.written(), [""; 0], "{services}");
    }
    // As newer kernels give them back.
    scene.set("qat/cfg_services", "asym;sym");
    run(&scene, "ServicesEnabled=sym;asym");
    assert_eq!(scene.written(), [""; 0]);
}

#[test]
fn services_of_a_function_with_virtual_ones_are_changed_when_nobody_uses_these() {
    let scene = Scene::enabled(Some("vfio-pci"));
    run(&scene, "ServicesEnabled=dc");
    assert_eq!(scene.bound(), ALL_ON_VFIO);
    assert_eq!((scene.get("qat/cfg_services").as_str(), scene.get("qat/state").as_str()), ("dc", "up"));
    assert_eq!(
        scene.written()[..5],
        [
            "0000:6b:00.0/qat/state=down",
            "0000:6b:00.0/qat/cfg_services=dc",
            "0000:6b:00.0/qat/state=up",
            "0000:6b:00.0/sriov_drivers_autoprobe=0",
            "0000:6b:00.0/sriov_numvfs=3",
        ]
    );
}

#[test]
fn kernels_before_and_after_their_number_can_be_0_are_served() {
    for release in [(6, 7), (6, 16)] {
        let scene = Scene::enabled(Some("vfio-pci"));
        scene.kernel.behave_as(release);
        run(&scene, "ServicesEnabled=dc");
        assert_eq!(scene.bound(), ALL_ON_VFIO);
        assert_eq!(scene.get("qat/cfg_services"), "dc");
    }
}

#[test]
fn services_stay_when_a_virtual_function_is_used() {
    let scene = Scene::enabled(Some("vfio-pci"));
    let setup = Setup { open: busy, ..setup(scene.host(), "ServicesEnabled=dc") };
    let error = refused(&setup);
    assert!(error.starts_with("0000:6b:00.0: services cannot be changed from sym;asym to dc"), "{error}");
    assert!(
        error.ends_with("0000:6b:00.1: it is bound to vfio-pci, and a program uses it: /dev/vfio/0 is open")
    );
    assert_eq!(setup.show(&mut Vec::new()).unwrap_err(), [error], "a dry run says it too");
    assert_eq!(scene.written(), [""; 0]);
}

#[test]
fn a_virtual_function_that_is_used_is_no_obstacle_where_nothing_changes() {
    let scene = Scene::enabled(Some("vfio-pci"));
    let setup = Setup { open: busy, ..setup(scene.host(), "ServicesEnabled=asym;sym") };
    setup.run().unwrap();
    assert_eq!(scene.written(), [""; 0]);
}

#[test]
fn services_stay_when_it_is_not_known_whether_a_virtual_function_is_used() {
    let scene = Scene::enabled(Some("igb_uio"));
    let error = refused(&setup(scene.host(), "ServicesEnabled=dc"));
    assert!(error.contains("bound to igb_uio") && error.contains("not known"), "{error}");
    assert_eq!(scene.written(), [""; 0]);
}

#[test]
fn virtual_functions_of_the_kernel_are_nobodys() {
    let scene = Scene::enabled(Some("4xxxvf"));
    let setup = Setup { open: busy, ..setup(scene.host(), "ServicesEnabled=dc") };
    setup.run().unwrap();
    assert_eq!(scene.bound(), ALL_ON_VFIO);
}

#[test]
fn services_that_do_not_fit_are_refused_before_anything_is_changed() {
    let scene = Scene::new();
    let error = refused(&setup(scene.host(), "\nServicesEnabled=asym;sym;dc"));
    assert!(
        error.contains("qat.conf, line 2: ServicesEnabled=asym;sym;dc does not fit 0000:6b:00.0"),
        "{error}"
    );
    assert_eq!(scene.written(), [""; 0]);
}

#[test]
fn virtual_functions_come_back_when_the_services_are_refused() {
    for (release, driver) in [(6, 7), (6, 16)].into_iter().zip(["vfio-pci", "4xxxvf"]) {
        let scene = Scene::enabled(Some(driver));
        scene.kernel.behave_as(release);
        let before = scene.tree();
        scene.kernel.refuse("qat/cfg_services=dc", ErrorKind::InvalidInput);
        let error = refused(&setup(scene.host(), "ServicesEnabled=dc"));
        assert!(
            error.contains("the steps before it were undone") && !error.contains("not as before"),
            "{error}"
        );
        assert_eq!(scene.tree(), before, "{release:?}");
    }
}

#[test]
fn virtual_functions_that_do_not_come_back_are_named() {
    for release in [(6, 7), (6, 16)] {
        let scene = Scene::enabled(Some("vfio-pci"));
        scene.kernel.behave_as(release);
        scene.kernel.refuse("qat/cfg_services", ErrorKind::InvalidInput);
        scene.kernel.refuse("sriov_numvfs", ErrorKind::InvalidInput);
        let error = refused(&setup(scene.host(), "ServicesEnabled=dc"));
        assert!(
            error.contains("not all undone (cannot write to /sys/bus/pci/devices/0000:6b:00.0/sriov_numvfs")
        );
        let gone = |vf| format!("0000:6b:00.{vf} is gone, and was on vfio-pci (driver_override vfio-pci)");
        let lost = format!(
            "; what is not as before: {}, {}, {}, sriov_numvfs is 0, and was 3",
            gone(1),
            gone(2),
            gone(3)
        );
        assert!(error.ends_with(&lost), "{error}");
    }
}

#[test]
fn every_kernel_takes_what_is_written_for_the_fourth_generation() {
    for release in [(6, 7), (6, 15), (6, 16)] {
        for services in ["sym", "asym", "dc", "dcc", "asym;sym", "dc;asym", "dc;sym"] {
            let scene = Scene::enabled(Some("vfio-pci"));
            scene.kernel.behave_as(release);
            run(&scene, &format!("ServicesEnabled={services}"));
            assert_eq!(scene.bound(), ALL_ON_VFIO, "{services} {release:?}");
            run(&scene, &format!("ServicesEnabled={services}"));
        }
    }
}

#[test]
fn the_sixth_generation_gets_three_services() {
    let scene = Scene::of("device=0x4948 driver=6xxx vf-device=4949");
    run(&scene, "ServicesEnabled=decomp;sym;asym");
    assert_eq!(scene.get("qat/cfg_services"), "asym;sym;decomp");
    assert_eq!(scene.bound(), ALL_ON_VFIO);
}
