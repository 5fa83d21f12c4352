//! The operator's custom resources, its program, and what it may do.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::webhooks::Webhook;
use kustomize::{deployments, list, text};

/// In the order of their names.
const KINDS: [&str; 8] = ["dlb", "dsa", "fpga", "gpu", "iaa", "npu", "qat", "sgx"];

/// What the operator makes of objects: the golden files of its families, by their paths.
pub(crate) fn daemon_sets() -> Vec<(String, Value)> {
    let devices = Path::new(env!("CARGO_MANIFEST_DIR")).join("../devices");
    let goldens =
        devices.read_dir().unwrap().map(|family| family.unwrap().path().join("operator/tests/golden"));
    let files =
        goldens.filter_map(|folder| folder.read_dir().ok()).flatten().map(|file| file.unwrap().path());
    let sets: Vec<(String, Value)> =
        files.map(|file| (file.display().to_string(), kustomize::yaml(&file))).collect();
    assert!(!sets.is_empty());
    sets
}

#[test]
fn each_kind_is_defined_and_has_a_sample() {
    let folder = deployments().join("operator");
    let definitions = kustomize::render(&folder.join("crd"));
    let files = folder.join("crd/bases").read_dir().unwrap().count();
    let of_plugins = |definition: &&Value| definition["spec"]["group"] == "deviceplugin.intel.com";
    let defined: BTreeSet<&str> =
        definitions.iter().filter(of_plugins).map(|one| text(&one["spec"]["names"]["kind"])).collect();
    assert_eq!(defined.len(), files, "{defined:?}");
    assert_eq!(definitions.len(), files + 2, "those of FPGA's functions and regions are there too");

    let samples = kustomize::render(&folder.join("samples"));
    let kinds: BTreeSet<&str> = samples.iter().map(|sample| text(&sample["kind"])).collect();
    let all: BTreeSet<&str> = definitions.iter().map(|one| text(&one["spec"]["names"]["kind"])).collect();
    assert_eq!(kinds, all);
}

/// What each folder with the whole operator holds.
pub(crate) fn operators() -> Vec<Webhook> {
    let found = Webhook::found(|folder| folder.starts_with("operator"));
    // The root and the default, one for each kind, with cert-manager, on OpenShift.
    assert_eq!(found.len(), 2 + KINDS.len() + 2);
    found
}

fn names_of(registration: &Value) -> Vec<&str> {
    list(&registration["webhooks"]).iter().map(|webhook| text(&webhook["name"])).collect()
}

#[test]
fn webhooks_are_registered_in_the_go_implementations_order() {
    let kinds = |letter| KINDS.map(|kind| format!("{letter}{kind}deviceplugin.kb.io")).to_vec();
    let pods = |family: &str| vec![format!("{family}.mutator.webhooks.intel.com")];
    for operator in operators() {
        let mutating = operator.only("MutatingWebhookConfiguration");
        let expected = [pods("fpga"), kinds("m"), pods("sgx")].concat();
        assert_eq!(names_of(mutating), expected, "{}", operator.folder);
        assert_eq!(
            names_of(operator.only("ValidatingWebhookConfiguration")),
            kinds("v"),
            "{}",
            operator.folder
        );
    }
}

#[test]
fn objects_are_stored_only_when_the_operator_has_looked_at_them_and_pods_in_any_case() {
    let operators = operators();
    let [mutating, validating] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]
        .map(|kind| list(&operators[0].only(kind)["webhooks"]));
    for webhook in mutating.iter().chain(validating) {
        let name = text(&webhook["name"]);
        let [rule] = list(&webhook["rules"]) else { panic!("{name}: one rule") };
        assert_eq!(webhook["sideEffects"], "None", "{name}");
        assert_eq!(webhook["admissionReviewVersions"], json!(["v1"]), "{name}");
        let path = text(&webhook["clientConfig"]["service"]["path"]);
        if let Some(kind) = name.strip_suffix(".kb.io") {
            let does = if kind.starts_with('m') { "mutate" } else { "validate" };
            let kind = &kind[1..];
            assert_eq!(path, format!("/{does}-deviceplugin-intel-com-v1-{kind}"));
            assert_eq!(webhook["failurePolicy"], "Fail", "{name}");
            let all = json!({"apiGroups": ["deviceplugin.intel.com"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                "resources": [format!("{kind}s")]});
            assert_eq!(*rule, all, "{name}");
        } else {
            let alone = format!("{}_admissionwebhook", name.split('.').next().unwrap());
            let alone = kustomize::render(&deployments().join(alone));
            let alone = alone.iter().find(|object| object["kind"] == "MutatingWebhookConfiguration").unwrap();
            let mut alone = alone["webhooks"][0].clone();
            alone["clientConfig"]["service"]["name"] = webhook["clientConfig"]["service"]["name"].clone();
            alone["clientConfig"]["service"]["namespace"] =
                webhook["clientConfig"]["service"]["namespace"].clone();
            assert_eq!(*webhook, alone, "as in its own deployment");
        }
    }
}

