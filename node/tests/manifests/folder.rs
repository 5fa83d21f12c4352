//! A folder of `deployments` that can be applied, with its objects.

use std::sync::LazyLock;

use serde_json::Value;

use crate::folders;
use kustomize::deployments;

#[derive(Clone)]
pub(crate) struct Folder {
    /// Its path below `deployments`.
    pub(crate) folder: String,
    pub(crate) objects: Vec<Value>,
}

impl Folder {
    /// All of which this holds, sorted.
    pub(crate) fn all(is_one: impl Fn(&Self) -> bool) -> Vec<Self> {
        static ALL: LazyLock<Vec<Folder>> = LazyLock::new(|| {
            let render = |folder: String| {
                let objects = kustomize::render(&deployments().join(&folder));
                Folder { folder, objects }
            };
            folders().into_iter().map(render).collect()
        });
        ALL.iter().filter(|folder| is_one(folder)).cloned().collect()
    }

    pub(crate) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    /// The object of this kind, if there is one; there are not two.
    pub(crate) fn find(&self, kind: &str) -> Option<&Value> {
        let mut found = self.of_kind(kind);
        let first = found.next();
        assert!(found.next().is_none(), "{}: two of kind {kind}", self.folder);
        first
    }

    pub(crate) fn only(&self, kind: &str) -> &Value {
        self.find(kind).unwrap_or_else(|| panic!("{}: no {kind}", self.folder))
    }
}
