//! Who is scraped. What alerts and dashboard ask for is compared with the code by `cargo xtask invariants`.

use std::collections::BTreeSet;

use kustomize::{deployments, list, text};
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::webhooks::Webhook;
use crate::{daemon_sets, operator, runs_plugin};

/// Below `deployments`.
const FOLDER: &str = "monitoring";

fn monitoring() -> Folder {
    Folder { folder: FOLDER.to_owned(), objects: kustomize::render(&deployments().join(FOLDER)) }
}

fn named<'a>(folder: &'a Folder, kind: &str, name: &str) -> &'a Value {
    let mut found = folder.of_kind(kind).filter(|object| object["metadata"]["name"] == name);
    found.next().unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// Whether a selector takes an object with these labels.
fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector["matchLabels"].as_object();
    let is_in = |expression: &Value| {
        assert_eq!(expression["operator"], "In");
        list(&expression["values"]).contains(&labels[text(&expression["key"])])
    };
    wanted.into_iter().flatten().all(|(key, value)| labels[key] == *value)
        && list(&selector["matchExpressions"]).iter().all(is_in)
}

/// Whether the only endpoint of a monitor is a port of the container.
fn has_port(monitor: &Value, container: &Value) -> bool {
    let [endpoint] = list(&monitor["spec"]["podMetricsEndpoints"]) else { panic!("one endpoint") };
    list(&container["ports"]).iter().any(|port| port["name"] == endpoint["port"])
}

#[test]
fn plugins_are_scraped_whoever_made_them_and_nothing_else_is() {
    let monitoring = monitoring();
    let monitor = named(&monitoring, "PodMonitor", "intel-device-plugins");
    assert_eq!(monitor["spec"]["namespaceSelector"], json!({"any": true}));
    let selector = &monitor["spec"]["selector"];
    let mut apps = BTreeSet::new();
    for (folder, set) in daemon_sets().into_iter().chain(operator::daemon_sets()) {
        let template = &set["spec"]["template"];
        let labels = &template["metadata"]["labels"];
        let is_plugin = !folder.starts_with("gpu_labels") && runs_plugin(&set);
        assert_eq!(selects(selector, labels), is_plugin, "{folder}: {labels}");
        if !is_plugin {
            continue;
        }
        apps.insert(text(&labels["app"]).to_owned());
        let container = &template["spec"]["containers"][0];
        let mut words = list(&container["command"]).iter().chain(list(&container["args"]));
        let serves = words.any(|word| text(word).starts_with("-metrics-address"));
        assert_eq!(has_port(monitor, container), serves, "{folder}");
    }
    let selected: BTreeSet<String> =
        list(&selector["matchExpressions"][0]["values"]).iter().map(|app| text(app).to_owned()).collect();
    assert_eq!(selected, apps, "each is an app");
}

#[test]
fn webhooks_are_scraped_in_their_namespaces() {
    let monitoring = monitoring();
    let monitor = named(&monitoring, "PodMonitor", "intel-device-plugins-webhooks");
    let mut namespaces = BTreeSet::new();
    for webhook in Webhook::found(|folder| !folder.starts_with("operator")) {
        let folder = &webhook.folder;
        let template = &webhook.only("Deployment")["spec"]["template"];
        assert!(selects(&monitor["spec"]["selector"], &template["metadata"]["labels"]), "{folder}");
        assert!(has_port(monitor, webhook.container()), "{folder}");
        namespaces.insert(text(webhook.namespace()).to_owned());
    }
    // What others are made of.
    namespaces.remove("system");
    let scraped = list(&monitor["spec"]["namespaceSelector"]["matchNames"]).iter();
    assert_eq!(scraped.map(|name| text(name).to_owned()).collect::<BTreeSet<_>>(), namespaces);
}

#[test]
fn the_operator_is_scraped_by_an_account_that_may_read_its_page() {
    let monitoring = monitoring();
    let monitor = named(&monitoring, "ServiceMonitor", "intel-device-plugins-operator");
    let [endpoint] = list(&monitor["spec"]["endpoints"]) else { panic!("one endpoint") };
    assert_eq!(endpoint["scheme"], "https");
    for operator in operator::operators() {
        let folder = &operator.folder;
        assert_eq!(monitor["metadata"]["namespace"], *operator.namespace(), "{folder}");
        let mut services = operator
            .of_kind("Service")
            .filter(|service| selects(&monitor["spec"]["selector"], &service["metadata"]["labels"]));
        let ports = list(&services.next().unwrap()["spec"]["ports"]);
        assert!(services.next().is_none(), "{folder}: one Service");
        assert!(ports.iter().any(|port| port["name"] == endpoint["port"]), "{folder}");

        let binding = monitoring.only("ClusterRoleBinding");
        let role = operator.named("ClusterRole", &binding["roleRef"]["name"]);
        assert_eq!(role["rules"], json!([{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]), "{folder}");
    }
    let (account, token) = (monitoring.only("ServiceAccount"), monitoring.only("Secret"));
    let metadata = &account["metadata"];
    let subject =
        json!({"kind": "ServiceAccount", "name": metadata["name"], "namespace": metadata["namespace"]});
    assert_eq!(monitoring.only("ClusterRoleBinding")["subjects"], json!([subject]));
    assert_eq!(token["type"], "kubernetes.io/service-account-token");
    assert_eq!(token["metadata"]["namespace"], metadata["namespace"]);
    let of = &token["metadata"]["annotations"]["kubernetes.io/service-account.name"];
    assert_eq!(*of, metadata["name"]);
    let credentials = json!({"name": token["metadata"]["name"], "key": "token"});
    assert_eq!(endpoint["authorization"]["credentials"], credentials);
}

#[test]
fn grafana_finds_the_dashboard() {
    let monitoring = monitoring();
    let map = monitoring.only("ConfigMap");
    assert_eq!(map["metadata"]["labels"], json!({"grafana_dashboard": "1"}));
    let dashboard: Value = serde_json::from_str(text(&map["data"]["intel-device-plugins.json"])).unwrap();
    assert_eq!(dashboard["uid"], "intel-device-plugins");
}
