//! What the pods of all manifests hold, whatever they run. Exceptions are in tables, each with its reason; one that is no longer
//! needed fails.

use std::collections::BTreeSet;

use kustomize::{list, text};
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::{containers, levelzero};

const WRITES_TO_DEVICES: &str = "it writes to the kernel's attributes of devices before the plugin starts";

/// Containers that are privileged.
const PRIVILEGED: [(&str, &str); 5] = [
    ("intel-dlb-initcontainer", WRITES_TO_DEVICES),
    ("intel-iaa-initcontainer", WRITES_TO_DEVICES),
    ("intel-idxd-config-initcontainer", WRITES_TO_DEVICES),
    ("intel-qat-initcontainer", WRITES_TO_DEVICES),
    (
        "intel-gpu-levelzero",
        "in the plugin's pod it cannot wait for the plugin's resource, by which it would get device nodes",
    ),
];

/// Pods with a token, by their first container.
const TOKENS: [(&str, &str); 4] = [
    ("intel-fpga-plugin", "an annotation of its node may change its mode"),
    ("intel-gpu-labels", "it labels its node"),
    ("sgx-node-init", "it tells the node's enclave memory"),
    ("manager", "operator and webhooks, for what they may do at the API server"),
];

/// Pods without a priority class, by their first container.
const NO_PRIORITY: [(&str, &str); 1] = [(
    levelzero::NAME,
    "it would evict the pod that has the node's monitoring device, such as XPU Manager's",
)];

/// Containers without probes.
const NO_PROBES: [(&str, &str); 3] = [
    (
        "intel-gpu-levelzero",
        "the plugin asks it all the time, says so in its metrics, and ends its calls when they hang",
    ),
    ("intel-gpu-labels", "it tries again what failed, says so in its log, and serves no pages"),
    ("sgx-node-init", "it tries again what failed, says so in its log, and serves no pages"),
];

/// A pod that an object makes.
struct Template {
    /// For failures.
    what: String,
    kind: String,
    pod: Value,
}

impl Template {
    /// Of all objects of all folders.
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for folder in Folder::all(|_| true) {
            for object in &folder.objects {
                let pod = &object["spec"]["template"]["spec"];
                if pod["containers"].is_array() {
                    let what = format!("{}: {}", folder.folder, text(&object["metadata"]["name"]));
                    all.push(Self { what, kind: text(&object["kind"]).to_owned(), pod: pod.clone() });
                }
            }
        }
        assert!(!all.is_empty());
        all
    }

    fn first(&self) -> &str {
        text(&self.pod["containers"][0]["name"])
    }
}

/// The entries of a table that are looked for, to find those that are for nothing.
struct Table {
    entries: &'static [(&'static str, &'static str)],
    used: BTreeSet<&'static str>,
}

impl Table {
    fn new(entries: &'static [(&'static str, &'static str)]) -> Self {
        Self { entries, used: BTreeSet::new() }
    }

    fn has(&mut self, name: &str) -> bool {
        let entry = self.entries.iter().find(|(entry, _)| *entry == name);
        self.used.extend(entry.map(|(name, _)| *name));
        entry.is_some()
    }

    fn is_needed(&self) {
        for (name, reason) in self.entries {
            assert!(self.used.contains(name), "{name} is no exception any more: {reason}");
        }
    }
}

#[test]
fn containers_have_no_more_rights_than_they_need() {
    let mut privileged = Table::new(&PRIVILEGED);
    for template in Template::all() {
        for shared in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(template.pod[shared].is_null(), "{}: {shared}", template.what);
        }
        for (container, _) in containers(&template.pod) {
            let what = format!("{} {}", template.what, container["name"]);
            let security = &container["securityContext"];
            assert_eq!(security["readOnlyRootFilesystem"], json!(true), "{what}");
            assert!(security["capabilities"]["add"].is_null(), "{what}");
            if security["privileged"] == json!(true) {
                assert!(
                    privileged.has(text(&container["name"])),
                    "{what} is privileged, and PRIVILEGED has no reason"
                );
                continue;
            }
            assert_eq!(security["allowPrivilegeEscalation"], json!(false), "{what}");
            assert_eq!(security["capabilities"]["drop"], json!(["ALL"]), "{what}");
            assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{what}");
        }
    }
    privileged.is_needed();
}

