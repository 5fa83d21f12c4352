//! What would be written, as texts to read.

use simulator::golden;

use crate::scene::{Scene, edited, fresh_dsa, fresh_iaa, lines, older_dsa, one_queue};

#[test]
fn the_built_in_files_configure_four_queues() {
    let scene = Scene::of(&(fresh_dsa(0) + &fresh_iaa(1)));
    golden("tests/golden/setup/dsa.txt", scene.dsa(&["-dry-run"]).plan());
    golden("tests/golden/setup/iaa.txt", scene.iaa(&["-dry-run"]).plan());
    assert_eq!(scene.kernel.written(), []);
}

#[test]
fn a_number_of_two_digits_is_kept() {
    let scene = Scene::of(&(fresh_dsa(10) + &fresh_iaa(11)));
    golden("tests/golden/setup/dsa10.txt", scene.dsa(&["-dry-run"]).plan());
    golden("tests/golden/setup/iax11.txt", scene.iaa(&["-dry-run"]).plan());
}

#[test]
fn accelerators_are_configured_by_their_numbers() {
    let scene = Scene::of(&(fresh_dsa(10) + &fresh_dsa(2) + &fresh_iaa(1)));
    let run = scene.dsa(&["-dry-run"]);
    let names: Vec<&str> = run.plan().lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(names, ["# dsa2", "# dsa10"]);
}

#[test]
fn a_shared_queue_has_a_threshold_and_all_settings_are_written() {
    let scene = Scene::of(&fresh_dsa(0));
    scene.config("dsa.conf", include_str!("shared.conf"));
    // What the first generation does not have.
    scene.set("dsa0/event_log_size", "64");
    for group in 0..4 {
        scene.set(&format!("group0.{group}/desc_progress_limit"), "0");
        scene.set(&format!("group0.{group}/batch_progress_limit"), "0");
    }
    scene.set("wq0.0/op_config", &scene.read("dsa0/op_cap"));
    golden("tests/golden/setup/shared.txt", scene.dsa(&["-dry-run"]).plan());
}

