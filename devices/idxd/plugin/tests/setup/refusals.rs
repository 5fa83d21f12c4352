//! What is found out before anything is changed.

use crate::scene::{Scene, edited, fresh_dsa, fresh_iaa, one_queue};

fn error(scene: &Scene, text: &str) -> String {
    scene.config("dsa.conf", text);
    let run = scene.dsa(&[]);
    assert_eq!(scene.kernel.written(), [], "{:?}", run.report);
    run.error().to_owned()
}

#[test]
fn a_device_must_be_able_to_do_what_is_wanted() {
    let scene = Scene::of(&fresh_dsa(0));
    let edit = |from: &str, to: &str| error(&scene, &edited(from, to));
    let with = |setting: &str| error(&scene, &one_queue(&format!("\"type\": \"user\",\n{setting}")));
    let without = |setting: &str| {
        let text = one_queue("\"type\": \"user\"");
        assert!(text.contains(setting));
        error(&scene, &text.replace(setting, ""))
    };
    let cases = [
        (edit("\"wqX.3\"", "\"wqX.8\""), " there is no wq0.8: dsa0 has 8 queues"),
        (edit("\"engineX.3\"", "\"engineX.4\""), " there is no engine0.4: dsa0 has 4 engines"),
        (edit("\"dev\": \"groupX.3\"", "\"dev\": \"groupX.4\""), " there is no group0.4: dsa0 has 4 groups"),
        (
            edit("\"group_id\": 3", "\"group_id\": 4"),
            "50: engine0.3: \"group_id\" is 4, but max_groups of dsa0 is 4",
        ),
        (
            edit("\"size\": 16", "\"size\": 48"),
            "40: wq0.2: \"size\": the queues up to this one have 144 entries, dsa0 128",
        ),
        (
            edit("\"size\": 16", "\"size\": 129"),
            "14: wq0.0: \"size\" is 129, but max_work_queues_size of dsa0 is 128",
        ),
        (edit("\"size\": 16", "\"size\": 0"), " wq0.0: \"size\" is 0, not 1 or more"),
        (
            with("\"max_batch_size\": 1025"),
            "9: wq0.0: \"max_batch_size\" is 1025, but max_batch_size of dsa0 is 1024",
        ),
        (
            with("\"max_transfer_size\": 2147483649"),
            "9: wq0.0: \"max_transfer_size\" is 2147483649, but max_transfer_size of dsa0 is 2147483648",
        ),
        (
            edit("\"read_buffers_allowed\": 8", "\"read_buffers_allowed\": 97"),
            "10: group0.0: \"read_buffers_allowed\" is 97, but max_read_buffers of dsa0 is 96",
        ),
        (
            edit("\"read_buffers_allowed\": 8", "\"read_buffers_allowed\": 3"),
            "10: group0.0: \"read_buffers_allowed\" is 3, not 4 (four for each engine of the group) to 96 (those that no other group reserves)",
        ),
        (
            edit("\"read_buffers_reserved\": 0", "\"read_buffers_reserved\": 25"),
            " the groups reserve 100 read buffers, but dsa0 has 96",
        ),
        (without("\"size\": 16, "), " wq0.0: \"size\" is missing"),
        (without("\"priority\": 10, "), " wq0.0: \"priority\" is missing"),
        (without("\"name\": \"app\","), " wq0.0: \"name\" is missing"),
        (without("\"type\": \"user\""), " wq0.0: \"type\" is missing"),
        // A queue without a mode is shared.
        (
            without("\"mode\": \"dedicated\", "),
            " wq0.0: \"threshold\" is missing, which a shared queue needs",
        ),
        (
            error(&scene, &one_queue("\"type\": \"user\", \"threshold\": 17").replace("dedicated", "shared")),
            " wq0.0: \"threshold\" is 17, not 1 to its \"size\", 16",
        ),
        (
            error(&scene, &one_queue("\"type\": \"user\", \"threshold\": 0").replace("dedicated", "shared")),
            " wq0.0: \"threshold\" is 0, not 1 to its \"size\", 16",
        ),
        (
            with("\"block_on_fault\": 1, \"prs_disable\": 1"),
            " wq0.0: \"block_on_fault\" and \"prs_disable\" exclude each other",
        ),
        (
            edit("\"engineX.1\", \"group_id\": 1", "\"engineX.1\", \"group_id\": 0"),
            " group0.1 has a queue but no engine",
        ),
        (
            edit("\"wqX.2\", \"group_id\": 2", "\"wqX.2\", \"group_id\": 1"),
            " group0.2 has an engine but no queue",
        ),
        (
            with("\"driver_name\": \"crypto\""),
            " wq0.0: there is no /sys/bus/dsa/drivers/crypto/bind: the driver is not loaded; run `modprobe iaa_crypto` on the node, and mount /sys/bus/dsa writable",
        ),
    ];
    for (found, expected) in cases {
        let found = found.strip_prefix("conf/dsa.conf:").unwrap_or(&found);
        assert_eq!(found.trim_start(), expected.trim_start());
    }
}