#[test]
fn all_of_the_operator_is_in_its_namespace_under_the_go_implementations_names() {
    for operator in operators() {
        let folder = &operator.folder;
        for object in &operator.objects {
            let metadata = &object["metadata"];
            let kind = text(&object["kind"]);
            let expected = match kind {
                "CustomResourceDefinition"
                | "ClusterRole"
                | "ClusterRoleBinding"
                | "Namespace"
                | "MutatingWebhookConfiguration"
                | "ValidatingWebhookConfiguration" => Value::Null,
                _ => json!("inteldeviceplugins-system"),
            };
            assert_eq!(metadata["namespace"], expected, "{folder}: {kind} {}", metadata["name"]);
            if kind != "CustomResourceDefinition" && kind != "Namespace" {
                assert!(text(&metadata["name"]).starts_with("intel-deviceplugins-"), "{folder}: {metadata}");
            }
        }
        let named = |kind, name: &str| operator.named(kind, &json!(format!("intel-deviceplugins-{name}")));
        let labels = &named("Deployment", "controller-manager")["spec"]["template"]["metadata"]["labels"];
        for name in ["webhook-service", "controller-manager-metrics-service"] {
            let service = named("Service", name);
            assert_eq!(service["spec"]["selector"], *labels, "{folder}");
            let [port] = list(&service["spec"]["ports"]) else { panic!("{folder}: one port") };
            let target = &port["targetPort"];
            let ports = list(&operator.container()["ports"]);
            let is_there = |port: &Value| port["containerPort"] == *target || port["name"] == *target;
            assert!(ports.iter().any(is_there), "{folder}: {target}");
        }
        let namespace = operator.only("Namespace");
        assert_eq!(namespace["metadata"]["name"], "inteldeviceplugins-system", "{folder}");
        let enforced = &namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
        assert_eq!(enforced, "privileged", "{folder}: plugins mount folders of the node");
        for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
            for webhook in list(&operator.only(kind)["webhooks"]) {
                let called = &webhook["clientConfig"]["service"];
                assert_eq!(called["name"], "intel-deviceplugins-webhook-service", "{folder}");
                assert_eq!(called["namespace"], "inteldeviceplugins-system", "{folder}");
            }
        }
    }
}

#[test]
fn the_operator_is_told_the_names_of_its_objects_and_the_devices_of_its_folder() {
    for operator in operators() {
        let folder = &operator.folder;
        let args: Vec<&str> = list(&operator.container()["args"]).iter().map(text).collect();
        let all = [
            "--metrics-secure",
            "--metrics-bind-address=:8443",
            "--health-probe-bind-address=:8081",
            "--leader-elect",
        ];
        assert_eq!(args[..4], all, "{folder}");
        let devices: Vec<&str> = args.iter().filter_map(|arg| arg.strip_prefix("--devices=")).collect();
        let kind = folder.strip_prefix("operator/device/");
        assert_eq!(devices, kind.into_iter().collect::<Vec<_>>(), "{folder}");
        let makes_certificates = !folder.contains("overlays/");
        for (flag, kind, name) in [
            ("-webhook-service", "Service", "webhook-service"),
            (
                "-mutating-webhook-configuration",
                "MutatingWebhookConfiguration",
                "mutating-webhook-configuration",
            ),
            (
                "-validating-webhook-configuration",
                "ValidatingWebhookConfiguration",
                "validating-webhook-configuration",
            ),
            ("-plugin-service-account", "ServiceAccount", "plugin"),
        ] {
            let name = json!(format!("intel-deviceplugins-{name}"));
            operator.named(kind, &name);
            let is_told = makes_certificates || flag.starts_with("-plugin");
            assert_eq!(operator.flag(flag), is_told.then_some(&name), "{folder}: {flag}");
        }
    }
}

