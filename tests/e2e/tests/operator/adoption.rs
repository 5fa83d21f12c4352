//! DaemonSets that another operator has made are taken over as they are.

use serde_json::{Value, json};

use crate::world::{
    CONTAINER, DEPLOYMENT, FAMILIES, INIT, NAMESPACE, World, init_image, object, plural, world,
};

const MANAGER: &str = "intel-device-plugins-operator";

impl World {
    fn scale(&self, replicas: u32) {
        let replicas = format!("--replicas={replicas}");
        self.cluster.kubectl(&["scale", "-n", NAMESPACE, DEPLOYMENT, &replicas]);
        if replicas.ends_with("=0") {
            let selector = "manager=intel-deviceplugin-operator";
            self.cluster.kubectl(&[
                "wait",
                "--for=delete",
                "pod",
                "-n",
                NAMESPACE,
                "-l",
                selector,
                "--timeout=60s",
            ]);
        } else {
            self.wait_for_rollout();
        }
    }

    /// Makes a DaemonSet as the Go implementation's operator does: all at once, in its own name.
    fn create_as_another(&self, object: &Value, template: &Value, family: &str) {
        let name = object["metadata"]["name"].as_str().unwrap();
        let app = format!("intel-{family}-plugin");
        let daemonset = json!({
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {
                "name": format!("{app}-{name}"),
                "namespace": NAMESPACE,
                "labels": {"app": app},
                "ownerReferences": [{
                    "apiVersion": object["apiVersion"],
                    "kind": object["kind"],
                    "name": name,
                    "uid": object["metadata"]["uid"],
                    "controller": true,
                    "blockOwnerDeletion": true,
                }],
            },
            "spec": {
                "selector": {"matchLabels": {"app": app}},
                "template": template,
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            },
        });
        let path = format!(
            "/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets?fieldManager=intel_deviceplugin_operator"
        );
        self.kubernetes.ask("POST", &path, Some(&daemonset)).unwrap();
    }

    fn expect_adopted(&self, family: &str, name: &str) {
        let managers = || {
            let name = format!("intel-{family}-plugin-{name}");
            let args = ["get", "-n", NAMESPACE, "daemonset", &name, "--show-managed-fields"];
            let daemonset = self.json(&args)?;
            let entries = daemonset["metadata"]["managedFields"].as_array()?.clone();
            let of_spec = entries
                .iter()
                .filter(|entry| entry["subresource"].is_null() && entry["fieldsV1"]["f:spec"].is_object());
            Some(of_spec.map(|entry| entry["manager"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
        };
        self.wait("a DaemonSet whose spec is this operator's alone", || {
            (managers()? == [MANAGER]).then_some(())
        });
    }
}

#[test]
fn a_daemonset_that_is_as_it_should_be_is_taken_over_without_a_new_pod() {
    let Some(world) = world() else { return };
    world.apply("{apiVersion: deviceplugin.intel.com/v1, kind: NpuDevicePlugin, metadata: {name: taken}}");
    world.expect_condition("npu", "taken", "Available", "True", "AllReady");
    let object = world.object("npu", "taken").unwrap();
    let template = world.daemonset("npu", "taken").unwrap()["spec"]["template"].clone();
    world.scale(0);
    world.cluster.kubectl(&[
        "delete",
        "-n",
        NAMESPACE,
        "daemonset",
        "intel-npu-plugin-taken",
        "--timeout=60s",
    ]);
    world.create_as_another(&object, &template, "npu");
    let pod = || {
        let owner = world.daemonset("npu", "taken")?["metadata"]["uid"].clone();
        let pods = world.json(&["get", "pods", "-n", NAMESPACE, "-l", "app=intel-npu-plugin"])?;
        let mut pods = pods["items"].as_array()?.iter().map(|pod| pod["metadata"].clone());
        pods.find(|pod| pod["ownerReferences"][0]["uid"] == owner).map(|pod| pod["uid"].clone())
    };
    let before = world.wait("a pod", pod);

    world.scale(2);
    world.expect_adopted("npu", "taken");
    assert_eq!(world.daemonset("npu", "taken").unwrap()["metadata"]["generation"], 1);
    world.expect_condition("npu", "taken", "Available", "True", "AllReady");
    assert_eq!(pod().unwrap(), before);
    world.cluster.kubectl(&["delete", &plural("npu"), "taken", "--timeout=60s"]);
}

#[test]
fn images_of_before_are_upgraded_and_what_is_left_of_them_goes() {
    let Some(world) = world() else { return };
    world.scale(0);
    // The Go implementation's webhooks have gone with it.
    world.cluster.kubectl(&[
        "delete",
        "validatingwebhookconfigurations,mutatingwebhookconfigurations",
        "--all",
    ]);
    let image =
        |image: &str, version: &str| json!(format!("registry.example.com:5000/intel/{image}:{version}"));
    for family in FAMILIES {
        let app = format!("intel-{family}-plugin");
        let mut spec = json!({"image": image(&app, "0.35.0"), "nodeSelector": {"nowhere": "here"}});
        let mut template = json!({
            "metadata": {"labels": {"app": app}},
            "spec": {
                "containers": [{"name": app, "image": image(&app, "0.35.0"), "args": ["-v", "0"]}],
                "nodeSelector": {"nowhere": "here"},
                "volumes": [{"name": "leftover", "hostPath": {"path": "/leftover"}}],
            },
        });
        if let Some(name) = init_image(family) {
            let init = image(name, "0.35.0");
            template["spec"]["initContainers"] = json!([{"name": name, "image": init}]);
            spec["initImage"] = init;
        }
        world.apply(&object(family, "old", &spec.to_string()));
        world.create_as_another(&world.object(family, "old").unwrap(), &template, family);
    }

    world.cluster.kubectl(&["apply", "-k", "deployments/operator/default"]);
    world.scale(2);
    for family in FAMILIES {
        world.expect_adopted(family, "old");
        let images = [Some(format!("intel-{family}-plugin")), init_image(family).map(str::to_owned)];
        let [plugin, init] = images.map(|name| name.map_or(Value::Null, |name| image(&name, "0.36.0")));
        world.expect(family, "old", &format!("{CONTAINER}/image"), &plugin);
        world.expect(family, "old", &format!("{INIT}/0/image"), &init);
        world.wait("the upgraded object", || {
            let spec = &world.object(family, "old")?["spec"];
            (spec["image"] == plugin && spec["initImage"] == init).then_some(())
        });
        let daemonset = world.daemonset(family, "old").unwrap();
        let volumes = daemonset["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
        assert!(volumes.iter().all(|volume| volume["name"] != "leftover"), "{volumes:?}");
        world.cluster.kubectl(&["delete", &plural(family), "old", "--timeout=60s"]);
    }
}
