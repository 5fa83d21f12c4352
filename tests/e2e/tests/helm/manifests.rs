//! Charts are as good as the manifests: what they render is the same.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{FAMILIES, OPERATOR, World, any_world, objects};

/// Folders of `deployments/operator`, and how the chart is told to do the same.
const SAME: [(&str, &[&str]); 4] = [
    ("default", &[]),
    ("device/gpu", &["--set", "manager.devices.gpu=true"]),
    ("overlays/default-with-certmanager", &["--set", "certificates=cert-manager"]),
    ("overlays/ocp", &["--set", "certificates=openshift"]),
];

/// Objects by kind and name, without what is meant to differ.
fn comparable(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let simplify = |object: Value| {
        // The names of the Go implementation's manifests and charts.
        let text = object.to_string().replace("intel-deviceplugins-", "inteldeviceplugins-");
        let text = text.replace("inteldeviceplugins-metrics-auth-role", "inteldeviceplugins-auth-role");
        let mut object: Value = serde_json::from_str(&text).unwrap();
        let metadata = object["metadata"].as_object_mut().unwrap();
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.retain(|name, _| !name.contains(".kubernetes.io/") && name != "helm.sh/chart");
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("helm.sh/resource-policy");
        }
        metadata.retain(|_, value| *value != json!({}));
        match object["kind"].as_str().unwrap() {
            "Deployment" => simplify_deployment(&mut object["spec"]),
            "MutatingWebhookConfiguration" => {
                // In the order of the Go implementation's manifests here, and of its charts there.
                let webhooks = object["webhooks"].as_array_mut().unwrap();
                webhooks.sort_by_key(|webhook| webhook["name"].as_str().unwrap().to_owned());
            }
            _ => {}
        }
        (
            format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap()),
            object,
        )
    };
    objects.into_iter().map(simplify).collect()
}

fn simplify_deployment(spec: &mut Value) {
    // A chart cannot change the selector that a release has.
    let selector = spec["selector"]["matchLabels"].as_object_mut().unwrap();
    selector.remove("manager");
    assert_eq!(*selector, *json!({"control-plane": "controller-manager"}).as_object().unwrap());
    let container = &mut spec["template"]["spec"]["containers"][0];
    let image = container["image"].as_str().unwrap();
    let (name, tag) = image.rsplit_once(':').unwrap();
    assert!(["devel", "0.36.0"].contains(&tag), "{image}");
    container["image"] = json!(name);
}

impl World {
    fn compare(&self, folder: &str, args: &[&str]) {
        let manifests = self.cluster.kubectl(&["kustomize", &format!("deployments/operator/{folder}")]);
        let mut manifests = comparable(objects(&manifests));
        let mut chart = comparable(self.template(OPERATOR, args));
        // Helm makes it, but for what plugins need: docs/helm.md.
        assert!(manifests.remove("Namespace inteldeviceplugins-system").is_some(), "{folder}");
        // The operator makes it otherwise.
        let makes_certificates = !folder.starts_with("overlays");
        assert_eq!(chart.remove("Secret webhook-certificates").is_some(), makes_certificates, "{folder}");
        assert_eq!(
            chart.keys().collect::<Vec<_>>(),
            manifests.keys().collect::<Vec<_>>(),
            "{folder}: the charts' objects, and the manifests'"
        );
        for (name, object) in &chart {
            assert_eq!(*object, manifests[name], "{folder}: {name} of the chart, and of the manifests");
        }
    }
}

#[test]
fn the_operators_chart_renders_what_its_manifests_do() {
    let Some(world) = any_world() else { return };
    for (folder, args) in SAME {
        world.compare(folder, args);
    }
}

#[test]
fn monitoring_is_off_and_else_that_of_the_manifests() {
    let Some(world) = any_world() else { return };
    let mut manifests = comparable(objects(&world.cluster.kubectl(&["kustomize", "deployments/monitoring"])));
    // There are none without an operator.
    assert!(manifests.remove("PodMonitor intel-device-plugins-webhooks").is_some());
    let without = comparable(world.template(OPERATOR, &[]));
    let mut chart = comparable(world.template(OPERATOR, &["--set", "monitoring.enabled=true"]));
    chart.retain(|name, _| !without.contains_key(name));
    // Where the end of a text is, does not matter.
    for objects in [&mut manifests, &mut chart] {
        let map = objects.get_mut("ConfigMap intel-device-plugins-dashboard").unwrap();
        let text = map["data"]["intel-device-plugins.json"].as_str().unwrap().trim_end().to_owned();
        map["data"]["intel-device-plugins.json"] = json!(text);
    }
    assert_eq!(chart, manifests);

    let given = ["monitoring.enabled=true", "monitoring.labels.release=p", "monitoring.runbooks=https://x/"];
    let args: Vec<&str> = given.iter().flat_map(|value| ["--set", value]).collect();
    let chart = world.template(OPERATOR, &args);
    for kind in ["PodMonitor", "ServiceMonitor", "PrometheusRule"] {
        let object = chart.iter().find(|object| object["kind"] == kind).unwrap();
        assert_eq!(object["metadata"]["labels"]["release"], "p", "{kind}");
    }
    let rules = chart.iter().find(|object| object["kind"] == "PrometheusRule").unwrap();
    let link = &rules["spec"]["groups"][0]["rules"][0]["annotations"]["runbook_url"];
    assert_eq!(link, "https://x/docs/runbooks.md#inteldeviceunhealthy");
}

