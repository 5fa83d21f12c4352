//! A folder of `deployments` that can be applied, with its objects.

use std::collections::BTreeSet;
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

/// A folder of the Go implementation's that is no kustomization here: `cargo xtask bundle` does what that one is for.
const OF_THE_BUNDLE: &str = "operator/manifests";

#[test]
fn there_is_a_folder_for_each_of_the_go_implementations() {
    let here = kustomize::folders();
    let there = include_str!("../reference/kustomizations.txt");
    for folder in there.lines().filter(|folder| *folder != OF_THE_BUNDLE) {
        assert!(here.iter().any(|path| path == folder), "deployments/{folder} is missing");
    }
}

#[test]
fn the_page_of_manifests_has_each_folder() {
    let page = include_str!("../../../docs/kustomize.md");
    let (_, part) = page.split_once("## Which there are").unwrap();
    let (part, _) = part.split_once("\n## ").unwrap();
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    // What is between backticks in the first column.
    let listed: BTreeSet<&str> =
        rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).collect();
    let here = kustomize::folders();
    let here: BTreeSet<&str> = here.iter().map(String::as_str).collect();
    assert_eq!(listed, here, "folders in docs/kustomize.md, and in deployments");
}
