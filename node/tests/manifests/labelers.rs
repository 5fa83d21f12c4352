//! What the `DaemonSet`s may do that only tell Kubernetes about their node.

use std::ops::Deref;

use serde_json::{Value, json};

use crate::folder::Folder;
use kustomize::{deployments, list, text};

/// Their names.
pub(crate) const NAMES: [&str; 2] = ["intel-gpu-labels", "sgx-node-init"];

/// Whether a DaemonSet is one of them, and no plugin.
pub(crate) fn is_one(set: &Value) -> bool {
    NAMES.contains(&text(&set["metadata"]["name"]))
}

/// One, with all objects of its folder.
struct Labeler(Folder);

impl Deref for Labeler {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.0
    }
}

impl Labeler {
    fn all() -> Vec<Self> {
        let found = Folder::all(|folder| folder.of_kind("DaemonSet").any(is_one));
        assert_eq!(found.len(), 5);
        found.into_iter().map(Self).collect()
    }

    fn set(&self) -> &Value {
        self.of_kind("DaemonSet").find(|set| is_one(set)).unwrap()
    }

    fn pod(&self) -> &Value {
        &self.set()["spec"]["template"]["spec"]
    }
}

#[test]
fn labelers_hold_to_the_restricted_level() {
    for labeler in Labeler::all() {
        let (folder, pod) = (&labeler.folder, labeler.pod());
        for key in ["hostNetwork", "hostPID", "hostIPC", "initContainers", "securityContext", "volumes"] {
            assert!(pod[key].is_null(), "{folder}: {key}");
        }
        let [container] = list(&pod["containers"]) else { panic!("{folder}: one container") };
        let security = json!({
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "readOnlyRootFilesystem": true,
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "seccompProfile": { "type": "RuntimeDefault" },
        });
        assert_eq!(container["securityContext"], security, "{folder}");
    }
}

#[test]
fn labelers_run_on_nodes_that_have_no_label_yet() {
    for labeler in Labeler::all() {
        let selector = json!({"kubernetes.io/arch": "amd64"});
        assert_eq!(labeler.pod()["nodeSelector"], selector, "{}", labeler.folder);
        assert!(labeler.pod()["affinity"].is_null(), "{}", labeler.folder);
    }
}

#[test]
fn labelers_have_accounts_of_their_own_that_may_do_what_they_do_and_no_more() {
    for labeler in Labeler::all() {
        let folder = &labeler.folder;
        let namespace = &labeler.set()["metadata"]["namespace"];
        assert_eq!(namespace, "kube-system", "{folder}");
        let account = labeler.only("ServiceAccount");
        assert_eq!(account["metadata"]["namespace"], *namespace, "{folder}");
        assert_eq!(account["metadata"]["name"], labeler.pod()["serviceAccountName"], "{folder}");
        // Others of the account's namespace get no token by naming it, unless they say that they want one.
        assert_eq!(account["automountServiceAccountToken"], json!(false), "{folder}");
        assert_eq!(labeler.pod()["automountServiceAccountToken"], json!(true), "{folder}");

        let core = |resource: &str, verbs: &[&str]| json!({"apiGroups": [""], "resources": [resource], "verbs": verbs});
        let (kind, rules) = match folder.rsplit('/').next().unwrap() {
            "epc-register" => {
                ("ClusterRole", json!([core("nodes", &["get"]), core("nodes/status", &["patch"])]))
            }
            "node_labels" => ("ClusterRole", json!([core("nodes", &["get", "patch"])])),
            "node_features" => (
                "Role",
                json!([{
                    "apiGroups": ["nfd.k8s-sigs.io"],
                    "resources": ["nodefeatures"],
                    "verbs": ["create", "patch"],
                }]),
            ),
            other => panic!("{other} is not known here"),
        };
        let (role, binding) = (labeler.only(kind), labeler.only(&format!("{kind}Binding")));
        assert_eq!(role["rules"], rules, "{folder}");
        assert_eq!(binding["roleRef"]["kind"], kind, "{folder}");
        assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"], "{folder}");
        let subject = json!([{
            "kind": "ServiceAccount",
            "name": account["metadata"]["name"],
            "namespace": namespace,
        }]);
        assert_eq!(binding["subjects"], subject, "{folder}");
        if kind == "Role" {
            assert_eq!(role["metadata"]["namespace"], *namespace, "{folder}");
            assert_eq!(binding["metadata"]["namespace"], *namespace, "{folder}");
        }
    }
}

#[test]
fn labelers_are_told_what_they_ask_for() {
    for labeler in Labeler::all() {
        let container = &labeler.pod()["containers"][0];
        let mut variables: Vec<(&str, &str)> = list(&container["env"])
            .iter()
            .map(|it| (text(&it["name"]), text(&it["valueFrom"]["fieldRef"]["fieldPath"])))
            .collect();
        variables.sort_unstable();
        let mut expected = vec![("NODE_NAME", "spec.nodeName")];
        if list(&container["args"]).contains(&json!("-node-feature")) {
            expected.extend([
                ("POD_NAME", "metadata.name"),
                ("POD_NAMESPACE", "metadata.namespace"),
                ("POD_UID", "metadata.uid"),
            ]);
        }
        assert_eq!(variables, expected, "{}", labeler.folder);
    }
}

#[test]
fn the_sgx_plugin_waits_for_the_label_that_is_given_with_the_memory() {
    let folder = "sgx_plugin/overlays/epc-register";
    let objects = kustomize::render(&deployments().join(folder));
    let plugin = objects.iter().find(|it| it["metadata"]["name"] == "intel-sgx-plugin").unwrap();
    let selector = &plugin["spec"]["template"]["spec"]["nodeSelector"];
    assert_eq!(selector["sgx.intel.com/capable"], "true");
    assert_eq!(plugin["metadata"]["namespace"], "kube-system");
}
