//! QAT.

use host::PciFunction;
use rustix::io::Errno;

use super::scene::Scene;

const PF: &str = "0000:6b:00.0";
const DRIVERS: &str = "use pci-bus\nuse vfio\nuse pci-driver driver=4xxx\nuse pci-driver driver=4xxxvf\n\
    use pci-driver driver=6xxx\n";
const QAT: &str = "use qat-pf as=qat0 at=pci0000:6b pci=0000:6b:00.0 group=100\n";
const DEBUG: &str = "/sys/kernel/debug/qat_4xxx_0000:6b:00.0";

fn qat() -> Scene {
    Scene::of(&format!("{DRIVERS}{QAT}"))
}

fn path(name: &str) -> String {
    format!("/sys/bus/pci/devices/{PF}/{name}")
}

fn functions(scene: &Scene) -> Vec<String> {
    let physical = PciFunction::at(&scene.host, PF.parse().unwrap()).unwrap();
    physical.virtual_functions().unwrap().iter().map(|one| one.address().to_string()).collect()
}

/// The answer to services while it is down, and what is shown then.
fn services(scene: &Scene, value: &str) -> Result<String, Errno> {
    scene.write(&path("qat/cfg_services"), value).map(|()| scene.read(&path("qat/cfg_services")))
}

#[test]
fn services_are_chosen_while_it_is_down() {
    let scene = qat();
    assert_eq!(services(&scene, "dc"), Err(Errno::INVAL));
    scene.set(&path("qat/state"), "down\n");
    assert_eq!(scene.read(&path("qat/state")), "down");
    assert_eq!(services(&scene, "dc\n"), Ok("dc".to_owned()));
    scene.set(&path("qat/state"), "up");
    assert_eq!(scene.read(&format!("{DEBUG}/dev_cfg")), "[GENERAL]\nServicesEnabled = dc");
    assert_eq!(services(&scene, "sym"), Err(Errno::INVAL));
    assert_eq!(scene.read(&path("qat/cfg_services")), "dc");
    for bad in ["Up", "1", "updown", " up", "\n"] {
        assert_eq!(scene.write(&path("qat/state"), bad), Err(Errno::INVAL), "{bad:?}");
    }
}

#[test]
fn up_and_down_can_be_written_again() {
    let scene = qat();
    let before = scene.tree();
    for state in ["up", "down", "down", "up", "up"] {
        scene.set(&path("qat/state"), state);
        assert_eq!(scene.read(&path("qat/state")), state);
        // The rest of debugfs stays.
        assert_eq!(scene.exists(&format!("{DEBUG}/heartbeat/status")), state == "up");
        assert!(scene.exists(&format!("{DEBUG}/dev_cfg")));
    }
    assert_eq!(scene.tree(), before);
}

#[test]
fn the_services_that_go_together() {
    let scene = qat();
    scene.set(&path("qat/state"), "down");
    for (value, shown) in [
        ("sym;asym", "asym;sym"),
        ("asym;sym", "asym;sym"),
        ("dc", "dc"),
        ("dcc", "dcc"),
        ("sym", "sym"),
        ("asym", "asym"),
        ("dc;asym", "asym;dc"),
        ("asym;dc", "asym;dc"),
        ("dc;sym", "sym;dc"),
        ("sym;dc", "sym;dc"),
    ] {
        assert_eq!(services(&scene, value), Ok(shown.to_owned()), "{value}");
    }
    for bad in
        ["", ";", "sym;", "sym;sym", "dcc;sym", "sym;asym;dc", "decomp", "sym;decomp", "SYM", "sym,asym"]
    {
        if !bad.is_empty() {
            assert_eq!(services(&scene, bad), Err(Errno::INVAL), "{bad:?}");
        }
    }
    assert_eq!(scene.read(&path("qat/cfg_services")), "sym;dc");
}

#[test]
fn before_6_16_services_stay_as_they_were_written() {
    let scene = qat();
    scene.kernel.behave_as((6, 15));
    scene.set(&path("qat/state"), "down");
    for value in ["sym;asym", "asym;sym", "dc;sym", "dcc"] {
        assert_eq!(services(&scene, value), Ok(value.to_owned()));
    }
    assert_eq!(services(&scene, "sym;asym;dc"), Err(Errno::INVAL));
    assert_eq!(services(&scene, "sym;sym"), Err(Errno::INVAL));
}

#[test]
fn the_sixth_generation_does_three_at_a_time_and_decompression() {
    let scene = Scene::of(&format!(
        "{DRIVERS}{}",
        QAT.replace("group=100", "group=100 device=0x4948 driver=6xxx vf-device=4949")
    ));
    scene.set(&path("qat/state"), "down");
    for (value, shown) in [
        ("decomp", "decomp"),
        ("decomp;sym", "sym;decomp"),
        ("dc;sym;asym", "asym;sym;dc"),
        ("decomp;dc;sym", "sym;dc;decomp"),
    ] {
        assert_eq!(services(&scene, value), Ok(shown.to_owned()), "{value}");
    }
    for bad in ["dcc;dc", "asym;sym;dc;decomp", "dcc;sym;asym"] {
        assert_eq!(services(&scene, bad), Err(Errno::INVAL), "{bad}");
    }
    scene.set(&path("sriov_numvfs"), "16");
    assert_eq!(scene.read("/sys/bus/pci/devices/0000:6b:02.0/device"), "0x4949");
}

#[test]
fn auto_reset_is_on_or_off() {
    let scene = qat();
    for (value, shown) in [("on", "on"), ("0\n", "off"), ("1", "on"), ("off", "off"), ("y", "on")] {
        scene.set(&path("qat/auto_reset"), value);
        assert_eq!(scene.read(&path("qat/auto_reset")), shown);
    }
    for bad in ["2", "maybe", "\n"] {
        assert_eq!(scene.write(&path("qat/auto_reset"), bad), Err(Errno::INVAL), "{bad:?}");
    }
    assert_eq!(scene.read(&path("qat/auto_reset")), "on");
}

