//! Whether accelerators work.

use device_plugin::Health;
use simulator::Damage;

use crate::scene::{BUS, Scene, counts, device, expects};

const QUEUES: [&str; 2] = ["0.0 user dedicated", "0.1 kernel shared"];
const IDS: [&str; 2] = ["wq-user-dedicated-wq0.0-0", "wq-kernel-shared-wq0.1-0"];

/// What is said of `dsa0` when its attributes hold this, the same of all its queues.
fn health(state: &str, status: &str) -> Option<String> {
    let mut scene = Scene::dsa(&QUEUES);
    scene.node.set_attribute(format!("{BUS}/dsa0/state"), state).unwrap();
    scene.node.set_attribute(format!("{BUS}/dsa0/cmd_status"), status).unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(inventory.warnings, [""; 0]);
    let [user, kernel] = IDS.map(|id| device(&inventory, id).health.clone());
    assert_eq!(user, kernel);
    match user {
        Health::Healthy => None,
        Health::Unhealthy(reason) => Some(reason),
    }
}

#[test]
fn queues_of_an_accelerator_that_is_not_enabled_are_unhealthy() {
    assert_eq!(health("enabled", "0"), None);
    for (state, status, reason) in [
        ("halted", "0", r#"dsa0 is "halted", not enabled"#),
        ("disabled", "0", r#"dsa0 is "disabled", not enabled"#),
        ("unknown", "0", r#"dsa0 is "unknown", not enabled"#),
        ("", "0", r#"dsa0 is "", not enabled"#),
        ("halted", "0x31", r#"dsa0 is "halted", not enabled (cmd_status 0x31)"#),
        ("disabled", "0x80020000", r#"dsa0 is "disabled", not enabled (cmd_status 0x80020000)"#),
    ] {
        assert_eq!(health(state, status).as_deref(), Some(reason), "{state} {status}");
    }
}

#[test]
fn of_the_answers_to_commands_only_a_hardware_error_means_that_an_accelerator_is_broken() {
    let broken = "dsa0 reports a hardware error (cmd_status 0x3)";
    assert_eq!(health("enabled", "0x3").as_deref(), Some(broken));
    // A bad command, a bad configuration of some queue, and what the driver itself refused.
    for status in ["0x1", "0x2", "0x22", "0x80000010", "0x80030000", "0x80000003"] {
        assert_eq!(health("enabled", status), None, "{status}");
    }
}

#[test]
fn an_accelerator_that_does_not_say_whether_it_works_is_not_handed_out() {
    for damage in Damage::ALL {
        let mut scene = Scene::dsa(&QUEUES);
        scene.node.damage(format!("{BUS}/dsa0/state"), damage).unwrap();
        let inventory = scene.look(&[]);
        // Trees made for tests have no such attribute, and then nothing can be expected of it.
        let absent = matches!(damage, Damage::Missing | Damage::DanglingLink);
        for id in IDS {
            let device = device(&inventory, id);
            assert_eq!(device.is_healthy(), absent, "{damage:?} {:?}", device.health);
            assert_eq!(expects(device, &format!("{BUS}/dsa0/state"), "enabled"), !absent, "{damage:?}");
        }
    }
}

#[test]
fn what_only_adds_does_not_cost_a_queue() {
    for damage in Damage::ALL {
        for (path, quiet) in [
            (format!("{BUS}/dsa0/cmd_status"), [Damage::Missing, Damage::DanglingLink].as_slice()),
            (
                "/sys/bus/pci/devices/0000:6a:01.0/numa_node".to_owned(),
                &[Damage::Missing, Damage::DanglingLink],
            ),
            (format!("{BUS}/dsa0/errors"), &Damage::ALL),
            (format!("{BUS}/dsa0/numa_node"), &Damage::ALL),
        ] {
            let mut scene = Scene::dsa(&QUEUES);
            scene.node.damage(&path, damage).unwrap();
            let inventory = scene.look(&[]);
            assert_eq!(counts(&inventory), "wq-kernel-shared=1 wq-user-dedicated=1", "{path} {damage:?}");
            assert!(IDS.iter().all(|id| device(&inventory, id).is_healthy()), "{path} {damage:?}");
            let warned = inventory.warnings.iter().any(|warning| warning.starts_with("dsa0: "));
            assert_eq!(warned, !quiet.contains(&damage), "{path} {damage:?}: {:?}", inventory.warnings);
        }
    }
}

#[test]
fn a_halted_accelerator_is_told_of_when_the_kernel_has_disabled_its_queues() {
    let mut scene = Scene::dsa(&["0.0 user dedicated"]);
    scene.node.set_attribute(format!("{BUS}/dsa0/state"), "halted").unwrap();
    scene.node.set_attribute(format!("{BUS}/wq0.0/state"), "disabled").unwrap();
    let inventory = scene.look(&[]);
    assert_eq!(counts(&inventory), "");
    let halted = "dsa0 is halted: the kernel has disabled its queues until it is reset";
    assert_eq!(inventory.warnings, [halted]);
    scene.node.set_attribute(format!("{BUS}/dsa0/state"), "disabled").unwrap();
    assert_eq!(scene.look(&[]).warnings, [""; 0], "just not configured");
}

#[test]
fn a_broken_accelerator_says_nothing_of_the_others() {
    let mut scene = Scene::builtin("xeon-accelerators");
    scene.node.set_attribute(format!("{BUS}/dsa2/state"), "halted").unwrap();
    let inventory = scene.look(&[]);
    let unhealthy: Vec<&str> = inventory
        .resources
        .values()
        .flat_map(|resource| &resource.devices)
        .filter(|(_, device)| !device.is_healthy())
        .map(|(id, _)| id.as_str())
        .collect();
    let expected = ["wq-kernel-dedicated-wq2.2-0", "wq-user-dedicated-wq2.0-0", "wq-user-shared-wq2.1-0"];
    assert_eq!(unhealthy, expected);
}

#[test]
fn a_numa_node_without_cpus_is_a_mistake_of_the_firmware() {
    let mut scene = Scene::dsa(&["0.0 user dedicated"]);
    let numa = |scene: &Scene| device(&scene.look(&[]), IDS[0]).spec.numa.clone();
    assert_eq!(numa(&scene), Some(vec![1]));
    scene.node.set_attribute("/sys/bus/pci/devices/0000:6a:01.0/local_cpulist", "").unwrap();
    assert_eq!(numa(&scene), Some(Vec::new()));
}
