use std::io;

use super::*;
use crate::scene::{PF, Scene};
use crate::{Options, functions};

/// A binder on a node with 2 virtual functions, and a clock.
struct Watch {
    scene: Scene,
    binder: Binder,
    now: Instant,
}

impl Watch {
    fn of(scene: Scene, driver: DpdkDriver) -> Self {
        Self { scene, binder: Binder::new(driver), now: Instant::now() }
    }

    fn on(driver: Option<&str>) -> Self {
        Self::of(two(driver), DpdkDriver::VfioPci)
    }

    fn look(&mut self) -> Vec<String> {
        let host = self.scene.host();
        let config = Options::parse("qat", [""; 0]).unwrap().check().unwrap();
        let found = functions::find(&host, &config).unwrap();
        self.binder.bind(&host, &found.functions, self.now)
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn bound(&self) -> String {
        self.scene.bound().join(", ")
    }
}

/// A node with virtual functions that are bound to a driver, if any.
fn two(driver: Option<&str>) -> Scene {
    let scene = Scene::new();
    scene.set("sriov_totalvfs", "2");
    scene.enable(driver);
    scene
}

const BOTH_ON_VFIO: &str = "0000:6b:00.1 vfio-pci, 0000:6b:00.2 vfio-pci";

#[test]
fn functions_without_a_driver_are_bound() {
    let mut watch = Watch::on(None);
    assert_eq!(watch.look(), [""; 0]);
    assert_eq!(watch.bound(), BOTH_ON_VFIO);
    let expected = [
        "0000:6b:00.1/driver_override=vfio-pci",
        "drivers/vfio-pci/bind=0000:6b:00.1",
        "0000:6b:00.2/driver_override=vfio-pci",
        "drivers/vfio-pci/bind=0000:6b:00.2",
    ];
    assert_eq!(watch.scene.written(), expected);
    assert_eq!((watch.look(), watch.scene.written()), (Vec::new(), Vec::new()), "all is as it should be");
}

#[test]
fn functions_on_their_kernel_driver_are_taken_from_it() {
    let mut watch = Watch::on(Some("4xxxvf"));
    assert_eq!(watch.look(), [""; 0]);
    assert_eq!(watch.bound(), BOTH_ON_VFIO);
    assert_eq!(watch.scene.written()[0], "drivers/4xxxvf/unbind=0000:6b:00.1");
}

#[test]
fn functions_on_a_foreign_driver_are_left_alone() {
    for driver in ["uio_pci_generic", "qat_vfio_pci", "c6xxvf"] {
        let mut watch = Watch::on(None);
        watch.scene.node().add(&format!("pci-driver as=foreign driver={driver}")).unwrap();
        watch.scene.bind("0000:6b:00.1", driver);
        let warning =
            format!("0000:6b:00.1 is left alone: it is bound to {driver}; unbind it to have it offered");
        assert_eq!(watch.look(), [warning.as_str()]);
        assert_eq!(watch.bound(), format!("0000:6b:00.1 {driver}, 0000:6b:00.2 vfio-pci"));
        assert_eq!(watch.look(), [warning.as_str()], "a warning stays while its cause does");
    }
}

#[test]
fn functions_that_are_meant_for_another_driver_are_left_alone() {
    let mut watch = Watch::on(None);
    watch.scene.administer("/sys/bus/pci/devices/0000:6b:00.1/driver_override", "somebody");
    watch.scene.administer("/sys/bus/pci/devices/0000:6b:00.2/driver_override", "4xxxvf");
    let warnings = watch.look();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("its driver_override says that it is for somebody"), "{warnings:?}");
    assert_eq!(watch.bound(), "0000:6b:00.1 -, 0000:6b:00.2 vfio-pci");
}

fn busy(_: &Host, node: &str) -> io::Result<()> {
    if node == "/dev/vfio/0" { Err(ErrorKind::ResourceBusy.into()) } else { Ok(()) }
}

fn forbidden(_: &Host, _: &str) -> io::Result<()> {
    Err(ErrorKind::PermissionDenied.into())
}

#[test]
fn functions_that_a_program_has_through_vfio_stay_with_it() {
    let mut watch = Watch::of(two(Some("vfio-pci")), DpdkDriver::IgbUio);
    watch.binder.open = busy;
    let why = "it is bound to vfio-pci, and a program uses it: /dev/vfio/0 is open";
    assert_eq!(watch.look(), [format!("0000:6b:00.1 is left alone: {why}")]);
    assert_eq!(watch.bound(), "0000:6b:00.1 vfio-pci, 0000:6b:00.2 igb_uio");
}

#[test]
fn functions_stay_where_it_is_not_known_whether_a_program_has_them() {
    let mut watch = Watch::of(two(Some("vfio-pci")), DpdkDriver::IgbUio);
    watch.binder.open = forbidden;
    let warnings = watch.look();
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].contains("it is not known whether a program uses it"), "{warnings:?}");
    assert_eq!(watch.scene.written(), [""; 0]);
}

#[test]
fn a_flag_that_goes_back_to_vfio_takes_functions_from_igb_uio() {
    let mut watch = Watch::on(Some("igb_uio"));
    assert_eq!(watch.look(), [""; 0]);
    assert_eq!(watch.bound(), BOTH_ON_VFIO);
}

