//! The manifests of the admission webhooks, alone and together with a plugin.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Deref;

use serde_json::{Value, json};
use simulator::golden;

use crate::folder::Folder;
use crate::{containers, tell};
use kustomize::{list, text};

/// The objects of a folder that holds a whole webhook: its program, and its registration at the API server.
pub(crate) struct Webhook(Folder);

impl Deref for Webhook {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.0
    }
}

impl Webhook {
    /// Those that are nothing else.
    fn all() -> Vec<Self> {
        Self::found(|folder| !folder.starts_with("operator"))
    }

    pub(crate) fn found(is_meant: impl Fn(&str) -> bool) -> Vec<Self> {
        let kinds = ["Deployment", "MutatingWebhookConfiguration"];
        let found = Folder::all(|folder| {
            is_meant(&folder.folder) && kinds.iter().all(|kind| folder.of_kind(kind).next().is_some())
        });
        assert!(!found.is_empty());
        found.into_iter().map(Self).collect()
    }

    pub(crate) fn named(&self, kind: &str, name: &Value) -> &Value {
        let mut found = self.of_kind(kind).filter(|object| object["metadata"]["name"] == *name);
        found.next().unwrap_or_else(|| panic!("{}: no {kind} {name}", self.folder))
    }

    pub(crate) fn pod(&self) -> &Value {
        &self.only("Deployment")["spec"]["template"]["spec"]
    }

    pub(crate) fn container(&self) -> &Value {
        let [container] = list(&self.pod()["containers"]) else { panic!("{}: one container", self.folder) };
        container
    }

    /// The value of a flag that is an argument after it.
    pub(crate) fn flag(&self, name: &str) -> Option<&Value> {
        let args = list(&self.container()["args"]);
        args.iter().position(|arg| arg == name).map(|at| &args[at + 1])
    }

    pub(crate) fn namespace(&self) -> &Value {
        &self.only("Deployment")["metadata"]["namespace"]
    }

    /// All bindings of its account.
    pub(crate) fn bindings(&self) -> impl Iterator<Item = &Value> {
        let account = json!([{
            "kind": "ServiceAccount",
            "name": self.pod()["serviceAccountName"],
            "namespace": self.namespace(),
        }]);
        self.objects.iter().filter(move |object| object["subjects"] == account)
    }

    /// The rules that all its bindings give it, each with the kind of its role.
    pub(crate) fn rules(&self) -> Vec<(&str, &Value)> {
        let mut rules = Vec::new();
        for binding in self.bindings() {
            let kind = text(&binding["roleRef"]["kind"]);
            let role = self.named(kind, &binding["roleRef"]["name"]);
            assert_eq!(binding["roleRef"]["apiGroup"], "rbac.authorization.k8s.io", "{}", self.folder);
            assert_eq!(text(&binding["kind"]), format!("{kind}Binding"), "{}", self.folder);
            assert_eq!(binding["metadata"]["namespace"], role["metadata"]["namespace"], "{}", self.folder);
            rules.extend(list(&role["rules"]).iter().map(|rule| (kind, rule)));
        }
        rules
    }
}

#[test]
fn pods_of_webhooks_and_operator_hold_to_the_restricted_level() {
    for webhook in Webhook::found(|_| true) {
        let (folder, pod) = (&webhook.folder, webhook.pod());
        for shared in ["hostNetwork", "hostPID", "hostIPC", "initContainers", "securityContext"] {
            assert!(pod[shared].is_null(), "{folder}: {shared}");
        }
        for volume in list(&pod["volumes"]) {
            assert!(volume["secret"].is_object(), "{folder}: {volume}");
        }
        let security = json!({
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "readOnlyRootFilesystem": true,
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "seccompProfile": { "type": "RuntimeDefault" },
        });
        assert_eq!(webhook.container()["securityContext"], security, "{folder}");
        let own_namespace = webhook
            .find("Namespace")
            .filter(|_| !folder.starts_with("fpga_plugin") && !folder.starts_with("operator"));
        if let Some(namespace) = own_namespace {
            assert_eq!(
                namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted",
                "{folder}"
            );
        }
    }
}

