mod damage;
mod numbers;
mod present;
mod scene;

use device_plugin::DevicePlugin as _;

use super::*;
use crate::DlbPlugin;
use scene::{DEVICE, FOLDER, PF, Scene};

/// What the Go implementation gives to its one virtual function.
const USUAL: [(&str, u64); 10] = [
    ("num_atomic_inflights", 2048),
    ("num_dir_credits", 2048),
    ("num_dir_ports", 8),
    ("num_hist_list_entries", 2048),
    ("num_ldb_credits", 8192),
    ("num_ldb_ports", 4),
    ("num_ldb_queues", 32),
    ("num_sched_domains", 32),
    ("num_sn0_slots", 2),
    ("num_sn1_slots", 2),
];

fn setup(scene: &Scene, num_vfs: u16) -> Setup {
    Setup { host: scene.host(), limit: 1, num_vfs, wanted: Wanted::default() }
}

fn shown(setup: &Setup) -> String {
    let mut text = Vec::new();
    setup.show(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// The one reason why the node cannot be prepared.
fn refused(setup: &Setup) -> String {
    let errors = setup.run().unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].clone()
}

/// What the plugin offers then: `pf: /dev/dlb0; vf: /dev/dlb1`, healthy.
fn offered(scene: &Scene) -> String {
    let host = scene.host();
    let inventory = DlbPlugin::new(host.clone()).discover(&host).unwrap();
    assert_eq!(inventory.warnings, [""; 0]);
    let resources = inventory.resources.iter().map(|(name, resource)| {
        let healthy = resource.devices.iter().filter(|(_, device)| device.is_healthy());
        format!("{name}: {}", healthy.map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(" "))
    });
    resources.collect::<Vec<_>>().join("; ")
}

#[test]
fn a_dry_run_prints_each_write_and_makes_none() {
    let scene = Scene::with(&[PF]);
    let mut expected = format!(
        "{DEVICE}/sriov_drivers_autoprobe = 0\n{DEVICE}/sriov_numvfs = 1\n{DEVICE}/sriov_drivers_autoprobe = 1\n"
    );
    for (name, value) in USUAL {
        expected += &format!("{DEVICE}/vf0_resources/{name} = {value}\n");
    }
    expected += "/sys/bus/pci/drivers/dlb2/bind = 0000:6d:00.1\n";
    assert_eq!(shown(&setup(&scene, 1)), expected);
    assert_eq!(scene.written(), [""; 0]);
    setup(&scene, 1).run().unwrap();
    assert_eq!(scene.written().len(), expected.lines().count(), "the same writes are made");
}

#[test]
fn the_first_physical_function_gets_a_virtual_one_that_is_offered() {
    let scene = Scene::with(&[PF, "0000:72:00.0"]);
    assert_eq!(offered(&scene), "pf: /dev/dlb0 /dev/dlb100");
    setup(&scene, 1).run().unwrap();
    assert_eq!(scene.bound(), ["0000:6d:00.1 dlb2"]);
    for (name, value) in USUAL {
        assert_eq!(scene.get(&format!("vf0_resources/{name}")), value.to_string(), "{name}");
    }
    assert_eq!(scene.get("sriov_drivers_autoprobe"), "1");
    assert_eq!(offered(&scene), "pf: /dev/dlb100; vf: /dev/dlb1");
    scene.written();
    setup(&scene, 1).run().unwrap();
    assert_eq!(scene.written(), [""; 0], "a second time changes nothing");
}

#[test]
fn a_write_that_fails_undoes_what_was_done() {
    for word in ["sriov_numvfs=2", "autoprobe=1", "vf0_resources/num_dir_credits", "bind=0000:6d:00.2"] {
        let scene = Scene::with(&[PF]);
        scene.kernel.refuse(word, ErrorKind::InvalidInput);
        let error = refused(&setup(&scene, 2));
        assert!(error.starts_with("0000:6d:00.0: step "), "{error}");
        if word == "autoprobe=1" {
            assert!(error.contains("were not all undone"), "{error}");
            continue;
        }
        assert!(error.contains("the steps before it were undone"), "{word}: {error}");
        assert_eq!((scene.get("sriov_numvfs"), scene.bound()), ("0".to_owned(), vec![]), "{word}");
        assert_eq!(scene.get("sriov_drivers_autoprobe"), "1", "{word}");
        scene.kernel.obey();
        setup(&scene, 2).run().unwrap();
        assert_eq!(scene.bound(), ["0000:6d:00.1 dlb2", "0000:6d:00.2 dlb2"], "{word}: it can be run again");
    }
}

#[test]
fn where_nothing_can_be_written_the_node_stays_as_it_is() {
    for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
        let scene = Scene::with(&[PF]);
        scene.kernel.refuse("/sriov_numvfs", kind);
        scene.kernel.refuse("/sriov_drivers_autoprobe", kind);
        assert_eq!(setup(&scene, 1).run(), Ok(()), "{kind}");
        assert_eq!(offered(&scene), "pf: /dev/dlb0");
    }
    // Something else is wrong here.
    let scene = Scene::with(&[PF]);
    scene.kernel.refuse("vf0_resources/num_dir_ports", ErrorKind::PermissionDenied);
    assert!(refused(&setup(&scene, 1)).contains("the steps before it were undone"));
}

