//! Writes that fail, and what is left then.

use std::collections::BTreeSet;
use std::io::ErrorKind::ResourceBusy;

use crate::changes::{configured, other};
use crate::scene::{Run, Scene, edited, fresh_dsa, fresh_iaa, newest_dsa, older_dsa};

/// All that the node shows, but the outcome of the last command.
fn tree(scene: &Scene) -> String {
    let listing = simulator::listing(scene.kernel.node().root()).unwrap();
    listing.split_inclusive('\n').filter(|line| !line.contains("/cmd_status ")).collect()
}

/// How many writes a plan has.
fn count(run: &Run) -> usize {
    run.plan().lines().filter(|line| line.starts_with('/')).count()
}

/// With each write failing in turn, the node is as before, and that is said; but for attributes of the name `but`, of which
/// it is said that they differ. When no write fails, all is well.
fn fails_at_each_write(scene: &Scene, but: &str, run: impl Fn(&Scene, &[&str]) -> Run) {
    let before = tree(scene);
    let writes = count(&run(scene, &["-dry-run"]));
    assert!(writes > 0);
    for number in 0..writes {
        scene.kernel.refuse_once("", number, ResourceBusy);
        let run = run(scene, &[]);
        let error = run.error();
        assert!(error.contains(&format!("step {} of {writes} failed", number + 1)), "{error}");
        let told =
            error.split_once("; it could not be configured as before: ").map(|(_, what)| what.to_owned());
        let differs = difference(&before, &tree(scene));
        match told {
            None => assert_eq!(differs, [""; 0], "{error}"),
            Some(what) => {
                let path = what.split(' ').next().unwrap();
                assert!(!but.is_empty() && path.ends_with(but), "{error}");
                assert!(differs.iter().all(|line| line.contains(but)) && !differs.is_empty(), "{differs:?}");
                // To begin as before.
                restore(scene, &differs);
            }
        }
    }
    assert_eq!(run(scene, &[]).plan(), "");
    assert_eq!(count(&run(scene, &["-dry-run"])), 0);
    assert_ne!(before, tree(scene));
}

/// The lines that are in one of two trees only: those of the first after `-`, those of the second after `+`.
fn difference(before: &str, after: &str) -> Vec<String> {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (before.lines().collect(), after.lines().collect());
    let gone = old.difference(&new).map(|line| format!("- {line}"));
    gone.chain(new.difference(&old).map(|line| format!("+ {line}"))).collect()
}

/// Makes attributes as they were.
fn restore(scene: &Scene, differs: &[String]) {
    for line in differs.iter().filter_map(|line| line.strip_prefix("- file ")) {
        let (path, value) = line.split_once(' ').unwrap();
        scene.set(path, value);
    }
}

fn shared() -> &'static str {
    include_str!("shared.conf")
}

#[test]
fn a_fresh_dsa_stays_fresh() {
    fails_at_each_write(&Scene::of(&fresh_dsa(0)), "", Scene::dsa);
}

#[test]
fn a_fresh_dsa_loses_thresholds_and_all_other_settings() {
    let scene = newest_dsa();
    scene.config("dsa.conf", shared());
    fails_at_each_write(&scene, "", Scene::dsa);
}

#[test]
fn a_configured_dsa_keeps_its_queues() {
    let scene = newest_dsa();
    assert_eq!(scene.dsa(&[]).plan(), "");
    scene.config("dsa.conf", shared());
    fails_at_each_write(&scene, "", Scene::dsa);
}

#[test]
fn a_configured_dsa_keeps_thresholds_and_all_other_settings() {
    let scene = newest_dsa();
    scene.config("dsa.conf", shared());
    assert_eq!(scene.dsa(&[]).plan(), "");
    // A queue that nobody has enabled yet.
    for (name, value) in [
        ("group_id", "1"),
        ("type", "kernel"),
        ("name", "late"),
        ("driver_name", "dmaengine"),
        ("priority", "3"),
    ] {
        scene.write(&format!("wq0.6/{name}"), value);
    }
    scene.config("dsa.conf", &edited("", ""));
    // Groups without engines are allowed more than the others leave them.
    fails_at_each_write(&scene, "read_buffers_allowed", Scene::dsa);
}

#[test]
fn what_was_left_on_a_disabled_dsa_stays() {
    let scene = Scene::of(&fresh_dsa(0));
    for (path, value) in [
        ("wq0.0/size", "100"),
        ("wq0.0/threshold", "20"),
        ("wq0.0/type", "kernel"),
        ("wq0.0/name", "old"),
        ("wq0.0/priority", "3"),
        ("wq0.1/driver_name", "dmaengine"),
        ("wq0.1/group_id", "2"),
        ("wq0.1/max_transfer_size", "4096"),
        ("engine0.0/group_id", "1"),
        ("engine0.2/group_id", "1"),
        ("dsa0/read_buffer_limit", "50"),
        ("group0.2/use_read_buffer_limit", "1"),
        ("group0.3/read_buffers_allowed", "70"),
    ] {
        scene.write(path, value);
    }
    fails_at_each_write(&scene, "", Scene::dsa);
}

#[test]
fn what_the_kernel_does_not_let_be_set_again_is_told() {
    let scene = Scene::of(&fresh_dsa(0));
    // The other groups are allowed all 96 still.
    scene.write("group0.3/read_buffers_reserved", "60");
    scene.config("dsa.conf", &edited("\"read_buffers_reserved\": 0", "\"read_buffers_reserved\": 20"));
    scene.kernel.refuse_once("group0.1/read_buffers_allowed", 0, ResourceBusy);
    let run = scene.dsa(&[]);
    let told = "; it could not be configured as before: /sys/bus/dsa/devices/group0.0/read_buffers_allowed is \"8\", not \"96\"";
    assert!(run.error().ends_with(told), "{}", run.error());
}

