//! Which file is used, and what is wrong with some.

use idxd_plugin::setup::Setup;
use simulator::golden;

use crate::scene::{Scene, edited, fresh_dsa, lines, one_queue};

fn queue_names(scene: &Scene, flags: &[&str]) -> String {
    lines(scene.dsa(&[&["-dry-run"], flags].concat()).plan(), "/name = ")
}

#[test]
fn the_flags_are_those_that_are_documented() {
    for (name, stop) in [("dsa", Setup::dsa(["-h"], |_| None)), ("iaa", Setup::iaa(["-h"], |_| None))] {
        golden(format!("tests/golden/setup/usage-{name}.txt"), &stop.unwrap_err().to_string());
    }
}

#[test]
fn the_file_for_the_node_goes_before_that_for_all_and_the_built_in_one() {
    let scene = Scene::of(&fresh_dsa(0));
    assert!(queue_names(&scene, &["-node-name=node1"]).contains("dpdk_00"));
    scene.config("dsa-.conf", &edited("dpdk_X", "none"));
    scene.config("iaa.conf", &edited("dpdk_X", "other"));
    assert!(queue_names(&scene, &[]).contains("dpdk_00"));
    scene.config("dsa.conf", &edited("dpdk_X", "all"));
    assert!(queue_names(&scene, &["-node-name=node1"]).contains("all0"));
    scene.config("dsa-node1.conf", &edited("dpdk_X", "mine"));
    assert!(queue_names(&scene, &["-node-name=node1"]).contains("mine0"));
    assert!(queue_names(&scene, &["-node-name=node2"]).contains("all0"));
    assert!(queue_names(&scene, &[]).contains("all0"));
    let run = scene.dsa(&["-dry-run", "-node-name=../dsa"]);
    assert_eq!(run.error(), "-node-name \"../dsa\" is not the name of a node");
    assert!(queue_names(&scene, &["-config-dir=/nowhere"]).contains("dpdk_00"));
}

#[test]
fn a_file_that_cannot_be_read_is_not_passed_over() {
    let scene = Scene::of(&fresh_dsa(0));
    let path = scene.config("dsa.conf", "");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let run = scene.dsa(&[]);
    assert!(run.error().starts_with("cannot read conf/dsa.conf: "), "{}", run.error());
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, [0xff]).unwrap();
    assert!(scene.dsa(&[]).error().starts_with("cannot read conf/dsa.conf: "));
    std::fs::write(&path, " ".repeat(1024 * 1024 + 1)).unwrap();
    assert_eq!(scene.dsa(&[]).error(), "cannot read conf/dsa.conf: it has more than 1048576 bytes");
    assert_eq!(scene.kernel.written(), []);
}

#[test]
fn only_what_the_file_names_is_configured() {
    let scene = Scene::of(&(fresh_dsa(0) + &fresh_dsa(2)));
    let named = |name: &str| one_queue("\"type\": \"user\"").replace("dsaX", name);
    scene.config("dsa.conf", &named("dsa2"));
    let run = scene.dsa(&["-dry-run"]);
    assert!(run.plan().starts_with("# dsa2\n"), "{}", run.text);
    scene.config("dsa.conf", &named("dsa4"));
    let run = scene.dsa(&["-dry-run"]);
    assert_eq!((run.error(), run.text.as_str()), ("conf/dsa.conf: this node has no dsa4", ""));
}