#[test]
fn a_kernel_that_takes_the_writes_and_does_nothing_is_not_believed() {
    let scene = Scene::with(&[PF]);
    scene.kernel.ignore("dlb2/bind");
    let error = refused(&setup(&scene, 1));
    let missing = "but this is still to be written: /sys/bus/pci/drivers/dlb2/bind = 0000:6d:00.1; its virtual \
                   functions are disabled again";
    assert!(error.ends_with(missing), "{error}");
    assert_eq!(scene.get("sriov_numvfs"), "0");
}

#[test]
fn a_physical_function_that_a_program_uses_is_left_alone() {
    let scene = Scene::with(&[PF]);
    scene.set("total_resources/num_sched_domains", "32");
    scene.set("avail_resources/num_sched_domains", "30");
    assert_eq!(
        refused(&setup(&scene, 1)),
        "0000:6d:00.0: a program uses it, 2 of its 32 scheduling domains are taken: virtual functions would need them"
    );
    assert_eq!(scene.written(), [""; 0]);
    scene.set("avail_resources/num_sched_domains", "32");
    setup(&scene, 1).run().unwrap();
    assert_eq!(offered(&scene), "vf: /dev/dlb1");
    // Virtual functions have taken them now, which is no reason.
    scene.set("avail_resources/num_sched_domains", "0");
    setup(&scene, 1).run().unwrap();
}

#[test]
fn a_node_without_load_balancers_is_fine() {
    for physical in [&[][..], &[PF]] {
        let scene = Scene::with(physical);
        if physical.is_empty() {
            scene.node().delete("/sys/bus/pci/drivers/dlb2").unwrap();
        } else {
            // As in a virtual machine.
            scene.node().delete(format!("{FOLDER}/sriov_totalvfs")).unwrap();
        }
        assert_eq!(shown(&setup(&scene, 1)), "");
        assert_eq!(setup(&scene, 1).run(), Ok(()));
        assert_eq!(scene.written(), [""; 0]);
    }
}

#[test]
fn flags() {
    let parse = |args: &[&str]| Options::parse("setup dlb", args.iter().map(Into::into).collect());
    let new = |args: &[&str]| Setup::new(&parse(args).unwrap());
    let found = new(&["-num-pfs=2", "-num-vfs=4", "-vf-resources=num_ldb_ports=16", "-v=2"]).unwrap();
    assert_eq!((found.limit, found.num_vfs), (2, 4));
    assert_eq!(found.wanted, "num_ldb_ports=16".parse().unwrap());
    let found = new(&[]).unwrap();
    assert_eq!((found.limit, found.num_vfs, found.wanted), (1, 1, Wanted::default()));
    assert_eq!(new(&["-num-pfs=0"]).unwrap().limit, usize::MAX);
    for bad in ["0", "17", "65537"] {
        assert_eq!(new(&["-num-vfs", bad]).unwrap_err(), format!("-num-vfs is {bad}, not 1 to 16"));
    }
    assert!(
        new(&["-vf-resources=ports=1"]).unwrap_err().starts_with("-vf-resources: \"ports\" is no resource")
    );
    assert!(new(&["-prefix=/no/such/folder"]).unwrap_err().starts_with("-prefix: "));
    for bad in ["-num-vfs=-1", "-num-vfs=many", "-numvfs=1"] {
        assert_eq!(parse(&[bad]).unwrap_err().exit_code(), 2, "{bad}");
    }
    assert!(parse(&["-dry-run"]).unwrap().dry_run);
}
