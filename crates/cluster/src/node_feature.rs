//! `NodeFeature` objects, by which programs ask node-feature-discovery for labels.

use serde_json::{Map, Value, json};

use crate::{Access, Object, PATIENCE, Question, ask};

/// A `NodeFeature` object
/// (<https://kubernetes-sigs.github.io/node-feature-discovery/stable/usage/custom-resources.html#nodefeature>).
#[derive(Debug, Clone, Copy)]
pub struct NodeFeature<'a> {
    /// Where it is.
    pub namespace: &'a str,
    /// Its own name.
    pub name: &'a str,
    /// The node that it is about.
    pub node: &'a str,
    /// Name and uid of the pod, in the same namespace, that it goes with.
    pub pod: Option<(&'a str, &'a str)>,
    /// The labels that the node shall have.
    pub labels: &'a Map<String, Value>,
}

impl NodeFeature<'_> {
    /// Makes the object so, by server-side apply, whether it is there or not, and whoever else has changed it.
    pub async fn apply(&self, access: &Access, manager: &str) -> Result<(), String> {
        let object = Object::node_feature(self.namespace, self.name)?;
        let wanted = self.object();
        let question = Question::Apply { manager, wanted: &wanted, force: true };
        ask(PATIENCE, access, &object, &question).await.map(|_| ())
    }

    fn object(&self) -> Value {
        let owner = |(name, uid)| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid});
        let owners: Vec<Value> = self.pod.map(owner).into_iter().collect();
        json!({
            "apiVersion": "nfd.k8s-sigs.io/v1alpha1",
            "kind": "NodeFeature",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": {"nfd.node.kubernetes.io/node-name": self.node},
                "ownerReferences": owners,
            },
            // Some versions of the definition require all of them.
            "spec": {
                "features": {"attributes": {}, "flags": {}, "instances": {}},
                "labels": self.labels,
            },
        })
    }
}