#[test]
fn pods_have_a_token_only_where_there_is_a_reason() {
    let mut tokens = Table::new(&TOKENS);
    for template in Template::all() {
        match template.pod["automountServiceAccountToken"].as_bool() {
            Some(true) => assert!(tokens.has(template.first()), "{}: TOKENS has no reason", template.what),
            Some(false) => {}
            None => panic!("{}: automountServiceAccountToken is left to the account", template.what),
        }
    }
    tokens.is_needed();
}

#[test]
fn what_devices_depend_on_is_not_evicted() {
    let mut without = Table::new(&NO_PRIORITY);
    for template in Template::all() {
        let class = match template.kind.as_str() {
            "DaemonSet" if without.has(template.first()) => Value::Null,
            "DaemonSet" => json!("system-node-critical"),
            "Deployment" => json!("system-cluster-critical"),
            kind => panic!("{}: nobody has said how critical a {kind} is", template.what),
        };
        assert_eq!(template.pod["priorityClassName"], class, "{}", template.what);
    }
    without.is_needed();
}

#[test]
fn containers_say_what_they_need_and_take_at_most() {
    for template in Template::all() {
        for (container, _) in containers(&template.pod) {
            for kind in ["requests", "limits"] {
                for resource in ["cpu", "memory"] {
                    let amount = &container["resources"][kind][resource];
                    assert!(
                        amount.is_string(),
                        "{} {}: {kind} of {resource}",
                        template.what,
                        container["name"]
                    );
                }
            }
        }
    }
}

#[test]
fn containers_that_stay_are_looked_at_by_the_kubelet() {
    let mut without = Table::new(&NO_PROBES);
    for template in Template::all() {
        for (container, _) in containers(&template.pod).filter(|(_, is_first)| !is_first) {
            let name = text(&container["name"]);
            let what = format!("{} {name}", template.what);
            if without.has(name) {
                assert!(
                    container["livenessProbe"].is_null() && container["readinessProbe"].is_null(),
                    "{what}"
                );
                continue;
            }
            for (probe, path) in [("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")] {
                let asks = &container[probe]["httpGet"];
                assert_eq!(asks["path"], path, "{what}");
                let port = list(&container["ports"]).iter().find(|port| port["name"] == asks["port"]);
                assert!(port.is_some(), "{what}: {probe} asks at {}, which is no port", asks["port"]);
            }
            // The operator's and the webhooks' pages are there by default.
            if name != "manager" {
                let words: Vec<&str> = [&container["command"], &container["args"]]
                    .into_iter()
                    .flat_map(list)
                    .map(text)
                    .collect();
                assert!(
                    words.contains(&"-metrics-address=:9090"),
                    "{what}: nothing answers the probes: {words:?}"
                );
                let port = json!([{"name": "metrics", "containerPort": 9090}]);
                assert_eq!(container["ports"], port, "{what}");
            }
        }
    }
    without.is_needed();
}

#[test]
fn the_page_of_manifests_has_the_amounts_beside_what_was_measured() {
    let page = include_str!("../../../docs/kustomize.md");
    let amounts = |amounts: &Value| format!("{} {}", text(&amounts["cpu"]), text(&amounts["memory"]));
    for template in Template::all() {
        for (container, _) in containers(&template.pod) {
            let name = format!("`{}`", text(&container["name"]));
            let [requests, limits] =
                ["requests", "limits"].map(|kind| amounts(&container["resources"][kind]));
            let end = format!("| {requests} | {limits} |");
            let is_told = page.lines().any(|line| line.contains(&name) && line.ends_with(&end));
            assert!(is_told, "{}: docs/kustomize.md has no row of {name} with {end}", template.what);
        }
    }
}
