//! What charts have in common with `deployments`, and with each other.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use charts::{FAMILIES, OPERATOR, UMBRELLA, of_family, read, repository, yaml};
use simulator::golden;

/// Folders of `deployments` with definitions of custom resources.
const DEFINITIONS: [&str; 2] = ["operator/crd/bases", "fpga_admissionwebhook/crd/bases"];
/// Roles of `deployments/operator`, and the part of their name that is not that of the file.
const ROLES: [&str; 8] = [
    "rbac/cluster_role",
    "rbac/role",
    "rbac/leader_election_role",
    "rbac/metrics_auth_role",
    "rbac/metrics_reader_role",
    "rbac/node_getter_role",
    "certificates/role",
    "certificates/cluster_role",
];
/// Files of `deployments/monitoring`: all but that of webhooks without an operator.
const MONITORING: [&str; 7] = [
    "account.yaml",
    "binding.yaml",
    "dashboard.json",
    "operator.yaml",
    "plugins.yaml",
    "rules.yaml",
    "token.yaml",
];
const RULES: &str = "deployments/nfd/overlays/node-feature-rules";

/// The names of the files of a folder.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = repository(folder).read_dir().unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn definitions_of_custom_resources_are_those_of_the_manifests() {
    // Those of the release, which are upgraded; and those before the release, without which no object of it could be made.
    for folder in [format!("charts/{OPERATOR}/definitions"), format!("charts/{UMBRELLA}/crds")] {
        let mut all = BTreeSet::new();
        for source in DEFINITIONS {
            let source = format!("deployments/{source}");
            for name in names(&source) {
                golden(repository(&format!("{folder}/{name}")), &read(&format!("{source}/{name}")));
                all.insert(name);
            }
        }
        assert_eq!(names(&folder), all, "{folder}: nothing else");
    }
}

#[test]
fn the_operators_rights_are_those_of_the_manifests() {
    let folder = format!("charts/{OPERATOR}/rules");
    let mut all = BTreeSet::new();
    for role in ROLES {
        let text = read(&format!("deployments/operator/{role}.yaml"));
        let (_, rules) = text.split_once("\nrules:\n").unwrap();
        let rules: Vec<&str> = rules.lines().map(|line| line.strip_prefix("  ").unwrap()).collect();
        let name = format!("{}.yaml", role.trim_start_matches("rbac/").replace('/', "_"));
        golden(repository(&format!("{folder}/{name}")), &(rules.join("\n") + "\n"));
        all.insert(name);
    }
    assert_eq!(names(&folder), all, "{folder}: nothing else");
    let roles = ["rbac", "certificates"].map(|folder| {
        let names = names(&format!("deployments/operator/{folder}"));
        names.iter().filter(|name| name.ends_with("role.yaml")).count()
    });
    assert_eq!(roles.iter().sum::<usize>(), ROLES.len(), "a role that no chart has");
}

/// The rules of a file of `deployments/nfd` as texts, with the comments above each.
fn rules(text: &str) -> Vec<String> {
    let (_, text) = text.split_once("  rules:\n").unwrap();
    let mut rules = Vec::new();
    let mut has_name = true;
    for line in text.lines() {
        let (begins, comment) = (line.starts_with("    - name: "), line.starts_with("    # "));
        if has_name && (begins || comment) {
            rules.push(String::new());
            has_name = false;
        }
        has_name |= begins;
        *rules.last_mut().unwrap() += &format!("{line}\n");
    }
    rules
}

#[test]
fn rules_of_node_feature_discovery_are_those_of_the_manifests() {
    let all = rules(&read(&format!("{RULES}/node-feature-rules.yaml")));
    let mut taken = 0;
    for family in FAMILIES {
        // FPGAs have one for each kind.
        let is_for = |rule: &&String| {
            let after = rule.split(&format!("- name: intel.{family}")).nth(1);
            after.is_some_and(|rest| rest.starts_with(['\n', '-']))
        };
        let found: Vec<&str> = all.iter().filter(is_for).map(String::as_str).collect();
        taken += found.len();
        let text = format!(
            "apiVersion: nfd.k8s-sigs.io/v1alpha1\nkind: NodeFeatureRule\nmetadata:\n  name: intel-dp-{family}-device\n\
             spec:\n  rules:\n{}",
            found.concat()
        );
        golden(repository(&format!("charts/{}/rules/device.yaml", of_family(family))), &text);
    }
    assert_eq!(taken, all.len(), "each rule is of one chart");
    let labels = read(&format!("{RULES}/platform-labeling-rules.yaml"));
    golden(repository(&format!("charts/{}/rules/platform-labeling.yaml", of_family("gpu"))), &labels);
}

#[test]
fn alerts_monitors_and_dashboard_are_those_of_the_manifests() {
    let folder = format!("charts/{OPERATOR}/monitoring");
    for name in MONITORING {
        golden(repository(&format!("{folder}/{name}")), &read(&format!("deployments/monitoring/{name}")));
    }
    assert_eq!(names(&folder), MONITORING.map(str::to_owned).into(), "{folder}: nothing else");
}

#[test]
fn what_the_charts_of_families_share_is_the_same_in_all() {
    let file = |family: &str| format!("charts/{}/templates/_common.tpl", of_family(family));
    for family in FAMILIES {
        golden(repository(&file(family)), &read(&file("gpu")));
    }
}

#[test]
fn all_charts_have_the_version_of_the_images_that_the_operator_takes() {
    let sample = yaml("deployments/operator/samples/deviceplugin_v1_gpudeviceplugin.yaml");
    let (_, version) = sample["spec"]["image"].as_str().unwrap().rsplit_once(':').unwrap();
    for chart in charts::charts() {
        let chart = yaml(&format!("charts/{chart}/Chart.yaml"));
        assert_eq!(chart["version"], version, "{chart}");
        assert_eq!(chart["appVersion"], version, "{chart}");
        for dependency in chart["dependencies"].as_array().into_iter().flatten() {
            assert_eq!(dependency["version"], version, "{dependency}");
        }
    }
}
