//! The level of Pod Security that each component needs: its pods are taken where this is enforced, and refused one level up, for the
//! reasons that docs/security.md gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use kustomize::{list, text};
use serde_json::{Value, json};

use crate::world::{FROM_ELSEWHERE, World, world};

/// A component, by its pods' first container.
struct Component {
    name: &'static str,
    level: &'static str,
    /// What the next level forbids; and `privileged` where a container is.
    forbidden: &'static [&'static str],
}

/// Where what is of the node is seen.
const NODE: &[&str] = &["hostPath volumes", "seLinuxOptions"];

const fn component(name: &'static str, level: &'static str, forbidden: &'static [&'static str]) -> Component {
    Component { name, level, forbidden }
}

const COMPONENTS: [Component; 18] = [
    component("intel-dlb-plugin", "privileged", &["hostPath volumes"]),
    component("intel-dsa-plugin", "privileged", NODE),
    component("intel-fpga-plugin", "privileged", NODE),
    component("intel-gpu-plugin", "privileged", NODE),
    component("intel-iaa-plugin", "privileged", NODE),
    component("intel-npu-plugin", "privileged", NODE),
    component("intel-qat-plugin", "privileged", NODE),
    component("intel-sgx-plugin", "privileged", NODE),
    component("intel-device-plugins", "privileged", NODE),
    component("intel-gpu-levelzero", "privileged", &["hostPath volumes"]),
    component("intel-gpu-labels", "restricted", &[]),
    component("sgx-node-init", "restricted", &[]),
    // Of the operator, and of the webhooks.
    component("manager", "restricted", &[]),
    // Demos.
    component("aesmd", "baseline", &["runAsNonRoot != true"]),
    component("compress-perf", "privileged", &["non-default capabilities"]),
    component("crypto-perf", "privileged", &["non-default capabilities"]),
    component("intelsgx-demo-job-1", "baseline", &["runAsNonRoot != true"]),
    component("testcontainer", "baseline", &["runAsNonRoot != true"]),
];

const LEVELS: [&str; 3] = ["privileged", "baseline", "restricted"];

/// A pod's template, and what it is of.
type Template = (String, Value);

impl World {
    /// Templates of all folders, and of the DaemonSets that the operator makes of objects; each only once.
    fn templates(&self) -> Vec<Template> {
        let is_ours = |path: &str| !FROM_ELSEWHERE.contains(&path);
        let rendered = self.rendered().iter().filter(|folder| is_ours(&folder.path));
        let rendered = rendered
            .flat_map(|folder| folder.objects.iter().map(|object| (folder.path.clone(), object.clone())));
        let mut all = BTreeMap::new();
        for (of, object) in rendered.chain(of_operator()) {
            let template = if object["kind"] == "Pod" { &object } else { &object["spec"]["template"] };
            if template["spec"]["containers"].is_array() {
                all.entry(template.to_string()).or_insert((of, template.clone()));
            }
        }
        all.into_values().collect()
    }

    /// Makes a namespace in which the level is enforced, with the accounts that pods name.
    fn enforce(&self, level: &str, accounts: &BTreeSet<&str>) {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": level, "labels": {"pod-security.kubernetes.io/enforce": level}}});
        self.kubernetes.apply(&namespace, true).unwrap();
        for account in accounts {
            let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"name": account, "namespace": level}});
            self.kubernetes.apply(&account, true).unwrap();
        }
    }

    fn try_in(&self, level: &str, template: &Value) -> Result<Value, String> {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "test"}, "spec": template["spec"]});
        // Objects may name a class that is not there; it is nothing to Pod Security.
        pod["spec"].as_object_mut().unwrap().remove("priorityClassName");
        self.kubernetes.try_out(&format!("/api/v1/namespaces/{level}/pods"), &pod)
    }
}

/// The golden files of the operator's families.
fn of_operator() -> Vec<Template> {
    let families = fs::read_dir("../../devices").unwrap().map(|family| family.unwrap().path());
    let goldens =
        families.filter_map(|family| fs::read_dir(family.join("operator/tests/golden")).ok()).flatten();
    let files = goldens.map(|file| file.unwrap().path());
    files.map(|file| (file.display().to_string(), kustomize::yaml(&file))).collect()
}

fn is_privileged(template: &Value) -> bool {
    let containers =
        ["initContainers", "containers"].into_iter().flat_map(|key| list(&template["spec"][key]));
    containers.into_iter().any(|container| container["securityContext"]["privileged"] == true)
}

/// What a refusal forbids: `violates PodSecurity "baseline:latest": hostPath volumes (…), privileged (…)`.
fn forbidden(refusal: &str) -> BTreeSet<String> {
    let (_, told) = refusal.split_once(":latest\": ").unwrap_or_else(|| panic!("another refusal: {refusal}"));
    let mut depth = 0;
    let mut names = String::new();
    for character in told.chars() {
        depth += i32::from(character == '(') - i32::from(character == ')');
        if depth == 0 && character != ')' {
            names.push(character);
        }
    }
    let (names, _) = names.split_once(": Forbidden").unwrap_or((&names, ""));
    names.split(',').map(|name| name.trim().to_owned()).collect()
}

#[test]
fn pods_need_the_level_that_is_stated_and_no_looser_one() {
    let Some(world) = world() else { return };
    let templates = world.templates();
    let named = templates.iter().filter_map(|(_, template)| template["spec"]["serviceAccountName"].as_str());
    let accounts: BTreeSet<&str> = named.chain(["default"]).collect();
    for level in LEVELS {
        world.enforce(level, &accounts);
    }
    let mut seen = BTreeSet::new();
    for (of, template) in &templates {
        let name = text(&template["spec"]["containers"][0]["name"]);
        let component = COMPONENTS.iter().find(|component| component.name == name);
        let component = component.unwrap_or_else(|| panic!("{of}: no level is stated for {name}"));
        seen.insert(name);
        let answer = world.try_in(component.level, template);
        assert!(
            answer.is_ok(),
            "{of}: {name} where {} is enforced: {}",
            component.level,
            answer.unwrap_err()
        );
        let Some(stricter) = LEVELS.iter().skip_while(|level| **level != component.level).nth(1) else {
            continue;
        };
        let refusal = world.try_in(stricter, template);
        let refusal = refusal.err().unwrap_or_else(|| panic!("{of}: {name} needs no more than {stricter}"));
        let mut expected: BTreeSet<String> =
            component.forbidden.iter().map(|&what| what.to_owned()).collect();
        if is_privileged(template) {
            expected.insert("privileged".to_owned());
        }
        assert_eq!(forbidden(&refusal), expected, "{of}: {name} where {stricter} is enforced: {refusal}");
    }
    let stated: BTreeSet<&str> = COMPONENTS.iter().map(|component| component.name).collect();
    assert_eq!(seen, stated, "components that there are, and those with a level");
}

#[test]
fn the_page_of_security_states_the_levels() {
    let page = fs::read_to_string(Path::new("../../docs/security.md")).unwrap();
    for Component { name, level, .. } in COMPONENTS.iter().filter(|component| component.name != "manager") {
        let rows: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with('|') && line.contains(&format!("`{name}`")))
            .collect();
        let stated = rows.iter().any(|row| row.contains(&format!("| `{level}` |")));
        assert!(stated, "docs/security.md does not state {level} for {name}: {rows:?}");
    }
}