#[test]
fn webhooks_have_accounts_of_their_own_and_a_token_only_for_what_they_may_do() {
    for webhook in Webhook::all() {
        let (folder, pod) = (&webhook.folder, webhook.pod());
        let account = webhook.named("ServiceAccount", &pod["serviceAccountName"]);
        assert_eq!(account["metadata"]["namespace"], *webhook.namespace(), "{folder}");
        assert_eq!(account["automountServiceAccountToken"], json!(false), "{folder}");
        let may_do_something = !webhook.rules().is_empty();
        assert_eq!(pod["automountServiceAccountToken"], json!(may_do_something), "{folder}");
    }
}

#[test]
fn webhooks_may_do_only_what_they_need() {
    for webhook in Webhook::all() {
        let folder = &webhook.folder;
        // All roles are bound, and to accounts that are there; FPGA's plugin has that of its namespace.
        for role in webhook.of_kind("Role").chain(webhook.of_kind("ClusterRole")) {
            let name = &role["metadata"]["name"];
            assert!(webhook.objects.iter().any(|it| it["roleRef"]["name"] == *name), "{folder}: {name}");
        }
        for binding in webhook.of_kind("RoleBinding").chain(webhook.of_kind("ClusterRoleBinding")) {
            let of_plugin = binding["subjects"][0]["name"] == "default"
                && text(&binding["metadata"]["name"]).ends_with("get-nodes");
            let name = &binding["metadata"]["name"];
            assert!(
                of_plugin || webhook.bindings().any(|it| it["metadata"]["name"] == *name),
                "{folder}: {name}"
            );
        }
        for (kind, rule) in webhook.rules() {
            for key in ["apiGroups", "resources", "verbs", "resourceNames"] {
                assert!(!list(&rule[key]).contains(&json!("*")), "{folder}: {rule}");
            }
            assert!(rule["nonResourceURLs"].is_null(), "{folder}: {rule}");
            // What does not exist yet has no name.
            let reads = json!(["get", "list", "watch"]);
            let is_limited = !list(&rule["resourceNames"]).is_empty();
            let is_free =
                rule["verbs"] == json!(["create"]) || rule["apiGroups"] == json!(["fpga.intel.com"]);
            assert!(is_limited || is_free, "{folder}: {rule} is for all names");
            match (text(&rule["apiGroups"][0]), text(&rule["resources"][0])) {
                ("", "secrets") => assert_eq!(kind, "Role", "{folder}: {rule}"),
                ("admissionregistration.k8s.io", "mutatingwebhookconfigurations") => {
                    assert_eq!(rule["verbs"], json!(["get", "list", "watch", "patch"]), "{folder}");
                }
                ("fpga.intel.com", _) => assert_eq!(rule["verbs"], reads, "{folder}"),
                _ => panic!("{folder}: {rule} is for nothing that a webhook needs"),
            }
        }
    }
}