#[test]
fn a_dsa_of_an_older_kernel_stays_as_it_was() {
    let scene = older_dsa();
    assert_eq!(scene.dsa(&[]).plan(), "");
    scene.config("dsa.conf", &edited("dedicated", "shared"));
    fails_at_each_write(&scene, "", Scene::dsa);
}

#[test]
fn a_fresh_iaa_stays_fresh() {
    fails_at_each_write(&Scene::of(&fresh_iaa(1)), "", Scene::iaa);
}

#[test]
fn a_configured_iaa_keeps_its_queues() {
    let scene = Scene::of(&fresh_iaa(1));
    assert_eq!(scene.iaa(&[]).plan(), "");
    let text = include_str!("../../src/setup/iaa.conf");
    scene.config("iaa.conf", &text.replace("\"priority\": 10", "\"priority\": 9"));
    fails_at_each_write(&scene, "", Scene::iaa);
}

#[test]
fn a_function_that_vfio_does_not_get_keeps_its_queues() {
    let scene = Scene::of(&format!("use vfio\n{}", fresh_dsa(0)));
    assert_eq!(scene.dsa(&[]).plan(), "");
    fails_at_each_write(&scene, "", |scene, flags| scene.dsa(&[&["-driver=vfio-pci"], flags].concat()));
}

#[test]
fn when_two_writes_fail_the_node_is_as_before_or_what_differs_is_told() {
    let start = || {
        let scene = configured();
        other(&scene);
        scene
    };
    let writes = count(&start().dsa(&["-dry-run"]));
    let mut differed = 0;
    for number in (1..writes).step_by(4) {
        let scene = start();
        let before = tree(&scene);
        scene.kernel.refuse_once("", number, ResourceBusy);
        // Somewhere in what follows.
        scene.kernel.refuse_once("", number + 1 + number * 7 % 20, ResourceBusy);
        let run = scene.dsa(&[]);
        let is_told = run.error().contains("; it could not be configured as before: cannot write ");
        assert_eq!(before != tree(&scene), is_told, "{}", run.error());
        differed += usize::from(is_told);
        // The second may come only now.
        let _ = scene.dsa(&[]);
        assert_eq!(scene.dsa(&[]).plan(), "");
        assert_eq!(scene.read("wq0.3/priority"), "11");
    }
    assert!(differed > 2, "{differed}");
}

#[test]
fn the_write_that_failed_is_told() {
    let scene = configured();
    other(&scene);
    let steps = count(&scene.dsa(&["-dry-run"]));
    scene.kernel.refuse_once("drivers/user/bind", 3, ResourceBusy);
    let expected = format!(
        "dsa0: step {steps} of {steps} failed: cannot write \"wq0.3\" to /sys/bus/dsa/drivers/user/bind: Device or resource busy (os error 16); \
         it is configured as before"
    );
    assert_eq!(scene.dsa(&[]).error(), expected);
}

#[test]
fn a_device_that_cannot_be_put_back_is_told() {
    let scene = configured();
    other(&scene);
    scene.kernel.refuse("drivers/user/bind", ResourceBusy);
    let run = scene.dsa(&[]);
    let failed =
        "cannot write \"wq0.0\" to /sys/bus/dsa/drivers/user/bind: Device or resource busy (os error 16)";
    let (first, second) = run.error().split_once("; it could not be configured as before: ").unwrap();
    assert!(first.ends_with(&format!("failed: {failed}")), "{first}");
    assert_eq!(second, format!("{failed}; wq0.0 is not enabled"));
    // The others are tried all the same.
    let binds = scene.kernel.written();
    assert_eq!(binds.last().unwrap().1, "wq0.3");
}

#[test]
fn one_device_that_fails_does_not_touch_the_others() {
    let scene = Scene::of(&(fresh_dsa(0) + &fresh_dsa(2)));
    scene.kernel.refuse("wq0.1/size", ResourceBusy);
    assert!(scene.dsa(&[]).error().starts_with("dsa0: step "));
    assert_eq!(scene.read("dsa0/state"), "disabled");
    assert_eq!(scene.read("dsa2/state"), "enabled");
    assert_eq!(scene.read("wq2.3/state"), "enabled");
}

#[test]
fn what_the_driver_found_wrong_is_told() {
    let scene = Scene::of(&fresh_dsa(0));
    scene.set("dsa0/pasid_enabled", "0");
    let error = scene.dsa(&[]).error().to_owned();
    let expected = "cannot write \"wq0.0\" to /sys/bus/dsa/drivers/user/bind: Operation not supported (os error 95) \
                    (cmd_status 0x80110000: queues of users need PASIDs; start the node with intel_iommu=on,sm_on); \
                    it is configured as before";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn a_write_that_has_no_effect_is_told() {
    let scene = Scene::of(&fresh_dsa(0));
    // The kernel of this node knows no event log, so the value stays.
    scene.set("dsa0/event_log_size", "64");
    scene.kernel.ignore("/event_log_size");
    scene.config("dsa.conf", &edited("\"read_buffer_limit\": 0", "\"event_log_size\": 128"));
    let run = scene.dsa(&[]);
    let expected = "dsa0: the kernel took all writes, but /sys/bus/dsa/devices/dsa0/event_log_size is \"64\", not \"128\"";
    assert_eq!(run.error(), expected);
}
