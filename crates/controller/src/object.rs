//! An object of a family, as it is kept: of its status there may be thousands of names, so it is read once and shared.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::DynamicObject;
use serde_json::{Map, Value, json};

use crate::{Family, GROUP, Status};

/// An object.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) metadata: ObjectMeta,
    pub(crate) spec: Value,
    /// None if it was never written. What cannot be read in it counts as empty, and is written anew.
    pub(crate) status: Option<Arc<Status>>,
}

impl From<DynamicObject> for Object {
    fn from(object: DynamicObject) -> Self {
        let DynamicObject { mut metadata, mut data, .. } = object;
        (metadata.managed_fields, metadata.annotations) = (None, None);
        let mut take = |field: &str| data.get_mut(field).map(Value::take).filter(Value::is_object);
        let spec = take("spec").unwrap_or_else(|| json!({}));
        let status =
            take("status").map(|status| Arc::new(serde_json::from_value(status).unwrap_or_default()));
        Self { metadata, spec, status }
    }
}

impl Object {
    pub(crate) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// The reference by which it owns its DaemonSet, as the Go implementation writes it.
    pub(crate) fn owner(&self, family: &Family) -> OwnerReference {
        OwnerReference {
            api_version: format!("{GROUP}/v1"),
            kind: family.kind(),
            name: self.name().to_owned(),
            uid: self.metadata.uid.clone().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    /// What events are about.
    pub(crate) fn reference(&self, family: &Family) -> ObjectReference {
        ObjectReference {
            api_version: Some(format!("{GROUP}/v1")),
            kind: Some(family.kind()),
            name: self.metadata.name.clone(),
            uid: self.metadata.uid.clone(),
            ..ObjectReference::default()
        }
    }

    /// A merge patch of these fields that fails if the object is another one by now; `exactly`: or was changed.
    pub(crate) fn patch(&self, mut fields: Map<String, Value>, exactly: bool) -> Value {
        let version = self.metadata.resource_version.as_ref().filter(|_| exactly);
        let mut metadata = Map::from_iter([("uid".to_owned(), json!(self.metadata.uid))]);
        metadata.extend(version.map(|version| ("resourceVersion".to_owned(), json!(version))));
        fields.insert("metadata".to_owned(), metadata.into());
        fields.into()
    }
}

/// A merge patch of one status to another. Nodes are the most of it, and are in it only when they differ.
pub(crate) fn changes(before: Option<&Status>, mut after: Status) -> Map<String, Value> {
    let nodes = std::mem::take(&mut after.node_names);
    let fields = |status: &Status| match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let mut changes = fields(&after);
    let same_nodes = before.map_or(nodes.is_empty(), |before| before.node_names == nodes);
    if let Some(before) = before {
        let known = Status { node_names: Vec::new(), ..before.clone() };
        for (name, old) in fields(&known) {
            match changes.get(&name) {
                Some(new) if *new == old => drop(changes.remove(&name)),
                Some(_) => {}
                None => drop(changes.insert(name, Value::Null)),
            }
        }
    }
    if !same_nodes {
        let nodes = if nodes.is_empty() { Value::Null } else { json!(nodes) };
        changes.insert("nodeNames".to_owned(), nodes);
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(nodes: &[&str], ready: i32) -> Status {
        let node_names = nodes.iter().map(|node| (*node).to_owned()).collect();
        Status { node_names, number_ready: ready, ..Status::default() }
    }

    #[test]
    fn a_patch_of_a_status_has_only_what_differs() {
        let cases = [
            (Some(status(&["a"], 1)), status(&["a"], 2), json!({"numberReady": 2})),
            (Some(status(&["a"], 1)), status(&["a", "b"], 1), json!({"nodeNames": ["a", "b"]})),
            (Some(status(&["a"], 1)), status(&[], 1), json!({"nodeNames": null})),
            (None, status(&[], 0), json!({"numberReady": 0, "desiredNumberScheduled": 0})),
            (
                Some(Status { observed_generation: Some(1), ..status(&[], 0) }),
                status(&[], 0),
                json!({"observedGeneration": null}),
            ),
        ];
        for (before, after, patch) in cases {
            assert_eq!(Value::from(changes(before.as_ref(), after)), patch);
        }
    }

    #[test]
    fn a_status_that_cannot_be_read_is_as_good_as_empty() {
        let object: DynamicObject =
            serde_json::from_value(json!({"metadata": {"name": "a"}, "status": {"numberReady": "many"}}))
                .unwrap();
        assert_eq!(Object::from(object).status.as_deref(), Some(&Status::default()));
    }
}
