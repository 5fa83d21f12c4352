//! The level of Pod Security that each component needs: its pods are taken where this is enforced, and refused one level up, for the
//! reasons that docs/security.md gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use kustomize::{list, text, yaml};
use serde_json::{Value, json};
use webhook::Outcome;

use crate::world::{FROM_ELSEWHERE, World, world};

/// A component, by its pods' first container; a demo also by its file or folder.
struct Component {
    name: &'static str,
    level: &'static str,
    /// What the next level forbids; and `privileged` where a container is.
    forbidden: &'static [&'static str],
}

/// What an image wants whose user is root.
const ROOT: &[&str] = &["runAsNonRoot != true"];
const CAPABILITIES: &[&str] = &["non-default capabilities"];

/// Where what is of the node is seen.
const NODE: &[&str] = &["hostPath volumes", "seLinuxOptions"];

const fn component(name: &'static str, level: &'static str, forbidden: &'static [&'static str]) -> Component {
    Component { name, level, forbidden }
}

const COMPONENTS: [Component; 35] = [
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
    component("aesmd", "privileged", &["hostPath volumes"]),
    component("compress-perf", "privileged", CAPABILITIES),
    component("crypto-perf", "privileged", CAPABILITIES),
    component("dlb-dpdk-demo-pod.yaml", "baseline", ROOT),
    component("dlb-libdlb-demo-pf-pod.yaml", "baseline", ROOT),
    component("dlb-libdlb-demo-pod.yaml", "baseline", ROOT),
    component("dlb-libdlb-demo-vf-pod.yaml", "baseline", ROOT),
    component("dsa-accel-config-demo-pod.yaml", "privileged", CAPABILITIES),
    component("dsa-dpdk-dmadevtest.yaml", "privileged", CAPABILITIES),
    component("dsa-dpdk-dmadevtest-vfio.yaml", "privileged", CAPABILITIES),
    component("iaa-accel-config-demo-pod.yaml", "privileged", CAPABILITIES),
    component("intel-npu-workload.yaml", "baseline", ROOT),
    component("intelfpga-job.yaml", "baseline", ROOT),
    component("intelgpu-job.yaml", "baseline", ROOT),
    component("intelgpu-job-wsl.yaml", "baseline", ROOT),
    component("intelsgx-demo-job-1", "baseline", ROOT),
    component("opae-nlb-demo-pod.yaml", "privileged", CAPABILITIES),
    component("openssl-qat-engine-pod.yaml", "privileged", CAPABILITIES),
    component("sgx_ecdsa_aesmd_quote", "privileged", &["hostPath volumes"]),
    component("test-fpga-orchestrated.yaml", "baseline", ROOT),
    component("test-fpga-preprogrammed.yaml", "baseline", ROOT),
    component("testcontainer", "baseline", ROOT),
];

const LEVELS: [&str; 3] = ["privileged", "baseline", "restricted"];

/// A pod's template, and the path of what it is of.
type Template = (String, Value);

/// The component that a template is of.
fn component_of((of, template): &Template) -> &'static Component {
    let file = Path::new(of).file_name().unwrap().to_str().unwrap();
    let container = text(&template["spec"]["containers"][0]["name"]);
    let named = |name: &str| COMPONENTS.iter().find(|component| component.name == name);
    named(file)
        .or_else(|| named(container))
        .unwrap_or_else(|| panic!("{of}: no level is stated for {container}"))
}

/// The pod of a template, as the API server makes it where the webhook of SGX runs.
fn pod_of(template: &Value) -> Value {
    let annotations = &template["metadata"]["annotations"];
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "test", "annotations": annotations}, "spec": template["spec"]});
    let Outcome::Allowed { patch, .. } = sgx_webhook::mutate(pod.clone()) else { panic!("{pod}") };
    let patch: json_patch::Patch = serde_json::from_value(json!(patch)).unwrap();
    json_patch::patch(&mut pod, &patch).unwrap();
    pod
}

impl World {
    /// Templates of all folders, of `demo`, and of the DaemonSets that the operator makes of objects; each only once.
    fn templates(&self) -> Vec<Template> {
        let is_ours = |path: &str| !FROM_ELSEWHERE.contains(&path);
        let rendered = self.rendered().iter().filter(|folder| is_ours(&folder.path));
        let rendered = rendered
            .flat_map(|folder| folder.objects.iter().map(|object| (folder.path.clone(), object.clone())));
        let mut all = BTreeMap::new();
        for (of, object) in rendered.chain(of_demo()).chain(of_operator()) {
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
        let mut pod = pod_of(template);
        // Objects may name classes that are not there; they are nothing to Pod Security.
        for class in ["priorityClassName", "runtimeClassName"] {
            pod["spec"].as_object_mut().unwrap().remove(class);
        }
        self.kubernetes.try_out(&format!("/api/v1/namespaces/{level}/pods"), &pod)
    }
}

/// The pods and jobs of `demo`.
fn of_demo() -> impl Iterator<Item = Template> {
    let files = fs::read_dir("../../demo").unwrap().map(|file| file.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|end| end == "yaml"))
        .map(|file| (file.display().to_string(), yaml(&file)))
}

/// The golden files of the operator's families.
fn of_operator() -> Vec<Template> {
    let families = fs::read_dir("../../devices").unwrap().map(|family| family.unwrap().path());
    let goldens =
        families.filter_map(|family| fs::read_dir(family.join("operator/tests/golden")).ok()).flatten();
    let files = goldens.map(|file| file.unwrap().path());
    files.map(|file| (file.display().to_string(), yaml(&file))).collect()
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
    for found @ (of, template) in &templates {
        let component = component_of(found);
        let name = component.name;
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