/// Whether a rule of this kind of role gives the right.
fn may(rules: &[(&str, &Value)], kind: &str, verb: &str, group: &str, resource: &str, name: &str) -> bool {
    rules.iter().any(|(role, rule)| {
        let has = |key: &str, what: &str| list(&rule[key]).iter().any(|one| one == what);
        *role == kind
            && has("verbs", verb)
            && has("apiGroups", group)
            && has("resources", resource)
            && (rule["resourceNames"].is_null() || has("resourceNames", name))
    })
}

#[test]
fn the_operator_may_do_what_it_does() {
    for operator in operators() {
        let rules = operator.rules();
        let check = |kind: &str, verbs: &[&str], group: &str, resource: &str, name: &str| {
            for verb in verbs {
                let is_allowed = may(&rules, kind, verb, group, resource, name);
                assert!(is_allowed, "{}: it may not {verb} {resource} {name}", operator.folder);
            }
        };
        let read: &[&str] = &["get", "list", "watch"];
        for kind in KINDS {
            let plural = format!("{kind}deviceplugins");
            check("ClusterRole", &["get", "list", "watch", "patch"], "deviceplugin.intel.com", &plural, "x");
            check("ClusterRole", &["patch"], "deviceplugin.intel.com", &format!("{plural}/status"), "x");
            check("ClusterRole", &["update"], "deviceplugin.intel.com", &format!("{plural}/finalizers"), "x");
        }
        for resource in ["acceleratorfunctions", "fpgaregions"] {
            check("ClusterRole", read, "fpga.intel.com", resource, "x");
        }
        check("ClusterRole", &["list", "watch"], "", "nodes", "x");
        check("ClusterRole", &["create", "patch"], "events.k8s.io", "events", "");
        check("ClusterRole", &["create"], "authentication.k8s.io", "tokenreviews", "");
        check("ClusterRole", &["create"], "authorization.k8s.io", "subjectaccessreviews", "");
        check("Role", &["get", "list", "watch", "create", "patch"], "apps", "daemonsets", "x");
        check("Role", read, "", "pods", "x");
        check("Role", read, "", "configmaps", "x");
        check("Role", &["create"], "coordination.k8s.io", "leases", "");
        check("Role", &["get", "update"], "coordination.k8s.io", "leases", "d1c7b6d5.intel.com");
        if operator.flag("-webhook-service").is_none() {
            continue;
        }
        check("Role", &["create"], "", "secrets", "");
        check("Role", &["get", "list", "watch", "update"], "", "secrets", "webhook-certificates");
        for one in ["mutating", "validating"] {
            let (resource, name) = (
                format!("{one}webhookconfigurations"),
                format!("intel-deviceplugins-{one}-webhook-configuration"),
            );
            let group = "admissionregistration.k8s.io";
            check("ClusterRole", &["get", "list", "watch", "patch"], group, &resource, &name);
        }
    }
}

