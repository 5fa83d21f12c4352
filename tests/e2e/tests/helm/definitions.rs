//! Definitions of custom resources are upgraded, whoever made them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::world::{NAMESPACE, OPERATOR, World, copy_of_charts, world};

/// Where a definition has a field that is new.
const FIELD: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/healthManagement/properties/source/enum";

/// Makes the definition of GPUs one of before.
fn make_old(file: &Path) {
    let text = fs::read_to_string(file).unwrap();
    let old = text.replacen("                    - xpumd\n", "", 1);
    assert_ne!(old, text, "{}", file.display());
    fs::write(file, old).unwrap();
}

impl World {
    fn has_field(&self) -> bool {
        let choices = self.definition("gpu").unwrap().pointer(FIELD).cloned().unwrap_or_default();
        assert!(choices.as_array().unwrap().contains(&json!("levelzero")), "{choices}");
        choices.as_array().unwrap().contains(&json!("xpumd"))
    }
}

#[test]
fn an_upgrade_of_the_operator_upgrades_definitions() {
    let Some(world) = world() else { return };
    let charts = copy_of_charts();
    let old = charts.path().join("device-plugin-operator");
    make_old(&old.join("definitions/deviceplugin.intel.com_gpudeviceplugins.yaml"));
    world.install("operator", old.to_str().unwrap(), &[]);
    assert!(!world.has_field());
    world.upgrade("operator", OPERATOR, &[]);
    assert!(world.has_field());
    // Who keeps them elsewhere leaves them out.
    world.upgrade("operator", OPERATOR, &["--set", "crds.install=false"]);
    assert!(world.has_field(), "they stay");
    world.uninstall("operator");
}

/// As much of the Go implementation's chart as an upgrade meets: definitions in `crds`, and names, selectors and roles of objects
/// that cannot be changed.
fn chart_of_before(folder: &Path) {
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "Chart.yaml",
        "{apiVersion: v2, name: intel-device-plugins-operator, version: 0.35.0, appVersion: 0.35.0}",
    );
    for entry in Path::new("../../deployments/operator/crd/bases").read_dir().unwrap() {
        let entry = entry.unwrap();
        let file = format!("crds/{}", entry.file_name().display());
        write(&file, &fs::read_to_string(entry.path()).unwrap());
    }
    make_old(&folder.join("crds/deviceplugin.intel.com_gpudeviceplugins.yaml"));
    let name = |name: &str| json!({"name": format!("inteldeviceplugins-{name}")});
    let labels = json!({"control-plane": "controller-manager"});
    let subjects = json!([{"kind": "ServiceAccount", "name": "default", "namespace": NAMESPACE}]);
    let rbac = "rbac.authorization.k8s.io";
    let role_ref = |kind: &str, role: &str| json!({"apiGroup": rbac, "kind": kind, "name": format!("inteldeviceplugins-{role}")});
    let webhook = json!([{
        "name": "mgpudeviceplugin.kb.io", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Ignore",
        "clientConfig": {"service": {"name": "inteldeviceplugins-webhook-service", "namespace": NAMESPACE, "path": "/none"}},
        "rules": [{"apiGroups": ["deviceplugin.intel.com"], "apiVersions": ["v1"], "operations": ["CREATE"],
            "resources": ["gpudeviceplugins"]}],
    }]);
    let objects: Vec<Value> = vec![
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": name("controller-manager"),
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
                "spec": {"containers": [{"name": "manager", "image": "intel/intel-deviceplugin-operator:0.36.0"}]}}}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": name("webhook-service"),
            "spec": {"ports": [{"port": 443, "targetPort": 9443}], "selector": labels}}),
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": name("leader-election-rolebinding"),
            "roleRef": role_ref("Role", "leader-election-role"), "subjects": subjects}),
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": name("manager-rolebinding"),
            "roleRef": role_ref("ClusterRole", "manager-role"), "subjects": subjects}),
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": name("auth-rolebinding"),
            "roleRef": role_ref("ClusterRole", "auth-role"), "subjects": subjects}),
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": name("gpu-manager-role"), "rules": []}),
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": name("mutating-webhook-configuration"), "webhooks": webhook}),
    ];
    let objects: Vec<String> = objects.iter().map(Value::to_string).collect();
    write("templates/objects.yaml", &objects.join("\n---\n"));
}

#[test]
fn a_release_of_the_go_implementations_chart_is_upgraded_in_place() {
    let Some(world) = world() else { return };
    let folder = tempfile::tempdir().unwrap();
    chart_of_before(folder.path());
    world.install("operator", folder.path().to_str().unwrap(), &[]);
    assert!(!world.has_field());
    let uid = |kind: &str, name: &str| {
        world.json(&["get", "-n", NAMESPACE, kind, name]).map(|object| object["metadata"]["uid"].clone())
    };
    let objects = [
        ("deployment", "inteldeviceplugins-controller-manager"),
        ("service", "inteldeviceplugins-webhook-service"),
        ("clusterrolebinding", "inteldeviceplugins-manager-rolebinding"),
        ("crd", "gpudeviceplugins.deviceplugin.intel.com"),
    ];
    let before = objects.map(|(kind, name)| uid(kind, name));
    world.apply("{apiVersion: deviceplugin.intel.com/v1, kind: GpuDevicePlugin, metadata: {name: mine}}");

    let refused = world.cluster.try_helm(&["upgrade", "operator", OPERATOR, "-n", NAMESPACE]).unwrap_err();
    assert!(refused.contains("invalid ownership metadata"), "nobody said that it may: {refused}");
    world.upgrade("operator", OPERATOR, &["--take-ownership"]);
    world.wait_for_operator();
    assert!(world.has_field());
    assert_eq!(objects.map(|(kind, name)| uid(kind, name)), before, "nothing was made anew");
    assert_eq!(uid("clusterrole", "inteldeviceplugins-gpu-manager-role"), None, "what nobody needs is gone");
    world.wait("the object's DaemonSet", || uid("daemonset", "intel-gpu-plugin-mine"));
    // Once is enough.
    world.upgrade("operator", OPERATOR, &[]);
    world.cluster.kubectl(&["delete", "gpudeviceplugins", "--all", "--timeout=60s"]);
    world.uninstall("operator");
}