#[test]
fn names_in_flags_and_rights_are_those_of_the_objects() {
    for webhook in Webhook::all() {
        let folder = &webhook.folder;
        let service = webhook.only("Service");
        let registration = webhook.only("MutatingWebhookConfiguration");
        for hook in list(&registration["webhooks"]) {
            let called = &hook["clientConfig"]["service"];
            assert_eq!(called["name"], service["metadata"]["name"], "{folder}");
            assert_eq!(called["namespace"], service["metadata"]["namespace"], "{folder}");
            assert_eq!(
                called["port"].as_u64().unwrap_or(443),
                service["spec"]["ports"][0]["port"],
                "{folder}"
            );
        }
        let labels = &webhook.only("Deployment")["spec"]["template"]["metadata"]["labels"];
        assert_eq!(service["spec"]["selector"], *labels, "{folder}");
        let ports = list(&webhook.container()["ports"]);
        let target = &service["spec"]["ports"][0]["targetPort"];
        assert!(ports.iter().any(|port| port["containerPort"] == *target), "{folder}");

        let makes_certificates = webhook.find("Certificate").is_none();
        let flag = |name| webhook.flag(name).filter(|_| makes_certificates);
        assert_eq!(webhook.flag("-webhook-service").is_some(), makes_certificates, "{folder}");
        if let Some(named) = flag("-webhook-service") {
            assert_eq!(*named, service["metadata"]["name"], "{folder}");
        }
        assert_eq!(webhook.flag("-mutating-webhook-configuration").is_some(), makes_certificates, "{folder}");
        let rules = webhook.rules();
        let named_in = |resource: &str| {
            let mut rules = rules.iter().filter(|(_, rule)| rule["resources"] == json!([resource]));
            rules.find(|(_, rule)| rule["resourceNames"].is_array()).map(|(_, rule)| &rule["resourceNames"])
        };
        let registrations = named_in("mutatingwebhookconfigurations");
        let secrets = named_in("secrets");
        if let Some(named) = flag("-mutating-webhook-configuration") {
            assert_eq!(*named, registration["metadata"]["name"], "{folder}");
            assert_eq!(registrations, Some(&json!([named])), "{folder}");
            // The Secret that the program uses if no flag says another.
            assert_eq!(secrets, Some(&json!(["webhook-certificates"])), "{folder}");
        } else {
            assert_eq!((registrations, secrets), (None, None), "{folder}");
        }
    }
}

#[test]
fn certificates_of_cert_manager_are_for_the_service_and_reach_program_and_registration() {
    let mut tried = 0;
    for webhook in Webhook::all() {
        let Some(certificate) = webhook.find("Certificate") else { continue };
        tried += 1;
        let folder = &webhook.folder;
        let service = &webhook.only("Service")["metadata"];
        let host = format!("{}.{}.svc", text(&service["name"]), text(&service["namespace"]));
        let hosts = json!([host, format!("{host}.cluster.local")]);
        assert_eq!(certificate["spec"]["dnsNames"], hosts, "{folder}");
        let issuer = webhook.only("Issuer");
        assert_eq!(certificate["spec"]["issuerRef"]["name"], issuer["metadata"]["name"], "{folder}");
        let [volume] = list(&webhook.pod()["volumes"]) else { panic!("{folder}: one volume") };
        assert_eq!(volume["secret"]["secretName"], certificate["spec"]["secretName"], "{folder}");
        let mount = json!([{
            "name": volume["name"],
            "mountPath": "/tmp/k8s-webhook-server/serving-certs",
            "readOnly": true,
        }]);
        assert_eq!(webhook.container()["volumeMounts"], mount, "{folder}");
        let metadata = &certificate["metadata"];
        assert_eq!(
            webhook.only("MutatingWebhookConfiguration")["metadata"]["annotations"]["cert-manager.io/inject-ca-from"],
            format!("{}/{}", text(&metadata["namespace"]), text(&metadata["name"])),
            "{folder}"
        );
    }
    assert_eq!(tried, 2);
}