#[test]
fn a_group_may_have_what_it_reserves_itself() {
    let scene = Scene::of(&fresh_dsa(0));
    let text = edited("\"read_buffers_reserved\": 0", "\"read_buffers_reserved\": 20");
    scene.config("dsa.conf", &text.replace("\"read_buffers_allowed\": 8", "\"read_buffers_allowed\": 36"));
    assert!(scene.dsa(&["-dry-run"]).plan().contains("read_buffers_allowed = 36"));
    scene.config("dsa.conf", &text.replace("\"read_buffers_allowed\": 8", "\"read_buffers_allowed\": 37"));
    assert!(scene.dsa(&["-dry-run"]).error().contains("is 37, not 4 "));
}

#[test]
fn shared_queues_need_pasids() {
    let scene = Scene::of(&fresh_dsa(0));
    scene.set("dsa0/pasid_enabled", "0");
    let found =
        error(&scene, &one_queue("\"type\": \"user\", \"threshold\": 8").replace("dedicated", "shared"));
    let expected =
        "conf/dsa.conf: wq0.0: it cannot be shared without PASIDs; start the node with intel_iommu=on,sm_on";
    assert_eq!(found, expected);
}

#[test]
fn a_limit_of_0_is_none_to_keep_to() {
    let scene = Scene::of(&fresh_dsa(0));
    scene.config("dsa.conf", &edited("\"use_read_buffer_limit\": 0", "\"use_read_buffer_limit\": 1"));
    let run = scene.dsa(&["-dry-run"]);
    let warning = "conf/dsa.conf: dsa0: \"use_read_buffer_limit\" is ignored: \"read_buffer_limit\" is 0";
    assert_eq!(run.report.warnings, [warning]);
    assert!(!run.text.contains("use_read_buffer_limit"));
}

#[test]
fn a_halted_device_is_left_alone() {
    let scene = Scene::of(&fresh_dsa(0));
    scene.set("dsa0/state", "halted");
    let expected = "dsa0 is \"halted\", so it cannot be configured; look into the kernel's log, and reset it or restart the node";
    assert_eq!(error(&scene, &one_queue("\"type\": \"user\"")), expected);
}

#[test]
fn one_bad_device_does_not_keep_the_others_from_being_set_up() {
    let scene = Scene::of(&(fresh_dsa(0) + &fresh_dsa(2) + &fresh_iaa(1)));
    scene.set("dsa0/max_groups", "many");
    scene.set("wq2.0/size", "16");
    let run = scene.dsa(&["-dry-run"]);
    assert_eq!(run.error(), "dsa0: max_groups is \"many\", which is no number");
    assert!(run.text.starts_with("# dsa2\n"));
}

#[test]
fn a_node_without_accelerators_has_nothing_to_set_up() {
    let scene = Scene::of("");
    assert_eq!(scene.dsa(&[]).plan(), "");
    assert_eq!(scene.dsa(&["-driver=vfio-pci"]).plan(), "");
    assert_eq!(scene.iaa(&[]).plan(), "");
    let run = scene.dsa(&["-driver=uio"]);
    assert_eq!(run.error(), "argument error: -driver is \"uio\", not idxd or vfio-pci");
}
