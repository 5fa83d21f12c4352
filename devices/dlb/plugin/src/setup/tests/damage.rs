//! Attributes that cannot be used.

use simulator::Damage;

use super::*;

const OTHER: &str = "0000:72:00.0";

/// Damages an attribute of the first function; whatever becomes of it, the second is prepared.
fn try_all(attributes: &[&str], enabled: u16) {
    for damage in Damage::ALL {
        for attribute in attributes {
            let scene = Scene::with(&[PF, OTHER]);
            scene.set("total_resources/num_ldb_queues", "32");
            scene.set("total_resources/num_sched_domains", "32");
            scene.set("avail_resources/num_sched_domains", "32");
            if enabled > 0 {
                scene.enable(enabled);
                scene.set("vf0_resources/aux_vf_ids", "");
            }
            scene.node().damage(format!("/sys/devices/pci0000:6d/{attribute}"), damage).unwrap();
            let setup = Setup { limit: 2, ..setup(&scene, 1) };
            for outcome in [setup.show(&mut Vec::new()), setup.run()] {
                let errors = outcome.err().unwrap_or_default();
                let named = errors.iter().all(|error| error.starts_with(&format!("{PF}: ")));
                assert!(named, "{attribute} {damage:?}: {errors:?}");
            }
            let other = format!("/sys/bus/pci/devices/{OTHER}/sriov_numvfs");
            assert_eq!(scene.node().host().read(other).unwrap(), "1", "{attribute} {damage:?}");
        }
    }
}

#[test]
fn damage_of_a_fresh_function_is_its_own() {
    try_all(
        &[
            "0000:6d:00.0/sriov_numvfs",
            "0000:6d:00.0/sriov_totalvfs",
            "0000:6d:00.0/sriov_offset",
            "0000:6d:00.0/sriov_stride",
            "0000:6d:00.0/sriov_drivers_autoprobe",
            "0000:6d:00.0/total_resources/num_ldb_queues",
            "0000:6d:00.0/total_resources/num_sched_domains",
            "0000:6d:00.0/avail_resources/num_sched_domains",
        ],
        0,
    );
}

#[test]
fn damage_of_an_enabled_function_is_its_own() {
    try_all(
        &[
            "0000:6d:00.0/virtfn0",
            "0000:6d:00.0/vf0_resources/num_ldb_queues",
            "0000:6d:00.0/vf0_resources/aux_vf_ids",
            "0000:6d:00.1/driver",
        ],
        1,
    );
}
