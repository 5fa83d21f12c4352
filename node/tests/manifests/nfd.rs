//! The rules by which Node Feature Discovery labels nodes.

use std::collections::BTreeSet;
use std::fs;

use host::{Host, pci};
use serde_json::Value;
use simulator::{Profile, TemporaryNode, golden};

use crate::daemon_sets;
use kustomize::{deployments, list, text};

/// Below `deployments`.
pub(crate) const RULES: &str = "nfd/overlays/node-feature-rules";
/// Folders that need the network.
pub(crate) const FROM_ELSEWHERE: [&str; 2] = ["nfd", "nfd/base"];

/// The rules of all objects.
fn rules() -> Vec<Value> {
    let objects = kustomize::render(&deployments().join(RULES));
    for object in &objects {
        assert_eq!(object["apiVersion"], "nfd.k8s-sigs.io/v1alpha1");
        assert_eq!(object["kind"], "NodeFeatureRule");
    }
    objects.iter().flat_map(|object| list(&object["spec"]["rules"]).to_vec()).collect()
}

/// What an expression of a rule wants: nothing but what this project's rules use.
fn wanted(expression: &Value) -> String {
    match text(&expression["op"]) {
        "In" => list(&expression["value"]).iter().map(text).collect::<Vec<_>>().join(" "),
        op @ ("Exists" | "IsTrue") => op.to_owned(),
        op => panic!("this test does not know {op}"),
    }
}

/// `FEATURE(NAME: WANTED, …)`, all of a list.
fn features(features: &Value) -> String {
    let feature = |feature: &Value| {
        let expressions = feature["matchExpressions"].as_object().unwrap();
        let mut all: Vec<String> =
            expressions.iter().map(|(name, expression)| format!("{name}: {}", wanted(expression))).collect();
        all.sort();
        format!("{}({})", text(&feature["feature"]), all.join(", "))
    };
    list(features).iter().map(feature).collect::<Vec<_>>().join(" and ")
}

#[test]
fn rules_are_what_the_golden_file_says() {
    let mut told = String::new();
    for rule in rules() {
        told += &format!("{}\n  if {}\n", text(&rule["name"]), features(&rule["matchFeatures"]));
        let any: Vec<String> =
            list(&rule["matchAny"]).iter().map(|one| features(&one["matchFeatures"])).collect();
        if !any.is_empty() {
            told += &format!("  and {}\n", any.join(" or "));
        }
        for kind in ["labels", "extendedResources"] {
            for (key, value) in rule[kind].as_object().into_iter().flatten() {
                told += &format!("  {kind} {key}={}\n", text(value));
            }
        }
        for line in rule["labelsTemplate"].as_str().into_iter().flat_map(str::lines) {
            told += &format!("  template {line}\n");
        }
    }
    golden("tests/golden/node-feature-rules.txt", &told);
}

#[test]
fn rules_have_names_of_their_own() {
    let rules = rules();
    let names: BTreeSet<&str> = rules.iter().map(|rule| text(&rule["name"])).collect();
    assert_eq!(names.len(), rules.len());
}

#[test]
fn labels_that_daemon_sets_want_are_given_by_a_rule() {
    let rules = rules();
    for (folder, set) in daemon_sets() {
        let selector = set["spec"]["template"]["spec"]["nodeSelector"].as_object().unwrap().clone();
        for (label, value) in selector.iter().filter(|(label, _)| label.starts_with("intel.feature.")) {
            let gives = |rule: &&Value| rule["labels"][label] == *value;
            assert!(rules.iter().find(gives).is_some(), "{folder} waits for {label} for ever");
        }
    }
}

#[test]
fn simulated_nodes_match_the_rules_for_their_devices() {
    let rules = rules();
    let mut told = String::new();
    for (name, _) in Profile::builtin_names() {
        let node = TemporaryNode::new(&Profile::builtin(name).unwrap()).unwrap();
        let functions = functions(&node.host());
        let names = rules.iter().filter(|rule| is_for(rule, &functions)).map(|rule| text(&rule["name"]));
        told += &format!("{name}: {}\n", names.collect::<Vec<_>>().join(" "));
    }
    golden("tests/golden/node-feature-rules-of-profiles.txt", &told);
}

/// Vendor, class and device of a node's PCI functions, in digits as Node Feature Discovery has them.
fn functions(host: &Host) -> BTreeSet<[String; 3]> {
    let addresses = pci::addresses(host).unwrap_or_default();
    let function = |address| {
        let read = |file: &str| host.read(format!("/sys/bus/pci/devices/{address}/{file}")).unwrap();
        ["vendor", "class", "device"]
            .map(|file| read(file).trim_start_matches("0x").chars().take(4).collect())
    };
    addresses.into_iter().map(function).collect()
}

/// Whether there is a function for a rule, whatever it says of drivers. One for no function is for no node here.
fn is_for(rule: &Value, functions: &BTreeSet<[String; 3]>) -> bool {
    let Some(pci) = list(&rule["matchFeatures"]).iter().find(|one| one["feature"] == "pci.device") else {
        return false;
    };
    functions.iter().any(|function| {
        ["vendor", "class", "device"].iter().zip(function).all(|(name, value)| {
            let expression = &pci["matchExpressions"][name];
            expression.is_null() || list(&expression["value"]).contains(&value.as_str().into())
        })
    })
}

#[test]
fn node_feature_discovery_comes_from_elsewhere_in_one_version() {
    let base = fs::read_to_string(deployments().join("nfd/base/kustomization.yaml")).unwrap();
    let base: Value = serde_saphyr::from_str(&base).unwrap();
    let [resource] = list(&base["resources"]) else { panic!("one resource") };
    let (address, version) = text(resource).split_once("?ref=v").unwrap();
    assert!(address.starts_with("https://github.com/kubernetes-sigs/node-feature-discovery/"), "{address}");
    assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{version}");
    // Only with this has a node the labels of rules and files, and no others.
    let worker = fs::read_to_string(deployments().join("nfd/base/nfd-worker.conf")).unwrap();
    let worker: Value = serde_saphyr::from_str(&worker).unwrap();
    assert_eq!(worker, serde_json::json!({"core": {"labelSources": ["local"]}}));
    assert_eq!(list(&base["configMapGenerator"])[0]["files"], serde_json::json!(["nfd-worker.conf"]));
}