#[test]
fn the_operator_may_do_no_more() {
    for operator in operators() {
        let folder = &operator.folder;
        let rules = operator.rules();
        for (kind, rule) in &rules {
            for key in ["apiGroups", "resources", "verbs", "resourceNames"] {
                assert!(!list(&rule[key]).contains(&json!("*")), "{folder}: {rule}");
            }
            for verb in ["delete", "deletecollection", "bind", "escalate", "impersonate"] {
                assert!(!list(&rule["verbs"]).contains(&json!(verb)), "{folder}: {rule}");
            }
            // In all namespaces nothing that pods are made of.
            let of_cluster = [
                "deviceplugin.intel.com",
                "fpga.intel.com",
                "events.k8s.io",
                "authentication.k8s.io",
                "authorization.k8s.io",
                "admissionregistration.k8s.io",
            ];
            let groups = list(&rule["apiGroups"]);
            let looks_at_nodes =
                **rule == json!({"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "watch"]});
            assert!(
                *kind == "Role"
                    || looks_at_nodes
                    || groups.iter().all(|group| of_cluster.contains(&text(group))),
                "{folder}: {rule}"
            );
        }
        assert!(!may(&rules, "Role", "get", "", "secrets", "other"), "{folder}");
        assert!(!may(&rules, "Role", "update", "coordination.k8s.io", "leases", "other"), "{folder}");
        let group = "admissionregistration.k8s.io";
        assert!(
            !may(&rules, "ClusterRole", "patch", group, "validatingwebhookconfigurations", "other"),
            "{folder}"
        );
    }
}

#[test]
fn plugins_have_accounts_without_rights_but_the_one_that_may_read_nodes() {
    for operator in operators() {
        let folder = &operator.folder;
        let account = &operator.pod()["serviceAccountName"];
        assert_eq!(account, "intel-deviceplugins-controller-manager", "{folder}");
        assert_eq!(operator.pod()["automountServiceAccountToken"], json!(true), "{folder}");
        for one in operator.of_kind("ServiceAccount") {
            assert_eq!(one["automountServiceAccountToken"], json!(false), "{folder}");
        }
        let bindings = operator.of_kind("RoleBinding").chain(operator.of_kind("ClusterRoleBinding"));
        let mut of_plugins = Vec::new();
        for binding in bindings.filter(|binding| binding["subjects"][0]["name"] != *account) {
            for subject in list(&binding["subjects"]) {
                let role = text(&binding["roleRef"]["name"]);
                assert_eq!(subject["namespace"], "inteldeviceplugins-system", "{folder}");
                of_plugins.push((text(&subject["name"]), role));
            }
        }
        let (plugin, node_getter) = ("intel-deviceplugins-plugin", "intel-deviceplugins-node-getter");
        let mut expected = vec![(plugin, node_getter)];
        if folder.ends_with("ocp") {
            // Pods that mount folders of the node are not admitted otherwise.
            let scc = "system:openshift:scc:privileged";
            expected.splice(..0, [("default", scc), (plugin, scc)]);
        }
        assert_eq!(of_plugins, expected, "{folder}");
        let rules = json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]);
        assert_eq!(operator.named("ClusterRole", &json!(node_getter))["rules"], rules, "{folder}");
    }
}

#[test]
fn certificates_of_others_reach_the_program_and_both_registrations() {
    for (folder, annotation, value) in [
        (
            "default-with-certmanager",
            "cert-manager.io/inject-ca-from",
            "inteldeviceplugins-system/intel-deviceplugins-serving-cert",
        ),
        ("ocp", "service.beta.openshift.io/inject-cabundle", "true"),
    ] {
        let folder = format!("operator/overlays/{folder}");
        let operator = operators().into_iter().find(|operator| operator.folder == folder).unwrap();
        for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
            assert_eq!(operator.only(kind)["metadata"]["annotations"][annotation], value, "{folder}");
        }
        let [volume] = list(&operator.pod()["volumes"]) else { panic!("{folder}: one volume") };
        assert_eq!(volume["secret"]["secretName"], "webhook-server-cert", "{folder}");
        let mount = json!([{"name": volume["name"], "mountPath": "/tmp/k8s-webhook-server/serving-certs", "readOnly": true}]);
        assert_eq!(operator.container()["volumeMounts"], mount, "{folder}");
        if let Some(certificate) = operator.of_kind("Certificate").next() {
            let host = "intel-deviceplugins-webhook-service.inteldeviceplugins-system.svc";
            assert_eq!(certificate["spec"]["dnsNames"], json!([host, format!("{host}.cluster.local")]));
            assert_eq!(certificate["spec"]["issuerRef"]["name"], operator.only("Issuer")["metadata"]["name"]);
            assert_eq!(certificate["spec"]["secretName"], "webhook-server-cert");
        } else {
            let service = operator.named("Service", &json!("intel-deviceplugins-webhook-service"));
            let annotation = "service.beta.openshift.io/serving-cert-secret-name";
            assert_eq!(service["metadata"]["annotations"][annotation], "webhook-server-cert");
        }
    }
}