#[test]
fn the_line_of_a_mistake_is_told() {
    let scene = Scene::of(&fresh_dsa(0));
    let error = |text: &str| {
        scene.config("dsa.conf", text);
        scene.dsa(&["-dry-run"]).error().to_owned()
    };
    let with = |setting: &str| error(&one_queue(&format!("\"type\": \"user\",\n{setting}")));
    let cases = [
        (error("[\n{\"dev\": \"dsaX\"\n\"x\": 1}]"), "3: expected `,` or `}` but found `\"`"),
        (error("{}"), "1: expected a list of accelerators, `[{\"dev\": ..`"),
        (error("[\n1]"), "2: expected an accelerator, `{\"dev\": ..`"),
        (error("[\n{}]"), "2: \"dev\" is missing"),
        (error("[{\n\"dev\": 0}]"), "2: \"dev\" is not a name in quotes"),
        (error("[{\"dev\": \"iaxX\"}]"), "1: \"iax0\" is not a name like \"dsaX\""),
        (error("[{\"dev\": \"dsa00\"}]"), "1: \"dsa00\" is not a name like \"dsaX\""),
        (error("[{\"dev\": \"dsaX\"},\n{\"dev\": \"dsa0\"}]"), "2: dsa0 is described twice"),
        (error("[{\"dev\": \"dsaX\",\n\"groups\": 1}]"), "2: dsa0: \"groups\" is not a list"),
        (error("[{\"dev\": \"dsaX\", \"groups\": [\n1]}]"), "2: expected `{\"dev\": ..`"),
        (
            error("[{\"dev\": \"dsaX\", \"groups\": [\n{\"dev\": \"group1.0\"}]}]"),
            "2: \"group1.0\" is not a group, engine or queue of dsa0",
        ),
        (
            error("[{\"dev\": \"dsaX\", \"groups\": [{\"dev\": \"groupX.0\"},\n{\"dev\": \"group0.0\"}]}]"),
            "2: group0.0 is described twice",
        ),
        (error("[{\"dev\": \"dsaX\"}]"), " dsa0 has no queue, so it cannot be enabled"),
        (with("\"threshold\": []"), "9: wq0.0: \"threshold\" is a list, not one value"),
        (with("\"threshold\": {}"), "9: wq0.0: \"threshold\" is a table, not one value"),
        (with("\"threshold\": 1.5"), "9: wq0.0: \"threshold\" is \"1.5\", not a number from 0"),
        (with("\"block_on_fault\": 2"), "9: wq0.0: \"block_on_fault\" is \"2\", not a number from 0 to 1"),
        (with("\"max_batch_size\": 0"), "9: wq0.0: \"max_batch_size\" is \"0\", not a number from 1"),
        (with("\"driver_name\": \"\""), "9: wq0.0: \"driver_name\" is a text of 0 bytes, not 1 to 128"),
        (
            with("\"driver_name\": \"user \""),
            "9: wq0.0: \"driver_name\" is \"user \", which has white space at an end or control characters",
        ),
        (
            with("\"op_config\": \"0,xyz\""),
            "9: wq0.0: \"op_config\" is \"0,xyz\", not up to eight hexadecimal numbers of 32 bits with commas between",
        ),
        (
            error(&one_queue("\"type\": \"none\"")),
            "8: wq0.0: \"type\" is \"none\", not user or kernel or mdev",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, format!("conf/dsa.conf:{expected}"));
    }
    assert_eq!(scene.kernel.written(), []);
}

#[test]
fn what_accel_config_saves_is_taken() {
    let scene = Scene::of(&fresh_dsa(0));
    let plain = one_queue("\"type\": \"user\"");
    scene.config("dsa.conf", &plain);
    let expected = scene.dsa(&["-dry-run"]).text;
    // -1 and -2 stand for what the kernel did not show, and null for nothing; a dedicated queue has no threshold.
    let saved = "\"type\": \"user\", \"max_batch_size\": -2, \"ats_disable\": -1, \"threshold\": 15, \"op_config\": null";
    scene.config("dsa.conf", &one_queue(saved));
    assert_eq!(scene.dsa(&["-dry-run"]).plan(), expected);
}

#[test]
fn an_unknown_key_is_a_warning_with_the_one_that_was_meant() {
    let scene = Scene::of(&fresh_dsa(0));
    scene.config("dsa.conf", &edited("\"block_on_fault\"", "\"block_on_falt\""));
    let run = scene.dsa(&["-dry-run"]);
    let warning = "conf/dsa.conf:15: wq0.0: \"block_on_falt\" is ignored: it cannot be set; did you mean \"block_on_fault\"?";
    assert_eq!((run.report.warnings, run.report.errors), (vec![warning.to_owned()], Vec::new()));
    assert!(!run.text.contains("block_on_fault"));
    scene.config("dsa.conf", &edited("\"read_buffers_reserved\"", "\"state\""));
    let run = scene.dsa(&["-dry-run"]);
    assert_eq!(run.report.warnings, ["conf/dsa.conf:8: group0.0: \"state\" is ignored: it cannot be set"]);
}