#[test]
fn the_driver_follows_from_the_type_if_none_is_named() {
    let scene = Scene::of(&fresh_dsa(0));
    scene.config("dsa.conf", &one_queue(r#""type": "user""#));
    assert!(lines(scene.dsa(&["-dry-run"]).plan(), "driver_name").ends_with("wq0.0/driver_name = user\n"));
    scene.config("dsa.conf", &one_queue(r#""type": "kernel""#));
    let run = scene.dsa(&["-dry-run"]);
    assert!(lines(run.plan(), "driver_name").ends_with("wq0.0/driver_name = dmaengine\n"));
    assert!(run.plan().ends_with("/sys/bus/dsa/drivers/dmaengine/bind = wq0.0\n"));
}

#[test]
fn an_older_kernel_has_other_names_and_one_driver_for_all() {
    let scene = older_dsa();
    for group in 0..4 {
        for (name, former) in [
            ("read_buffers_allowed", "tokens_allowed"),
            ("read_buffers_reserved", "tokens_reserved"),
            ("use_read_buffer_limit", "use_token_limit"),
        ] {
            let value = scene.read(&format!("group0.{group}/{name}"));
            scene.delete(&format!("group0.{group}/{name}"));
            scene.set(&format!("group0.{group}/{former}"), &value);
        }
    }
    for queue in 0..8 {
        scene.delete(&format!("wq0.{queue}/ats_disable"));
    }
    for (name, former) in [("max_read_buffers", "max_tokens"), ("read_buffer_limit", "token_limit")] {
        let value = scene.read(&format!("dsa0/{name}"));
        scene.delete(&format!("dsa0/{name}"));
        scene.set(&format!("dsa0/{former}"), &value);
    }
    let expected =
        std::fs::read_to_string(format!("{}/tests/golden/setup/dsa.txt", env!("CARGO_MANIFEST_DIR")));
    let expected: String = expected
        .unwrap()
        .replace("read_buffers_allowed", "tokens_allowed")
        .replace("drivers/idxd", "drivers/dsa")
        .replace("drivers/user", "drivers/dsa")
        .split_inclusive('\n')
        .filter(|line| !line.contains("driver_name"))
        .collect();
    assert_eq!(scene.dsa(&["-dry-run"]).plan(), expected);
}

#[test]
fn what_a_former_attempt_left_on_a_disabled_device_goes_first() {
    let scene = Scene::of(&fresh_dsa(0));
    for (path, value) in [
        ("wq0.0/size", "16"),
        ("wq0.5/size", "100"),
        ("wq0.5/group_id", "2"),
        ("wq0.1/size", "2"),
        ("wq0.0/prs_disable", "1"),
        ("engine0.0/group_id", "0"),
        ("engine0.2/group_id", "1"),
        ("group0.0/read_buffers_reserved", "90"),
        ("group0.1/read_buffers_reserved", "4"),
    ] {
        scene.set(path, value);
    }
    scene.config("dsa.conf", &edited("\"read_buffers_reserved\": 0", "\"read_buffers_reserved\": 8"));
    let run = scene.dsa(&["-dry-run"]);
    let start: Vec<&str> = run.plan().lines().take(8).collect();
    let expected = [
        "# dsa0",
        "/sys/bus/dsa/devices/group0.0/read_buffers_reserved = 8",
        "/sys/bus/dsa/devices/engine0.2/group_id = -1",
        "/sys/bus/dsa/devices/wq0.5/size = 0",
        "/sys/bus/dsa/devices/group0.0/read_buffers_allowed = 8",
        "/sys/bus/dsa/devices/group0.1/read_buffers_reserved = 8",
        "/sys/bus/dsa/devices/group0.1/read_buffers_allowed = 8",
        "/sys/bus/dsa/devices/group0.2/read_buffers_reserved = 8",
    ];
    assert_eq!(start, expected);
    let engines = lines(run.plan(), "engine");
    assert!(
        engines.ends_with("engine0.2/group_id = 2\n/sys/bus/dsa/devices/engine0.3/group_id = 3\n"),
        "{engines}"
    );
    // One entry for each, though two were written first.
    assert_eq!(lines(run.plan(), "wq0.5").lines().count(), 2);
    assert_eq!(lines(run.plan(), "group0.0/read_buffers_reserved").lines().count(), 1);
    // This one first: it would clear the other.
    let flags = lines(run.plan(), "wq0.0/");
    assert!(flags.find("prs_disable = 0").unwrap() < flags.find("block_on_fault = 1").unwrap(), "{flags}");
    // The size is right already.
    assert!(!flags.contains("size"), "{flags}");
}

#[test]
fn traffic_classes_are_set_where_the_kernel_lets_them_be() {
    let scene = Scene::of(&fresh_dsa(0));
    scene.config("dsa.conf", &edited("\"read_buffers_reserved\": 0", "\"traffic_class_a\": 3"));
    let warned = |scene: &Scene| {
        let run = scene.dsa(&["-dry-run"]);
        assert_eq!(run.report.errors, [""; 0]);
        assert_eq!(run.report.warnings.is_empty(), run.text.contains("traffic_class_a = 3"));
        run.report.warnings.first().cloned()
    };
    let ignored =
        "conf/dsa.conf:8: group0.0: \"traffic_class_a\" is ignored: this kernel leaves it 1 on this device";
    let parameter = "/sys/module/idxd/parameters/tc_override";
    for (version, told, is_set) in [
        ("0x100", "N", false),
        ("0x200", "N", false),
        ("0x300", "N", true),
        ("0x100", "Y", true),
        // Before the driver had the parameter.
        ("0x100", "", false),
        ("0x200", "", true),
    ] {
        scene.set("dsa0/version", version);
        match told {
            "" => scene.kernel.node().damage(parameter, simulator::Damage::DanglingLink).unwrap(),
            told => scene.set(parameter, told),
        }
        assert_eq!(warned(&scene).as_deref(), (!is_set).then_some(ignored), "{version} {told}");
    }
    // What the kernel leaves it is fine.
    scene.set("dsa0/version", "0x100");
    scene.set("group0.0/traffic_class_a", "3");
    for group in 1..4 {
        scene.set(&format!("group0.{group}/traffic_class_a"), "3");
    }
    scene.dsa(&["-dry-run"]).plan();
}

#[test]
fn what_older_hardware_lacks_is_only_missed_if_it_is_wanted() {
    let scene = Scene::of(&fresh_iaa(1));
    let with = |setting: &str| {
        scene.config("iaa.conf", &one_queue(&format!("\"type\": \"user\", {setting}")).replace("dsa", "iax"));
        scene.iaa(&["-dry-run"])
    };
    assert!(with(r#""ats_disable": 0, "prs_disable": 0, "block_on_fault": 0"#).plan().contains("# iax1\n"));
    let run = with(r#""prs_disable": 1"#);
    let missing = "conf/iaa.conf:8: wq1.0: \"prs_disable\" cannot be set: this kernel or device has no /sys/bus/dsa/devices/wq1.0/prs_disable";
    assert_eq!(run.error(), missing);
}
