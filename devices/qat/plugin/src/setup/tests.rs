mod services;
mod undo;
mod virtual_functions;

use std::io;

use super::*;
use crate::scene::{FOLDER, PF, Scene};

fn busy(_: &Host, _: &str) -> io::Result<()> {
    Err(ErrorKind::ResourceBusy.into())
}

fn setup(host: Host, lines: &str) -> Setup {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("qat.conf"), lines).unwrap();
    let config = Config::read(folder.path(), "").unwrap();
    Setup { host, ids: "".parse().unwrap(), config, num_vfs: 0, open: users::open }
}

/// Prepares the node, without errors.
fn run(scene: &Scene, lines: &str) {
    setup(scene.host(), lines).run().unwrap();
}

/// The one reason why the node cannot be prepared.
fn refused(setup: &Setup) -> String {
    let errors = setup.run().unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].clone()
}

fn shown(setup: &Setup) -> String {
    let mut text = Vec::new();
    setup.show(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

const ALL_ON_VFIO: [&str; 3] = ["0000:6b:00.1 vfio-pci", "0000:6b:00.2 vfio-pci", "0000:6b:00.3 vfio-pci"];

#[test]
fn a_dry_run_prints_each_write_and_makes_none() {
    let scene = Scene::new();
    let text = shown(&setup(scene.host(), "ServicesEnabled=dc\nAutoresetEnabled=on"));
    let at = "/sys/bus/pci/devices/0000:6b:00.0";
    let mut expected = format!(
        "{at}/qat/state = down (now up)\n{at}/qat/cfg_services = dc (now sym;asym)\n{at}/qat/state = up\n\
         {at}/sriov_drivers_autoprobe = 0 (now 1)\n{at}/sriov_numvfs = 3\n{at}/sriov_drivers_autoprobe = 1\n"
    );
    for vf in 1..=3 {
        expected += &format!(
            "/sys/bus/pci/devices/0000:6b:00.{vf}/driver_override = vfio-pci\n\
             /sys/bus/pci/drivers/vfio-pci/bind = 0000:6b:00.{vf}\n"
        );
    }
    expected += &format!("{at}/qat/auto_reset = on (now off)\n");
    assert_eq!(text, expected);
    assert_eq!(scene.written(), [""; 0]);
    run(&scene, "ServicesEnabled=dc\nAutoresetEnabled=on");
    assert_eq!(scene.written().len(), expected.lines().count(), "the same writes are made");
    assert_eq!(shown(&setup(scene.host(), "ServicesEnabled=dc\nAutoresetEnabled=on")), "");
}

#[test]
fn a_function_that_was_left_down_is_brought_up() {
    let scene = Scene::new();
    scene.set("qat/state", "down");
    run(&scene, "");
    assert_eq!(scene.written()[0], "0000:6b:00.0/qat/state=up");
    scene.set("qat/state", "down");
    run(&scene, "");
    assert_eq!(scene.written(), ["0000:6b:00.0/qat/state=up"]);
}

#[test]
fn what_fails_is_undone() {
    let scene = Scene::new();
    scene.kernel.refuse("bind=0000:6b:00.2", ErrorKind::InvalidInput);
    let error = refused(&setup(scene.host(), "ServicesEnabled=dc"));
    assert!(error.contains("step 10 of 12 failed, the steps before it were undone"), "{error}");
    assert_eq!(scene.bound(), [""; 0]);
    let now = ["qat/cfg_services", "qat/state", "sriov_numvfs", "sriov_drivers_autoprobe"]
        .map(|name| scene.get(name));
    // The kernel's order of the same services.
    assert_eq!(now, ["asym;sym", "up", "0", "1"]);
}

#[test]
fn functions_without_services_or_auto_reset_are_prepared_all_the_same() {
    let scene = Scene::new();
    scene.delete("qat");
    let setup = setup(scene.host(), "ServicesEnabled=dc\nAutoresetEnabled=on");
    assert_eq!(shown(&setup).lines().filter(|line| line.contains("/qat/")).count(), 0);
    assert!(shown(&setup).contains("sriov_numvfs = 3"));
}

#[test]
fn without_vfio_nothing_is_changed() {
    let scene = Scene::new();
    scene.node().delete("/sys/bus/pci/drivers/vfio-pci").unwrap();
    let error = refused(&setup(scene.host(), ""));
    assert!(error.ends_with("is not loaded: run `modprobe vfio-pci`"), "{error}");
    assert_eq!(scene.written(), [""; 0]);
}

#[test]
fn only_the_chosen_ids_of_intels_are_prepared() {
    let scene = Scene::new();
    for ids in ["4942 37c8", "0x4948"] {
        let setup = Setup { ids: ids.parse().unwrap(), ..setup(scene.host(), "") };
        assert_eq!(shown(&setup), "", "{ids}");
    }
    let setup = Setup { ids: " 4940 ".parse().unwrap(), ..setup(scene.host(), "") };
    assert!(shown(&setup).contains("sriov_numvfs"));
    scene.set("vendor", "0x1af4");
    assert_eq!(shown(&setup), "");
    for bad in ["494", "49400", "4940,4942", "qat"] {
        assert!(bad.parse::<Ids>().unwrap_err().contains("no PCI device id"), "{bad}");
    }
    assert_eq!("4940".parse::<Ids>(), "0x4940".parse::<Ids>());
}

#[test]
fn a_function_without_a_driver_is_an_error_and_one_on_a_foreign_driver_is_left_alone() {
    let scene = Scene::new();
    let link = format!("{FOLDER}/{PF}/driver");
    scene.node().delete(&link).unwrap();
    let error = refused(&setup(scene.host(), ""));
    assert_eq!(error, "0000:6b:00.0 has no driver: load its module (`modprobe qat_4xxx`)");
    std::os::unix::fs::symlink("../../../bus/pci/drivers/vfio-pci", scene.node().host().outside(&link))
        .unwrap();
    run(&scene, "ServicesEnabled=dc");
    assert_eq!(scene.written(), [""; 0]);
}

#[test]
fn a_function_that_cannot_have_virtual_ones_is_an_error() {
    let scene = Scene::new();
    scene.delete("sriov_numvfs");
    let error = refused(&setup(scene.host(), ""));
    assert!(error.contains("is SR-IOV on in the firmware?"), "{error}");
}

#[test]
fn a_kernel_that_takes_the_writes_and_does_nothing_is_not_believed() {
    let scene = Scene::new();
    scene.kernel.ignore("qat/cfg_services");
    let error = refused(&setup(scene.host(), "ServicesEnabled=dc"));
    assert!(error.contains("still to be written") && error.contains("qat/cfg_services = dc"), "{error}");
}

#[test]
fn one_physical_function_that_cannot_be_prepared_keeps_no_other_from_it() {
    let scene = Scene::new();
    let words = "pci-function as=first at=pci0000:01 pci=0000:01:00.0 device=0x4944 class=0x0b4000";
    scene.node().add(words).unwrap();
    scene.node().add("sriov-pf as=sriov at=pci0000:01 pci=0000:01:00.0 total=16 enabled=0").unwrap();
    assert!(refused(&setup(scene.host(), "")).starts_with("0000:01:00.0 has no driver"));
    assert_eq!(scene.bound(), ALL_ON_VFIO);
}

#[test]
fn damaged_attributes_are_errors_and_never_panics() {
    let attributes = [
        "driver",
        "vendor",
        "device",
        "sriov_numvfs",
        "sriov_totalvfs",
        "sriov_offset",
        "sriov_stride",
        "sriov_drivers_autoprobe",
        "qat/state",
        "qat/cfg_services",
        "qat/auto_reset",
    ];
    for damage in simulator::Damage::ALL {
        for attribute in attributes {
            let scene = Scene::new();
            scene.node().damage(format!("{FOLDER}/{PF}/{attribute}"), damage).unwrap();
            let setup = setup(scene.host(), "ServicesEnabled=dc\nAutoresetEnabled=on");
            let mut text = Vec::new();
            if let Err(errors) = setup.show(&mut text) {
                assert!(errors.iter().all(|error| error.contains(PF)), "{attribute} {damage:?}: {errors:?}");
            }
        }
    }
}

#[test]
fn a_node_without_qat_needs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    setup(Host::at(folder.path()).unwrap(), "ServicesEnabled=dc").run().unwrap();
}

#[test]
fn flags() {
    let parse = |args: &[&str]| Options::parse("setup qat", args.iter().map(Into::into).collect());
    let options =
        parse(&["-dry-run", "-num-vfs=4", "-node-name=a", "-config-dir=/conf", "-prefix=/x", "-v=2"])
            .unwrap();
    assert_eq!((options.dry_run, options.num_vfs, options.node_name.as_str()), (true, 4, "a"));
    assert_eq!((options.config_dir.as_str(), options.prefix.as_str()), ("/conf", "/x"));
    assert_eq!(parse(&[]).unwrap().config_dir, "/qat-init/conf");
    assert_eq!(parse(&["-numvfs=4"]).unwrap_err().exit_code(), 2);
    let new = |args: &[&str], ids: &str| Setup::new(&parse(args).unwrap(), ids).map(drop);
    for bad in ["-num-vfs=-1", "-num-vfs=65536"] {
        assert!(new(&[bad], "").unwrap_err().starts_with("-num-vfs is "), "{bad}");
    }
    assert!(new(&[], "x").unwrap_err().starts_with("ENABLED_QAT_PF_PCIIDS: \"x\""));
    assert!(new(&["-prefix=/no/such/folder"], "").unwrap_err().starts_with("-prefix: "));
    assert_eq!(new(&[], ""), Ok(()));
}
