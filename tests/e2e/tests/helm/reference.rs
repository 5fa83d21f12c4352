//! Values of the Go implementation's charts work as they did there.

use std::fs;

use serde_json::{Map, Value, json};

use crate::world::{FAMILIES, OPERATOR, World, any_world};

/// All values of the Go implementation's chart of the operator, at their defaults there.
fn values_of_operator() -> Value {
    json!({
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "manager": {"image": {"hub": "intel", "tag": "", "pullPolicy": "IfNotPresent"}, "devices": null},
        "privateRegistry": {"registryUrl": "", "registryUser": "", "registrySecret": ""},
        "resources": {"limits": {"cpu": "100m", "memory": "120Mi"}, "requests": {"cpu": "100m", "memory": "100Mi"}},
        "tolerations": [],
    })
}

/// Those of a family's chart, and the spec that they give there.
fn values_of(family: &str) -> (Value, Value) {
    let init_image = match family {
        "dlb" => Some("intel-dlb-initcontainer"),
        "dsa" | "iaa" => Some("intel-idxd-config-initcontainer"),
        "qat" => Some("intel-qat-initcontainer"),
        _ => None,
    };
    let selector = json!({format!("intel.feature.node.kubernetes.io/{family}"): "true"});
    // Values that are fields of the spec, too.
    let mut fields = match family {
        "dsa" => json!({"driver": "idxd", "sharedDevNum": 10}),
        "gpu" => json!({"sharedDevNum": 1, "enableMonitoring": true, "allowIDs": "", "denyIDs": "",
            "bypathMode": "single", "monitoringMode": "single"}),
        "iaa" => json!({"sharedDevNum": 10}),
        "npu" => json!({"sharedDevNum": 1}),
        "qat" => {
            json!({"dpdkDriver": "vfio-pci", "kernelVfDrivers": ["4xxxvf", "420xxvf"], "maxNumDevices": 128})
        }
        "sgx" => json!({"enclaveLimit": 110, "provisionLimit": 110}),
        _ => json!({}),
    };
    fields["logLevel"] = json!(if ["gpu", "npu"].contains(&family) { 2 } else { 4 });
    fields["nodeSelector"] = selector;
    fields["tolerations"] = json!([]);
    let image = json!({"hub": "intel", "tag": ""});
    let (mut values, mut spec) = (fields.clone(), fields);
    values["name"] = json!(format!("{family}deviceplugin-sample"));
    values["image"] = image.clone();
    values["nodeFeatureRule"] = json!(true);
    spec["image"] = json!(format!("intel/intel-{family}-plugin:0.36.0"));
    if let Some(name) = init_image {
        values["initImage"] = image;
        spec["initImage"] = json!(format!("intel/{name}:0.36.0"));
    }
    if family == "gpu" {
        values["initImage"] = json!({"enable": false, "hub": "intel", "tag": ""});
        values["allocationPolicy"] = json!("none");
        spec["preferredAllocationPolicy"] = json!("none");
    }
    (values, spec)
}

/// A spec without fields that say nothing.
fn telling(spec: &Value) -> Map<String, Value> {
    let is_empty = |value: &Value| [json!(""), json!([]), json!({})].contains(value);
    let fields = spec.as_object().unwrap().iter().filter(|(_, value)| !is_empty(value));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

impl World {
    /// Renders a chart with a file of values.
    fn with_values(&self, chart: &str, values: &Value) -> Vec<Value> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("values.yaml");
        fs::write(&file, values.to_string()).unwrap();
        let file = file.to_str().unwrap();
        self.cluster.helm(&["lint", "--strict", chart, "-f", file]);
        self.template(chart, &["-f", file])
    }
}

#[test]
fn values_of_the_go_implementations_charts_give_the_objects_that_they_gave_there() {
    let Some(world) = any_world() else { return };
    for family in FAMILIES.into_iter().filter(|family| *family != "fpga") {
        let (values, spec) = values_of(family);
        let chart = format!("charts/{family}-device-plugin");
        let objects = world.with_values(&chart, &values);
        let names: Vec<&str> =
            objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect();
        let mut expected = vec![format!("{family}deviceplugin-sample"), format!("intel-dp-{family}-device")];
        if family == "gpu" {
            expected.push("intel-gpu-platform-labeling".to_owned());
        }
        assert_eq!(names, expected, "{family}");
        assert!(objects[0]["metadata"]["annotations"].is_null(), "{family}: nothing where nothing is said");
        assert_eq!(telling(&objects[0]["spec"]), telling(&spec), "{family}");
        // They are the defaults here, too.
        assert_eq!(world.template(&chart, &[]), objects, "{family}");
    }
    let objects = world.with_values(OPERATOR, &values_of_operator());
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "intel/intel-deviceplugin-operator:0.36.0");
    assert_eq!(container["resources"]["requests"]["memory"], "100Mi");
}

#[test]
fn all_charts_are_without_faults() {
    let Some(world) = any_world() else { return };
    for family in FAMILIES {
        let chart = format!("charts/{family}-device-plugin");
        world.cluster.helm(&["lint", "--strict", &chart]);
        // As much as can be asked for.
        let all = [
            "annotations.a=b",
            "image.digest=sha256:0",
            "resources.limits.cpu=1",
            "env[0].name=A",
            "metrics.port=9090",
        ];
        let args: Vec<&str> = all.iter().flat_map(|value| ["--set", value]).collect();
        let objects = world.template(&chart, &[&args[..], &["--set", "nodeFeatureRule=false"]].concat());
        let [object] = &objects[..] else { panic!("{family}: {objects:?}") };
        assert_eq!(object["metadata"]["annotations"], json!({"a": "b"}), "{family}");
        assert_eq!(object["spec"]["image"], format!("intel/intel-{family}-plugin@sha256:0"), "{family}");
        assert_eq!(object["spec"]["metrics"], json!({"port": 9090}), "{family}");
        assert_eq!(object["spec"]["env"], json!([{"name": "A"}]), "{family}");
    }
    world.cluster.helm(&["lint", "--strict", OPERATOR]);
}

#[test]
fn a_value_that_no_chart_has_is_refused() {
    let Some(world) = any_world() else { return };
    for (chart, value, why) in [
        ("gpu-device-plugin", "sharedDevNumb=2", "sharedDevNumb"),
        ("gpu-device-plugin", "image.tagg=2", "tagg"),
        ("gpu-device-plugin", "bypathMode=some", "bypathMode"),
        ("gpu-device-plugin", "metrics.prot=9090", "prot"),
        ("npu-device-plugin", "allowIDs=0x1234", "allowIDs"),
        ("device-plugin-operator", "certificates=certmanager", "certificates"),
        ("device-plugin-operator", "manager.devices.gpus=true", "gpus"),
    ] {
        let error = world
            .cluster
            .try_helm(&["template", "x", &format!("charts/{chart}"), "--set", value])
            .expect_err(value);
        assert!(error.contains(why), "{chart} {value}: {error}");
    }
}

#[test]
fn fields_of_the_spec_can_be_given_as_they_are() {
    let Some(world) = any_world() else { return };
    let args =
        ["--set", "extraSpec.logLevel=7", "--set", "extraSpec.newField.x=1", "--set", "nodeSelector=null"];
    let spec = &world.template("charts/npu-device-plugin", &args)[0]["spec"];
    assert_eq!(spec["logLevel"], 7);
    assert_eq!(spec["newField"], json!({"x": 1}));
    assert!(spec["nodeSelector"].is_null(), "all nodes");
}
