//! The custom resource's definition, and the DaemonSets of objects.

use controller::Settings;
use gpu_operator::FAMILY;
use serde_json::Value;
use simulator::golden;

#[test]
fn the_definition_in_deployments_is_that_of_the_types() {
    let text = crd::manifest(&(FAMILY.definition)()).unwrap();
    golden("../../../deployments/operator/crd/bases/deviceplugin.intel.com_gpudeviceplugins.yaml", &text);
}

#[test]
fn each_object_has_its_daemonset() {
    let settings = Settings { namespace: "devices".to_owned(), ..Settings::default() };
    for entry in std::fs::read_dir("tests/objects").unwrap() {
        let path = entry.unwrap().path();
        let object: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let daemonset = FAMILY.daemonset(name, &object["spec"], &settings).unwrap();
        let text = serde_saphyr::to_string(&daemonset).unwrap();
        golden(format!("tests/golden/{name}.yaml"), &text);
    }
}