#[test]
fn one_that_fails_harms_no_other_and_is_as_it_was() {
    let mut watch = Watch::on(Some("4xxxvf"));
    watch.scene.kernel.refuse("vfio-pci/bind=0000:6b:00.1", ErrorKind::InvalidInput);
    let warnings = watch.look();
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].starts_with("0000:6b:00.1 is left out: it cannot be bound to vfio-pci: "),
        "{warnings:?}"
    );
    assert_eq!(watch.bound(), "0000:6b:00.1 4xxxvf, 0000:6b:00.2 vfio-pci");
}

#[test]
fn what_failed_is_tried_again_once_a_minute() {
    let mut watch = Watch::on(None);
    watch.scene.kernel.refuse("vfio-pci/bind=0000:6b:00.1", ErrorKind::InvalidInput);
    let warnings = watch.look();
    watch.scene.written();
    watch.pass(59);
    assert_eq!(watch.look(), warnings, "it is still said");
    assert_eq!(watch.scene.written(), [""; 0], "but not tried");
    watch.pass(1);
    assert_eq!(watch.look(), warnings);
    assert!(watch.scene.written().contains(&"drivers/vfio-pci/bind=0000:6b:00.1".to_owned()));
    watch.scene.kernel.obey();
    assert_eq!(watch.look(), warnings);
    watch.pass(60);
    assert_eq!(watch.look(), [""; 0]);
    assert_eq!(watch.bound(), BOTH_ON_VFIO);
}

#[test]
fn what_failed_is_tried_again_when_it_reappears() {
    let mut watch = Watch::on(None);
    watch.scene.kernel.refuse("vfio-pci/bind", ErrorKind::InvalidInput);
    assert_eq!(watch.look().len(), 2);
    watch.scene.kernel.obey();
    watch.scene.administer(&format!("/sys/bus/pci/devices/{PF}/sriov_numvfs"), "0");
    assert_eq!(watch.look(), [""; 0]);
    watch.scene.enable(None);
    assert_eq!(watch.look(), [""; 0]);
    assert_eq!(watch.bound(), BOTH_ON_VFIO);
}

#[test]
fn a_failure_is_forgotten_when_somebody_else_binds_the_function() {
    let mut watch = Watch::on(None);
    watch.scene.kernel.refuse("vfio-pci/bind", ErrorKind::InvalidInput);
    assert_eq!(watch.look().len(), 2);
    watch.scene.kernel.obey();
    watch.scene.bind("0000:6b:00.1", "vfio-pci");
    assert_eq!(watch.look().len(), 1);
    watch.scene.unbind("0000:6b:00.1");
    assert_eq!(watch.look().len(), 1);
    assert_eq!(watch.bound(), "0000:6b:00.1 vfio-pci, 0000:6b:00.2 -");
}

#[test]
fn a_function_that_somebody_else_wants_too_is_taken_back_every_5_s() {
    let mut watch = Watch::on(None);
    assert_eq!(watch.look(), [""; 0]);
    watch.scene.unbind("0000:6b:00.1");
    watch.pass(4);
    assert_eq!(watch.look(), [""; 0]);
    assert_eq!(watch.bound(), "0000:6b:00.1 -, 0000:6b:00.2 vfio-pci");
    watch.pass(1);
    assert_eq!(watch.look(), [""; 0]);
    assert_eq!(watch.bound(), BOTH_ON_VFIO);
}

#[test]
fn a_driver_that_is_not_loaded_is_one_warning() {
    let mut watch = Watch::on(Some("4xxxvf"));
    watch.scene.node().delete("/sys/bus/pci/drivers/vfio-pci").unwrap();
    let warning = "2 virtual functions are left out: the driver vfio-pci is not loaded; run `modprobe vfio-pci` on the node";
    assert_eq!((watch.look(), watch.scene.written()), (vec![warning.to_owned()], Vec::new()));
}

#[test]
fn where_sysfs_cannot_be_written_a_function_is_bound_as_it_is() {
    let mut watch = Watch::on(Some("4xxxvf"));
    watch.scene.kernel.refuse("driver_override", ErrorKind::ReadOnlyFilesystem);
    let warnings = watch.look();
    assert_eq!(warnings.len(), 2, "vfio-pci does not know the ids");
    assert!(warnings[0].contains("prepare the node with `setup qat`"), "{warnings:?}");
    assert_eq!(watch.bound(), "0000:6b:00.1 4xxxvf, 0000:6b:00.2 4xxxvf", "undone");
    watch.scene.administer("/sys/bus/pci/drivers/vfio-pci/new_id", "8086 4941");
    watch.pass(60);
    assert_eq!((watch.look(), watch.bound().as_str()), (Vec::new(), BOTH_ON_VFIO), "now it does");
}

#[test]
fn where_sysfs_cannot_be_written_functions_that_are_prepared_are_bound() {
    let mut watch = Watch::on(None);
    // One of them, so nothing has to be written there.
    watch.scene.administer("/sys/bus/pci/devices/0000:6b:00.1/driver_override", "vfio-pci");
    watch.scene.kernel.refuse("driver_override", ErrorKind::ReadOnlyFilesystem);
    assert_eq!(watch.look().len(), 1);
    assert_eq!(watch.bound(), "0000:6b:00.1 vfio-pci, 0000:6b:00.2 -");
}

#[test]
fn a_kernel_that_takes_the_writes_and_does_nothing_is_not_believed() {
    let watch = Watch::on(None);
    // Files in the place of attributes.
    let host = watch.scene.node().host();
    let function = PciFunction::at(&host, "0000:6b:00.1".parse().unwrap()).unwrap();
    let error = bind(&host, &function, "vfio-pci").unwrap_err();
    assert_eq!(error, "it has no driver, though the kernel refused nothing");
}
