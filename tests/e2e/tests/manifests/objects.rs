//! Every object of `deployments` and of the operator's bundle is taken by the API server, with all definitions at hand: unknown
//! fields, wrong values, names that are none and expressions that do not compile are found here.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use kustomize::{deployments, documents, list, text};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{World, world};

/// API groups of other projects: the module, and its files with definitions.
const DEFINITIONS: [(&str, &str, &[&str]); 3] = [
    (
        "cert-manager.io",
        "cert-manager",
        &["deploy/crds/crd-certificates.yaml", "deploy/crds/crd-issuers.yaml"],
    ),
    (
        "monitoring.coreos.com",
        "prometheus-operator",
        &[
            "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        ],
    ),
    (
        "operators.coreos.com",
        "operator-framework",
        &["crds/operators.coreos.com_clusterserviceversions.yaml"],
    ),
];

/// An object, and the folder or file that it is of.
type Found = (String, Value);

fn is_of_kind(kind: &str) -> impl Fn(&&Found) -> bool {
    move |(_, object)| object["kind"] == kind
}

fn group(object: &Value) -> &str {
    text(&object["apiVersion"]).split_once('/').map_or("", |(group, _)| group)
}

/// The objects of files that no kustomization names: for users to apply by hand.
fn of_loose_files() -> Vec<Found> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut named = BTreeSet::new();
    let mut folders = vec![deployments()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("kustomization.yaml") {
                let kustomization = kustomize::yaml(&path);
                let plain =
                    ["resources", "configurations"].into_iter().flat_map(|key| list(&kustomization[key]));
                let with_path =
                    ["patches", "replacements"].into_iter().flat_map(|key| list(&kustomization[key]));
                named.extend(
                    plain.chain(with_path.map(|entry| &entry["path"])).map(|name| folder.join(text(name))),
                );
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path);
            }
        }
    }
    let loose = files.into_iter().filter(|file| !named.contains(file));
    loose
        .flat_map(|file| documents(&file).into_iter().map(move |object| (file.display().to_string(), object)))
        .collect()
}

/// The operator's bundle for Operator Lifecycle Manager, which is made of these.
fn of_bundle() -> Vec<Found> {
    let folder = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--locked", "-p", "xtask", "--", "bundle", "--output"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files = folder.path().join("manifests").read_dir().unwrap().map(|file| file.unwrap().path());
    files
        .flat_map(|file| documents(&file).into_iter().map(move |object| (file.display().to_string(), object)))
        .collect()
}

impl World {
    fn objects(&self) -> Vec<Found> {
        let folders = self.rendered().iter();
        let rendered = folders
            .flat_map(|folder| folder.objects.iter().map(|object| (folder.path.clone(), object.clone())));
        let mut seen = HashSet::new();
        let mut all: Vec<Found> = rendered.chain(of_loose_files()).chain(of_bundle()).collect();
        all.retain(|(_, object)| seen.insert(object.to_string()));
        all
    }

    fn keep(&self, (of, object): &Found) {
        let answer = self.kubernetes.apply(object, true);
        assert!(answer.is_ok(), "{of}: {}", answer.unwrap_err());
    }

    /// Makes the kinds known that these objects have.
    fn define(&self, objects: &[Found]) {
        let groups: BTreeSet<&str> = objects.iter().map(|(_, object)| group(object)).collect();
        let mut definitions: Vec<Found> =
            objects.iter().filter(is_of_kind("CustomResourceDefinition")).cloned().collect();
        for (_, module, files) in DEFINITIONS.iter().filter(|(group, ..)| groups.contains(group)) {
            for file in files.iter().map(|file| self.cluster.module(module).join(file)) {
                for mut definition in documents(&file) {
                    // Of cert-manager's chart, which fills them in.
                    definition["metadata"].as_object_mut().unwrap().remove("labels");
                    definitions.push((file.display().to_string(), definition));
                }
            }
        }
        for definition in &definitions {
            self.keep(definition);
        }
        for (_, definition) in &definitions {
            let names = &definition["spec"]["names"];
            let is_known = |version: &Value| {
                let api = format!("/apis/{}/{}", text(&definition["spec"]["group"]), text(&version["name"]));
                let known = self.kubernetes.ask("GET", &api, None);
                known.is_ok_and(|known| {
                    list(&known["resources"]).iter().any(|one| one["kind"] == names["kind"])
                })
            };
            let are_known = || list(&definition["spec"]["versions"]).iter().all(is_known).then_some(());
            self.kubernetes.wait_for(
                &format!("the kind {}", names["kind"]),
                || self.cluster.logs(),
                are_known,
            );
        }
    }
}

#[test]
fn the_api_server_takes_every_object() {
    let Some(world) = world() else { return };
    let objects = world.objects();
    world.define(&objects);
    // A trial of an object needs its namespace, and that of a pod an account there.
    let mut namespaces: BTreeMap<&str, Found> = BTreeMap::new();
    for (of, object) in &objects {
        if let Some(name) = object["metadata"]["namespace"].as_str() {
            let plain = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            namespaces.entry(name).or_insert((of.clone(), plain));
        }
    }
    for found in namespaces.values().chain(objects.iter().filter(is_of_kind("Namespace"))) {
        world.keep(found);
    }
    for namespace in namespaces.keys().chain(&["default"]) {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": namespace}});
        world.keep(&((*namespace).to_owned(), account));
    }
    let tried = objects.iter().map(|(of, object)| (of, object, world.kubernetes.apply(object, false)));
    let refused: Vec<String> = tried
        .filter_map(|(of, object, answer)| {
            let error = answer.err()?;
            Some(format!("{of}: {} {}: {error}", text(&object["kind"]), text(&object["metadata"]["name"])))
        })
        .collect();
    assert!(refused.is_empty(), "{} of {} objects:\n{}", refused.len(), objects.len(), refused.join("\n"));
}
