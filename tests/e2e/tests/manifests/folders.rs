//! What the tests without a cluster take kustomize for.

use serde_json::Value;

use crate::world::{FROM_ELSEWHERE, world};

/// In an order that does not matter to Kubernetes.
fn sorted(mut objects: Vec<Value>) -> Vec<Value> {
    let key = |object: &Value| format!("{} {}", object["kind"], object["metadata"]);
    objects.sort_by_key(key);
    objects
}

#[test]
fn the_kustomize_of_tests_without_a_cluster_makes_what_the_real_one_does() {
    let Some(world) = world() else { return };
    let folders = world.rendered();
    assert!(FROM_ELSEWHERE.iter().all(|path| folders.iter().any(|folder| folder.path == *path)));
    let is_for_both = |path: &str| !FROM_ELSEWHERE.contains(&path) && !kustomize::is_demo(path);
    for folder in folders.iter().filter(|folder| is_for_both(&folder.path)) {
        let ours = sorted(kustomize::render(&kustomize::deployments().join(&folder.path)));
        let real = sorted(folder.objects.clone());
        assert_eq!(ours.len(), real.len(), "{}", folder.path);
        for (ours, real) in ours.iter().zip(&real) {
            assert_eq!(ours, real, "{}: the tests' kustomize, and the real one", folder.path);
        }
    }
}