#[test]
fn one_replica_of_a_webhook_or_operator_is_always_there() {
    for webhook in Webhook::found(|_| true) {
        let folder = &webhook.folder;
        let spec = &webhook.only("Deployment")["spec"];
        assert!(spec["replicas"].as_u64().unwrap() >= 2, "{folder}");
        assert_eq!(spec["strategy"]["rollingUpdate"]["maxUnavailable"], json!(0), "{folder}");
        let labels = &spec["template"]["metadata"]["labels"];
        assert_eq!(spec["selector"]["matchLabels"], *labels, "{folder}");
        let budget = &webhook.only("PodDisruptionBudget")["spec"];
        assert_eq!(budget["selector"]["matchLabels"], *labels, "{folder}");
        assert_eq!(budget["maxUnavailable"], json!(1), "{folder}");
        let pod = webhook.pod();
        let [spread] = list(&pod["topologySpreadConstraints"]) else { panic!("{folder}: one spread") };
        assert_eq!(spread["labelSelector"]["matchLabels"], *labels, "{folder}");
        assert_eq!(spread["whenUnsatisfiable"], "ScheduleAnyway", "{folder}");
        assert_eq!(pod["priorityClassName"], "system-cluster-critical", "{folder}");
        assert_eq!(
            pod["nodeSelector"],
            json!({"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}),
            "{folder}"
        );
        let container = webhook.container();
        let seconds = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
        assert!(seconds < pod["terminationGracePeriodSeconds"].as_u64().unwrap(), "{folder}");
        for (probe, path) in [("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")] {
            let asks = &container[probe]["httpGet"];
            assert_eq!(asks["path"], path, "{folder}");
            let port = list(&container["ports"]).iter().find(|port| port["name"] == asks["port"]);
            assert_eq!(port.unwrap()["containerPort"], json!(8081), "{folder}");
        }
        for kind in ["requests", "limits"] {
            for resource in ["cpu", "memory"] {
                assert!(container["resources"][kind][resource].is_string(), "{folder}: {kind} of {resource}");
            }
        }
    }
}

#[test]
fn all_of_a_webhook_is_in_one_namespace_which_is_made_with_it() {
    for webhook in Webhook::all() {
        let folder = &webhook.folder;
        // A base is for other kustomizations.
        if folder.ends_with("_admissionwebhook/base") {
            assert!(webhook.find("Namespace").is_none(), "{folder}");
            continue;
        }
        let name = &webhook.only("Namespace")["metadata"]["name"];
        // SGX's plugin is put where the admin says.
        let others = webhook.objects.iter().filter(|object| object["metadata"]["name"] != "intel-sgx-plugin");
        let namespaces: BTreeSet<&str> =
            others.filter_map(|object| object["metadata"]["namespace"].as_str()).collect();
        assert_eq!(namespaces, BTreeSet::from([text(name)]), "{folder}");
    }
}

#[test]
fn each_webhook_is_what_the_golden_file_says() {
    let mut all: Vec<(String, String)> = Vec::new();
    for webhook in Webhook::all() {
        let told = told_of(&webhook);
        match all.iter_mut().find(|(_, other)| *other == told) {
            Some((folders, _)) => *folders += &format!(", {}", webhook.folder),
            None => all.push((webhook.folder.clone(), told)),
        }
    }
    let told: Vec<String> = all.iter().map(|(folders, told)| format!("# {folders}\n{told}\n")).collect();
    golden("tests/golden/webhook-manifests.txt", &told.concat());
}

fn told_of(webhook: &Webhook) -> String {
    let mut names: Vec<String> = webhook
        .objects
        .iter()
        .filter(|object| object["kind"] != "DaemonSet")
        .map(|object| format!("  {} {}", text(&object["kind"]), text(&object["metadata"]["name"])))
        .collect();
    names.sort();
    let mut told = format!("in {}\n{}\n", text(webhook.namespace()), names.join("\n"));
    for (container, first) in containers(webhook.pod()) {
        tell(&mut told, webhook.pod(), container, first);
    }
    for (kind, rule) in webhook.rules() {
        let names =
            if rule["resourceNames"].is_null() { String::new() } else { rule["resourceNames"].to_string() };
        let (verbs, groups, resources) = (&rule["verbs"], &rule["apiGroups"], &rule["resources"]);
        writeln!(told, "  {kind}: {verbs} {groups} {resources} {names}").unwrap();
    }
    let registration = webhook.only("MutatingWebhookConfiguration");
    for hook in list(&registration["webhooks"]) {
        writeln!(told, "  webhook {}", text(&hook["name"])).unwrap();
        for (key, value) in hook.as_object().unwrap().iter().filter(|(key, _)| *key != "name") {
            writeln!(told, "    {key}: {value}").unwrap();
        }
    }
    told
}
