//! What the drivers say of cards.

use crate::scene::{CARDS, DFL, OPAE, Scene};

#[test]
fn a_management_engine_and_its_port_are_described() {
    let scene = Scene::on(DFL);
    assert_eq!(scene.ask(&["list"]).good(), "dfl-fme.0 dfl-port.0");
    assert_eq!(
        scene.ask(&["fme", "dfl-fme.0"]).good(),
        "DFL dfl-fme.0 /dev/dfl-fme.0 on 0000:81:00.0: interface bfac4d851ee856fe8c95865ce1bbaa2d, API version 0, \
         extension false, ports dfl-port.0 of 1, socket Some(0), bitstream Some(\"0x0023000410010310\") \
         Some(\"0x0000000020032300\")"
    );
    assert_eq!(
        scene.ask(&["port", "/dev/dfl-port.0"]).good(),
        "DFL dfl-port.0 /dev/dfl-port.0 on 0000:81:00.0: of dfl-fme.0, number 0, virtual false, \
         interface bfac4d851ee856fe8c95865ce1bbaa2d, function f7df405cbd7acf7222f144b0b93acd18, API version 0, \
         extension false, PortInfo { flags: 0, regions: 2, umsgs: 0 }, \
         [Region { flags: 7, index: 0, size: 262144, offset: 0 }, Region { flags: 7, index: 1, size: 8192, offset: 262144 }]"
    );
}

#[test]
fn each_card_of_the_other_driver_has_its_own_engine() {
    let scene = Scene::on(OPAE);
    assert_eq!(
        scene.ask(&["list"]).good(),
        "intel-fpga-fme.0 intel-fpga-fme.1 intel-fpga-port.0 intel-fpga-port.1"
    );
    let fme = scene.ask(&["fme", "/dev/intel-fpga-fme.1"]).good();
    assert!(
        fme.starts_with("OPAE intel-fpga-fme.1 /dev/intel-fpga-fme.1 on 0000:af:00.0: interface 6952"),
        "{fme}"
    );
    assert!(fme.contains("ports intel-fpga-port.1 of 1,"), "{fme}");
    let port = scene.ask(&["port", "intel-fpga-port.0"]).good();
    assert!(port.contains("of intel-fpga-fme.0, number 0, virtual false"), "{port}");
    assert!(port.contains("PortInfo { flags: 0, regions: 2, umsgs: 0 }, [Region { flags: 7,"), "{port}");
}

#[test]
fn a_node_without_drivers_has_no_fpgas() {
    let scene = Scene::text("dir /sys/class");
    assert_eq!(scene.ask(&["list"]).good(), "");
}

#[test]
fn names_are_compared_as_a_whole() {
    let scene = Scene::on(DFL);
    for name in [
        "dfl-port.x",
        "dfl-port.",
        "dfl-port.1x",
        "dfl-port.+1",
        "dfl-portX1",
        "dfl-fme-region.0",
        "xdfl-fme.1",
    ] {
        std::fs::create_dir(scene.at("sys/bus/platform/devices").join(name)).unwrap();
    }
    assert_eq!(scene.ask(&["list"]).good(), "dfl-fme.0 dfl-port.0");
}

/// A card that was never described has no such files.
#[test]
fn what_a_card_does_not_have_is_left_out() {
    let mut scene = Scene::on(DFL);
    for name in ["socket_id", "bitstream_id", "bitstream_metadata"] {
        scene.node.delete(format!("/sys/bus/platform/devices/dfl-fme.0/{name}")).unwrap();
    }
    let fme = scene.ask(&["fme", "dfl-fme.0"]).good();
    assert!(fme.ends_with("socket None, bitstream None None"), "{fme}");
}

#[test]
fn a_port_is_reset() {
    for card in CARDS {
        let scene = Scene::on(card);
        assert_eq!(scene.ask(&["reset", card.port]).good(), "reset");
        assert_eq!(scene.told(), [format!("{} open: 0", card.port), format!("{} reset: 0", card.port)]);
        let error = scene.ask_with(&["reset=ETIMEDOUT"], &["reset", card.port]).bad();
        assert!(error.starts_with(&format!("cannot reset {}: Connection timed out", card.port)), "{error}");
    }
}

#[test]
fn a_driver_that_does_not_know_a_request_is_an_error_with_the_devices_name() {
    let scene = Scene::on(DFL);
    for (fault, question, expected) in [
        (
            "version=EINVAL",
            ["fme", "dfl-fme.0"],
            "cannot ask for the API version of dfl-fme.0: Invalid argument",
        ),
        (
            "extension=EINVAL",
            ["port", "dfl-port.0"],
            "cannot ask for the extensions of dfl-port.0: Invalid argument",
        ),
        (
            "info=ENODEV",
            ["port", "dfl-port.0"],
            "cannot ask for the properties of dfl-port.0: No such device",
        ),
        ("region=EINVAL", ["port", "dfl-port.0"], "cannot ask for a region of dfl-port.0: Invalid argument"),
    ] {
        let error = scene.ask_with(&[fault], &question).bad();
        assert!(error.starts_with(expected), "{error}");
    }
}