#[test]
fn webhooks_are_in_the_order_of_the_go_implementations_chart() {
    let Some(world) = any_world() else { return };
    let objects = world.template(OPERATOR, &[]);
    let mutating = objects.iter().find(|object| object["kind"] == "MutatingWebhookConfiguration").unwrap();
    let names: Vec<&str> = mutating["webhooks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|webhook| webhook["name"].as_str().unwrap())
        .collect();
    let kinds = FAMILIES.map(|family| format!("m{family}deviceplugin.kb.io"));
    assert_eq!(names[..8], kinds);
    assert_eq!(names[8..], ["fpga.mutator.webhooks.intel.com", "sgx.mutator.webhooks.intel.com"]);
}

#[test]
fn credentials_of_a_registry_reach_operator_and_plugins() {
    let Some(world) = any_world() else { return };
    let registry = ["registryUrl=registry.example.com", "registryUser=me", "registrySecret=a\"b"];
    let made: Vec<String> = registry.iter().map(|value| format!("privateRegistry.{value}")).collect();
    let mut args: Vec<&str> = made.iter().flat_map(|value| ["--set", value]).collect();
    args.extend([
        "--show-only",
        "templates/private_registry.yaml",
        "--show-only",
        "templates/deployment.yaml",
    ]);
    let objects = world.template(OPERATOR, &args);
    let find = |kind| objects.iter().find(|object| object["kind"] == kind).unwrap();
    let (secret, deployment) = (find("Secret"), find("Deployment"));
    let name = &secret["metadata"]["name"];
    assert_eq!(name, "x-operator-private-registry");
    assert_eq!(secret["type"], "kubernetes.io/dockerconfigjson");
    // {"auths":{"registry.example.com":{"auth":"bWU6YSJi"}}}, which is me:a"b.
    let data = "eyJhdXRocyI6eyJyZWdpc3RyeS5leGFtcGxlLmNvbSI6eyJhdXRoIjoiYldVNllTSmkifX19";
    assert_eq!(secret["data"][".dockerconfigjson"], data);
    let is_told = |deployment: &Value, name: &Value| {
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(pod["imagePullSecrets"], json!([{"name": name}]));
        let env = pod["containers"][0]["env"].as_array().unwrap();
        assert!(env.contains(&json!({"name": "DEVICEPLUGIN_SECRET", "value": name})), "{env:?}");
    };
    is_told(deployment, name);
    let objects = world.template(OPERATOR, &["--set", "privateRegistry.existingSecret=mine"]);
    assert!(!objects.iter().any(|object| object["type"] == "kubernetes.io/dockerconfigjson"));
    is_told(objects.iter().find(|object| object["kind"] == "Deployment").unwrap(), &json!("mine"));
}

#[test]
fn arguments_can_be_added_as_a_list_or_as_a_text_with_templates() {
    let Some(world) = any_world() else { return };
    for given in [
        "controllerExtraArgs=- -v=4\n- --deviceplugin-namespace={{ .Release.Name }}",
        "controllerExtraArgs={-v=4,--deviceplugin-namespace=x}",
    ] {
        let objects = world.template(OPERATOR, &["--show-only", "templates/deployment.yaml", "--set", given]);
        let args = objects[0]["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
        assert_eq!(args[args.len() - 2..], ["-v=4", "--deviceplugin-namespace=x"], "{given}");
    }
}

#[test]
fn names_that_look_like_numbers_stay_names() {
    fn has(value: &Value, number: &Value) -> bool {
        match value {
            Value::Object(fields) => fields.values().any(|field| has(field, number)),
            Value::Array(items) => items.iter().any(|item| has(item, number)),
            other => other == number,
        }
    }
    let Some(world) = any_world() else { return };
    let name = "770011";
    for (chart, value) in [(OPERATOR, "privateRegistry.existingSecret"), ("charts/npu-device-plugin", "name")]
    {
        let value = format!("{value}={name}");
        let args = ["template", name, chart, "-n", name, "--set-string", &value];
        for object in objects(&world.cluster.helm(&args)) {
            assert!(!has(&object, &json!(770_011)), "{object}");
        }
    }
}
