//! Names and namespaces, as kustomize changes them, and those of one object that others hold.

use serde_json::Value;

use super::{at, list, text};

/// Where an object's name is written: its kind, the kind of what holds the name, and the field there.
struct NameReference {
    of: String,
    kind: String,
    path: String,
}

/// What kustomize has to be told about names, by `configurations`, beside what it knows itself.
pub(crate) struct Names {
    references: Vec<NameReference>,
    /// Fields that hold the namespace: the kind, and the field.
    namespaces: Vec<(String, String)>,
}

/// What kustomize knows itself, as far as there is such a thing here.
const KNOWN: [(&str, &str, &str); 6] = [
    ("ServiceAccount", "Deployment", "spec/template/spec/serviceAccountName"),
    ("ServiceAccount", "RoleBinding", "subjects/name"),
    ("ServiceAccount", "ClusterRoleBinding", "subjects/name"),
    ("Role", "RoleBinding", "roleRef/name"),
    ("ClusterRole", "RoleBinding", "roleRef/name"),
    ("ClusterRole", "ClusterRoleBinding", "roleRef/name"),
];

const CLUSTER_SCOPED: [&str; 6] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "Namespace",
    "ValidatingWebhookConfiguration",
];

impl Names {
    pub(crate) fn new() -> Self {
        let reference = |(of, kind, path): (&str, &str, &str)| NameReference {
            of: of.to_owned(),
            kind: kind.to_owned(),
            path: path.to_owned(),
        };
        Self { references: KNOWN.into_iter().map(reference).collect(), namespaces: Vec::new() }
    }

    /// Adds what a file of `configurations` says.
    pub(crate) fn learn(&mut self, configuration: &Value) {
        for key in configuration.as_object().unwrap().keys() {
            assert!(["nameReference", "namespace"].contains(&key.as_str()), "this test does not know {key}");
        }
        for entry in list(&configuration["nameReference"]) {
            for field in list(&entry["fieldSpecs"]) {
                let [of, kind, path] = [&entry["kind"], &field["kind"], &field["path"]].map(owned);
                self.references.push(NameReference { of, kind, path });
            }
        }
        for field in list(&configuration["namespace"]) {
            self.namespaces.push((owned(&field["kind"]), owned(&field["path"])));
        }
    }

    /// Adds what the kustomization of a resource learned.
    pub(crate) fn extend(&mut self, other: Self) {
        self.references.extend(other.references);
        self.namespaces.extend(other.namespaces);
    }

    /// Puts all that can be in a namespace into this one.
    pub(crate) fn set_namespace(&self, objects: &mut [Value], namespace: &str) {
        let accounts: Vec<Value> = objects
            .iter()
            .filter(|object| object["kind"] == "ServiceAccount")
            .map(|object| object["metadata"]["name"].clone())
            .chain(["default".into()])
            .collect();
        for object in objects {
            let kind = owned(&object["kind"]);
            if kind == "Namespace" {
                object["metadata"]["name"] = namespace.into();
            } else if !CLUSTER_SCOPED.contains(&kind.as_str()) {
                object["metadata"]["namespace"] = namespace.into();
            }
            for (_, path) in self.namespaces.iter().filter(|(of, _)| *of == kind) {
                at(object, path.split('/'), &mut |value| *value = namespace.into());
            }
            at(object, ["subjects"].into_iter(), &mut |subject| {
                if subject["kind"] == "ServiceAccount" && accounts.contains(&subject["name"]) {
                    subject["namespace"] = namespace.into();
                }
            });
        }
    }

    /// Renames all objects by what is before and after their names, and what refers to them.
    pub(crate) fn affix(&self, objects: &mut [Value], prefix: &str, suffix: &str) {
        let mut renamed = Vec::new();
        for object in objects.iter_mut() {
            let kind = owned(&object["kind"]);
            if !["Namespace", "CustomResourceDefinition"].contains(&kind.as_str()) {
                let old = owned(&object["metadata"]["name"]);
                let new = format!("{prefix}{old}{suffix}");
                object["metadata"]["name"] = new.as_str().into();
                renamed.push((kind, old, new));
            }
        }
        for object in objects {
            let kind = owned(&object["kind"]);
            for reference in self.references.iter().filter(|reference| reference.kind == kind) {
                // A binding says of what kind the role is.
                if kind.ends_with("Binding")
                    && reference.path.starts_with("roleRef")
                    && object["roleRef"]["kind"] != reference.of.as_str()
                {
                    continue;
                }
                at(object, reference.path.split('/'), &mut |value| {
                    let of = renamed.iter().find(|(kind, old, _)| *kind == reference.of && value == old);
                    if let Some((_, _, new)) = of {
                        *value = new.as_str().into();
                    }
                });
            }
        }
    }
}

fn owned(value: &Value) -> String {
    text(value).to_owned()
}
