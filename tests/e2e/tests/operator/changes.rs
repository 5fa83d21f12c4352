//! What is changed in an object is changed in its DaemonSet; what is changed in the DaemonSet alone is put right.

use serde_json::json;

use crate::world::{CONTAINER, FAMILIES, INIT, NAMESPACE, World, init_image, object, plural, world};

impl World {
    fn image(&self, family: &str, name: &str, tag: &str) {
        let image = json!(format!("example.com/intel-{family}-plugin:{tag}"));
        self.expect(family, name, &format!("{CONTAINER}/image"), &image);
    }
}

#[test]
fn the_daemonset_follows_the_object_in_every_family() {
    let Some(world) = world() else { return };
    for family in FAMILIES {
        let init = |tag: &str| {
            init_image(family)
                .map_or_else(String::new, |image| format!(r#""initImage": "example.com/{image}:{tag}","#))
        };
        let spec = |tag: &str, more: &str| {
            let init = init(tag);
            let image = format!("example.com/intel-{family}-plugin:{tag}");
            object(family, "test", &format!(r#"{{{init} "image": "{image}", {more}}}"#))
        };
        // No node has it, so that no image is pulled.
        world.apply(&spec("0.36.0", r#""nodeSelector": {"no": "where"}"#));
        world.image(family, "test", "0.36.0");
        world.expect(family, "test", "/spec/template/spec/nodeSelector", &json!({"no": "where"}));
        world.expect(family, "test", "/spec/template/spec/tolerations", &json!(null));
        let daemonset = world.daemonset(family, "test").unwrap();
        let status = || world.object(family, "test")?.pointer("/status/controlledDaemonSet/uid").cloned();
        world.wait("the DaemonSet's uid", || (status()? == daemonset["metadata"]["uid"]).then_some(()));

        let toleration = r#"{"key": "key", "operator": "Exists", "effect": "NoSchedule"}"#;
        let more =
            format!(r#""logLevel": 5, "nodeSelector": {{"nor": "here"}}, "tolerations": [{toleration}]"#);
        world.apply(&spec("0.36.1", &more));
        world.image(family, "test", "0.36.1");
        world.expect(family, "test", &format!("{CONTAINER}/args/1"), &json!("5"));
        world.expect(family, "test", "/spec/template/spec/nodeSelector", &json!({"nor": "here"}));
        let tolerations = json!([{"key": "key", "operator": "Exists", "effect": "NoSchedule"}]);
        world.expect(family, "test", "/spec/template/spec/tolerations", &tolerations);
        if let Some(image) = init_image(family) {
            world.expect(
                family,
                "test",
                &format!("{INIT}/0/image"),
                &json!(format!("example.com/{image}:0.36.1")),
            );
        }
        world.cluster.kubectl(&["delete", &plural(family), "test", "--timeout=60s"]);
        world.wait("the DaemonSet's end", || world.daemonset(family, "test").is_none().then_some(()));
    }
}

#[test]
fn what_others_change_in_a_daemonset_is_put_right_and_a_restart_is_not_undone() {
    let Some(world) = world() else { return };
    world.apply(&object("npu", "kept", r#"{"sharedDevNum": 2}"#));
    world.expect_condition("npu", "kept", "Available", "True", "AllReady");
    let name = "daemonset/intel-npu-plugin-kept";
    let patch = |kind: &str, patch: &str| {
        world.cluster.kubectl(&["patch", "-n", NAMESPACE, name, kind, "-p", patch]);
    };
    let original = world.daemonset("npu", "kept").unwrap()["spec"]["template"]["spec"].clone();
    for change in [
        r#"[{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": ["-v", "9"]}]"#,
        r#"[{"op": "add", "path": "/spec/template/spec/hostNetwork", "value": true}]"#,
        r#"[{"op": "remove", "path": "/spec/template/spec/containers/0/securityContext"}]"#,
        r#"[{"op": "replace", "path": "/spec/template/spec/containers/0/resources/limits/memory", "value": "1Gi"}]"#,
    ] {
        patch("--type=json", change);
        world.expect("npu", "kept", "/spec/template/spec", &original);
    }
    world.cluster.kubectl(&["rollout", "restart", "-n", NAMESPACE, name]);
    let at = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
    world.cluster.kubectl(&["rollout", "status", "-n", NAMESPACE, name, "--timeout=60s"]);
    assert!(world.daemonset("npu", "kept").unwrap().pointer(at).is_some());

    world.cluster.kubectl(&["delete", "-n", NAMESPACE, name, "--timeout=60s"]);
    world.expect("npu", "kept", "/spec/template/spec", &original);
    world.cluster.kubectl(&["delete", &plural("npu"), "kept", "--timeout=60s"]);
}

#[test]
fn bad_objects_are_refused_with_the_reason_and_defaults_are_filled_in() {
    let Some(world) = world() else { return };
    let by_schema = [
        ("gpu", r#"{"allowIDs": "0x56c0", "denyIDs": "0x56c1"}"#, "same time"),
        ("gpu", r#"{"allowIDs": "56c0"}"#, "comma lists"),
        ("gpu", r#"{"sharedDevNum": 0}"#, "greater than or equal to 1"),
        ("gpu", r#"{"preferredAllocationPolicy": "packed"}"#, "sharedDevNum 2 or more"),
        ("gpu", r#"{"healthManagement": {"source": "xpumd", "temperatureLimit": 9}}"#, "limits of its own"),
        ("qat", r#"{"provisioningConfig": "x"}"#, "initImage"),
        ("qat", r#"{"provisioningConfig": "x", "initImage": "y", "kernelVfDrivers": ["c6xxvf"]}"#, "4xxxvf"),
        ("dsa", r#"{"provisioningConfig": "x"}"#, "initImage"),
        ("iaa", r#"{"provisioningConfig": "x"}"#, "initImage"),
        ("fpga", r#"{"mode": "af"}"#, "initImage"),
        ("dsa", r#"{"driver": "uio"}"#, "vfio-pci"),
        ("npu", r#"{"metrics": {"port": 70000}}"#, "less than or equal to 65535"),
    ];
    let by_webhook = [
        ("gpu", r#"{"image": "intel/intel-gpu-plugin:0.35.0"}"#, "too old"),
        ("gpu", r#"{"image": "intel/intel-npu-plugin:0.36.0"}"#, "intel-gpu-plugin"),
    ];
    let refused = by_schema.map(|case| (case, "is invalid")).into_iter();
    for ((family, spec, why), who) in refused.chain(by_webhook.map(|case| (case, "denied the request"))) {
        let refused = world.try_apply(&object(family, "bad", spec)).unwrap_err();
        assert!(refused.contains(why) && refused.contains(who), "{family} {spec}: {refused}");
    }
    world.apply(&object(
        "dlb",
        "good",
        r#"{"initImage": "intel/intel-dlb-initimage:0.36.0", "nodeSelector": {"no": "where"}}"#,
    ));
    assert_eq!(world.object("dlb", "good").unwrap()["spec"]["image"], "intel/intel-dlb-plugin:0.36.0");
    world.cluster.kubectl(&["delete", &plural("dlb"), "good", "--timeout=60s"]);
}

#[test]
fn a_changed_config_map_gives_new_pods_and_a_missing_one_is_said() {
    let Some(world) = world() else { return };
    let spec = r#"{"initImage": "intel/intel-qat-initcontainer:0.36.0", "provisioningConfig": "qat", "kernelVfDrivers": ["4xxxvf"], "nodeSelector": {"no": "where"}}"#;
    world.apply(&object("qat", "configured", spec));
    world.expect_condition("qat", "configured", "Degraded", "True", "ConfigMapMissing");
    let config = |text: &str| {
        format!(
            r#"{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "qat", "namespace": "{NAMESPACE}"}}, "data": {{"qat.conf": "{text}"}}}}"#
        )
    };
    world.apply(&config("ServicesEnabled=dc"));
    world.expect_condition("qat", "configured", "Degraded", "False", "");
    let generation = || world.daemonset("qat", "configured").unwrap()["metadata"]["generation"].clone();
    let before = generation();
    world.apply(&config("ServicesEnabled=sym"));
    world.wait("another generation of the DaemonSet", || (generation() != before).then_some(()));
    world.cluster.kubectl(&["delete", &plural("qat"), "configured", "--timeout=60s"]);
    world.cluster.kubectl(&["delete", "-n", NAMESPACE, "configmap", "qat"]);
}

#[test]
fn two_objects_on_one_node_are_told_of_each_other() {
    let Some(world) = world() else { return };
    for name in ["one", "two"] {
        world.apply(&object("npu", name, "{}"));
    }
    for name in ["one", "two"] {
        world.expect_condition("npu", name, "Degraded", "True", "Overlap");
    }
    world.cluster.kubectl(&["delete", &plural("npu"), "two", "--timeout=60s"]);
    world.expect_condition("npu", "one", "Degraded", "False", "");
    world.cluster.kubectl(&["delete", &plural("npu"), "one", "--timeout=60s"]);
}