#[test]
fn all_functions_come_whatever_is_asked_for() {
    let scene = qat();
    let before = scene.tree();
    scene.set(&path("sriov_numvfs"), "1");
    assert_eq!(scene.read(&path("sriov_numvfs")), "16");
    let all = functions(&scene);
    assert_eq!(all.len(), 16);
    assert_eq!(
        (all[0].as_str(), all[7].as_str(), all[15].as_str()),
        ("0000:6b:00.1", "0000:6b:01.0", "0000:6b:02.0")
    );
    for (number, address) in all.iter().enumerate() {
        assert_eq!(scene.driver(address), "4xxxvf");
        let vf = PciFunction::at(&scene.host, address.parse().unwrap()).unwrap();
        assert_eq!(vf.device().unwrap().to_string(), "0x4941");
        let group = u32::try_from(number).unwrap();
        assert_eq!(vf.iommu_group().unwrap(), Some(group));
    }
    scene.is_sound();
    assert_eq!(scene.write(&path("sriov_numvfs"), "1"), Err(Errno::BUSY));
    scene.set(&path("sriov_numvfs"), "16");
    assert_eq!(scene.read(&path("qat/state")), "up");
    scene.set(&path("sriov_numvfs"), "0");
    assert_eq!(scene.read(&path("qat/state")), "up");
    assert_eq!(scene.tree(), before);
}

#[test]
fn down_takes_the_functions_along_and_up_does_not_bring_them_back() {
    let scene = qat();
    let before = scene.tree();
    scene.set(&path("sriov_numvfs"), "16");
    for address in functions(&scene) {
        assert_eq!(scene.pci("4xxxvf", "unbind", &address), Ok(()));
        scene.set(&format!("/sys/bus/pci/devices/{address}/driver_override"), "vfio-pci");
        assert_eq!(scene.pci("vfio-pci", "bind", &address), Ok(()));
    }
    assert_eq!(scene.host.names("/dev/vfio").unwrap().len(), 17);
    scene.is_sound();
    scene.set(&path("qat/state"), "down");
    assert_eq!(functions(&scene), [""; 0]);
    assert_eq!(scene.read(&path("sriov_numvfs")), "0");
    assert_eq!(scene.host.names("/dev/vfio").unwrap(), ["vfio"]);
    scene.set(&path("qat/state"), "up");
    assert_eq!(functions(&scene), [""; 0]);
    assert_eq!(scene.tree(), before);
}

#[test]
fn a_function_that_is_down_comes_up_with_virtual_ones() {
    let scene = qat();
    scene.set(&path("qat/state"), "down");
    scene.set(&path("sriov_numvfs"), "16");
    assert_eq!(scene.read(&path("qat/state")), "up");
    assert!(scene.exists(&format!("{DEBUG}/heartbeat/status")));
}

#[test]
fn before_6_8_the_number_cannot_be_0() {
    let scene = qat();
    scene.kernel.behave_as((6, 7));
    scene.set(&path("sriov_numvfs"), "16");
    assert_eq!(scene.write(&path("sriov_numvfs"), "0"), Err(Errno::INVAL));
    assert_eq!(functions(&scene).len(), 16);
    scene.set(&path("qat/state"), "down");
    assert_eq!(functions(&scene).len(), 0);
}

#[test]
fn without_an_iommu_there_are_no_functions() {
    let scene = qat();
    scene.kernel.node().delete(path("iommu_group")).unwrap();
    assert_eq!(scene.write(&path("sriov_numvfs"), "16"), Err(Errno::INVAL));
}

#[test]
fn functions_that_the_profile_made_go_too() {
    let mut lines = format!("{DRIVERS}{}", QAT.replace("group=100", "group=100 vfs=2"));
    lines += "use qat-vf-vfio as=vf0 at=pci0000:6b pci=0000:6b:00.1 pf=0000:6b:00.0 vf=0 group=101\n\
              use qat-vf as=vf1 at=pci0000:6b pci=0000:6b:00.2 pf=0000:6b:00.0 vf=1\n";
    let mut scene = Scene::of(&lines);
    scene.set(&path("sriov_numvfs"), "0");
    assert_eq!(scene.tree(), qat().tree());
    assert!(scene.kernel.node().devices().eq(["qat0"]));
    assert_eq!(
        scene.uevents(),
        ["remove pci 0000:6b:00.2", "remove vfio 101", "unbind pci 0000:6b:00.1", "remove pci 0000:6b:00.1"]
    );
}

#[test]
fn the_driver_comes_and_goes() {
    let scene = qat();
    scene.set(&path("sriov_numvfs"), "16");
    scene.set(&path("qat/state"), "down");
    scene.set(&path("qat/cfg_services"), "dc");
    assert_eq!(scene.pci("4xxx", "unbind", PF), Ok(()));
    assert!(!scene.exists(&path("qat")) && !scene.exists(DEBUG));
    assert_eq!(scene.write(&path("sriov_numvfs"), "1"), Err(Errno::NOENT));
    assert_eq!(scene.pci("4xxx", "bind", PF), Ok(()));
    // As after boot.
    assert_eq!(scene.tree(), qat().tree());
}

#[test]
fn hardware_without_a_state_is_never_seen_down() {
    let scene = qat();
    scene.kernel.node().delete(path("qat")).unwrap();
    let before = scene.tree();
    scene.set(&path("sriov_numvfs"), "16");
    assert_eq!(functions(&scene).len(), 16);
    scene.set(&path("sriov_numvfs"), "0");
    assert_eq!(scene.tree(), before);
}
