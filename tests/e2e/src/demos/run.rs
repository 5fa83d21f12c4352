//! Demos on a cluster, and what they print.

use serde_json::{Value, json};

use crate::{Cluster, Kubernetes};

/// A demo: a file, or a folder with a kustomization; how its pod ends; and what that prints in this order, the last of which is in
/// its last line.
pub type Demo = (&'static str, &'static str, &'static [&'static str]);

/// How a pod ends whose workload asks for hardware, which is not there.
pub const REFUSED: &str = "Failed";
/// How a pod ends in whose image something stands in for what asks for hardware.
pub const STOOD_IN: &str = "Succeeded";

/// Has all of these run at once, and looks at what each has printed in the end.
pub fn run_demos(cluster: &Cluster, kubernetes: &Kubernetes, demos: &[Demo], state: impl Fn() -> String) {
    let mut all = Vec::new();
    let mut pods = Vec::new();
    for demo in demos {
        let objects = objects(cluster, demo.0);
        pods.extend(objects.iter().filter_map(selector).map(|selector| (demo, selector)));
        all.extend(objects);
    }
    assert_eq!(pods.len(), demos.len(), "one pod or job each: {pods:?}");
    let file = tempfile::NamedTempFile::with_suffix(".json").expect("a temporary file");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": all});
    serde_json::to_writer(&file, &list).expect("a temporary file");
    let path = file.path().to_str().expect("a path in UTF-8");
    cluster.kubectl(&["apply", "-f", path]);
    for ((name, end, prints), selector) in &pods {
        let ask = |output: &str| cluster.kubectl(&["get", "pods", selector, output]);
        let phase = || ask("--output=jsonpath={.items[*].status.phase}");
        kubernetes.wait_for(
            &format!("the end of {name}"),
            || format!("{}\n{}", ask("--output=yaml"), state()),
            || ["Failed", "Succeeded"].contains(&phase().as_str()).then_some(()),
        );
        let (pod, containers) =
            (ask("--output=name"), ask("--output=jsonpath={.items[*].spec.containers[*].name}"));
        // kubectl's --all-containers has them in any order.
        let log: String = containers
            .split_whitespace()
            .map(|container| cluster.kubectl(&["logs", pod.trim(), "-c", container]))
            .collect();
        assert_eq!(phase(), *end, "{name}:\n{log}");
        let mut rest = log.as_str();
        for text in *prints {
            let found = rest.split_once(text);
            assert!(found.is_some(), "{name} does not print {text}:\n{log}");
            rest = found.map(|(_, after)| after).unwrap_or_default();
        }
        assert!(rest.lines().count() <= 1, "{name} does not end with {:?}:\n{log}", prints.last());
    }
    cluster.kubectl(&["delete", "-f", path, "--timeout=60s"]);
}

/// The objects of a demo as its file says, but for the processors that it wants: there may be fewer here.
fn objects(cluster: &Cluster, demo: &str) -> Vec<Value> {
    let flag = if demo.contains(".yaml") { "-f" } else { "-k" };
    let text = cluster.kubectl(&["create", flag, demo, "--dry-run=client", "--output=json"]);
    let read = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let mut objects = Vec::new();
    for object in read {
        let object = object.expect("kubectl prints JSON");
        match object.get("items").and_then(Value::as_array) {
            Some(items) => objects.extend(items.iter().cloned()),
            None => objects.push(object),
        }
    }
    for object in &mut objects {
        for path in ["/spec/containers", "/spec/template/spec/containers"] {
            let containers = object.pointer_mut(path).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                if let Some(processors) = container.pointer_mut("/resources/limits/cpu") {
                    *processors = json!("50m");
                }
            }
        }
    }
    objects
}

/// How kubectl finds the pod that is or comes of this object.
fn selector(object: &Value) -> Option<String> {
    let name = object.pointer("/metadata/name")?.as_str()?;
    match object.get("kind")?.as_str()? {
        "Pod" => Some(format!("--field-selector=metadata.name={name}")),
        "Job" => Some(format!("--selector=job-name={name}")),
        _ => None,
    }
}
