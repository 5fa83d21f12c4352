//! Pods and what becomes of them: every rule, and every case at its edge.
#![expect(
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

use serde_json::{Value, json};
use sgx_webhook::{FIELDS, mutate, review};
use webhook::{Outcome, Request};

mod aesmd;
mod amounts;
#[path = "../../../../../crates/webhook/tests/apply/mod.rs"]
mod apply;
mod stages;

/// A container that asks for this under limits, and as much under requests.
fn container(name: &str, limits: Value) -> Value {
    json!({ "name": name, "image": "i", "resources": { "limits": limits, "requests": limits } })
}

/// A container with 1 MiB of enclave memory.
fn with_epc(name: &str) -> Value {
    container(name, json!({ "sgx.intel.com/epc": "1Mi" }))
}

fn pod(provider: &str, containers: Value) -> Value {
    json!({
        "metadata": { "annotations": { "sgx.intel.com/quote-provider": provider } },
        "spec": { "containers": containers },
    })
}

/// The pod after its patch, which is empty for a pod that has it already and the same if only what is looked at is read, and
/// the warnings.
fn mutated(pod: Value) -> (Value, Vec<String>) {
    let outcome = mutate(pod.clone());
    assert_eq!(mutate(FIELDS.read(pod.to_string().as_bytes()).unwrap()), outcome, "read in part: {pod}");
    let Outcome::Allowed { patch, warnings } = outcome else { panic!("refused: {pod}") };
    let after = apply::apply(pod, &json!(patch));
    let Outcome::Allowed { patch, .. } = mutate(after.clone()) else { panic!("refused again: {after}") };
    assert!(patch.is_empty(), "changed again: {after}: {patch:?}");
    (after, warnings)
}

fn refused(pod: Value) -> String {
    match mutate(pod.clone()) {
        Outcome::Refused { message } => message,
        outcome @ Outcome::Allowed { .. } => panic!("{pod}: {outcome:?}"),
    }
}

/// What the webhook has to do with, a line for each container, volume and the annotation.
fn shown(pod: &Value) -> String {
    let list = |place: &str| pod.pointer(place).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut lines = Vec::new();
    for container in list("/spec/initContainers").into_iter().chain(list("/spec/containers")) {
        let mut words = vec![format!("{}:", container["name"].as_str().unwrap())];
        for resource in ["enclave", "provision"] {
            let name = format!("sgx.intel.com/{resource}");
            let resources = &container["resources"];
            let (limit, request) = (resources["limits"].get(&name), resources["requests"].get(&name));
            match (limit, request) {
                (None, None) => {}
                (Some(limit), Some(request)) if limit == request => {
                    words.push(format!("{resource}={}", limit.as_str().unwrap()));
                }
                other => panic!("{other:?}"),
            }
        }
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            let mode = if mount["readOnly"] == true { "ro" } else { "rw" };
            words.push(format!(
                "{}@{},{mode}",
                mount["name"].as_str().unwrap(),
                mount["mountPath"].as_str().unwrap()
            ));
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            words.push(format!(
                "{}={}",
                variable["name"].as_str().unwrap(),
                variable["value"].as_str().unwrap_or("?")
            ));
        }
        lines.push(words.join(" "));
    }
    for volume in list("/spec/volumes") {
        let volume = volume.as_object().unwrap();
        let kind = volume.keys().find(|key| *key != "name").unwrap();
        lines.push(format!("{} {kind}", volume["name"].as_str().unwrap()));
    }
    if let Some(epc) = pod["metadata"]["annotations"].get("sgx.intel.com/epc") {
        lines.push(format!("epc {}", epc.as_str().unwrap()));
    }
    lines.join("; ")
}

const CLIENT: &str = "enclave=1 aesmd-socket@/var/run/aesmd,ro SGX_AESM_ADDR=1";
const DAEMON: &str = "enclave=1 provision=1 aesmd-socket@/var/run/aesmd,rw SGX_AESM_ADDR=1";

#[test]
fn the_provider_decides_what_containers_with_epc_get() {
    for (provider, names, expected) in [
        ("", &["test"][..], "test: enclave=1; epc 1Mi".to_owned()),
        ("test", &["test"], "test: enclave=1 provision=1; epc 1Mi".to_owned()),
        ("a", &["a", "b"], "a: enclave=1 provision=1; b: enclave=1; epc 2Mi".to_owned()),
        ("zzz", &["a"], "a: enclave=1; epc 1Mi".to_owned()),
        ("A", &["a"], "a: enclave=1; epc 1Mi".to_owned()),
        ("aesmd", &["a"], format!("a: {CLIENT}; aesmd-socket hostPath; epc 1Mi")),
        (
            "aesmd",
            &["a", "b", "c"],
            format!("a: {CLIENT}; b: {CLIENT}; c: {CLIENT}; aesmd-socket hostPath; epc 3Mi"),
        ),
        ("aesmd", &["aesmd"], format!("aesmd: {DAEMON}; aesmd-socket hostPath; epc 1Mi")),
        ("aesmd", &["a", "aesmd"], format!("a: {CLIENT}; aesmd: {DAEMON}; aesmd-socket emptyDir; epc 2Mi")),
        ("aesmd", &["aesmd", "a"], format!("aesmd: {DAEMON}; a: {CLIENT}; aesmd-socket emptyDir; epc 2Mi")),
        ("", &["aesmd"], "aesmd: enclave=1; epc 1Mi".to_owned()),
        ("", &[], String::new()),
    ] {
        let containers = names.iter().map(|name| with_epc(name)).collect();
        assert_eq!(shown(&mutated(pod(provider, containers)).0), expected, "{provider:?} {names:?}");
    }
}

#[test]
fn the_patch_is_exactly_what_is_added() {
    let pod = json!({
        "metadata": { "name": "a", "annotations": { "sgx.intel.com/quote-provider": "aesmd" } },
        "spec": { "containers": [
            { "name": "plain" },
            { "name": "a", "env": [{ "name": "A" }], "resources": { "limits": { "sgx.intel.com/epc": "1536Ki" } } },
        ] },
    });
    let Outcome::Allowed { patch, .. } = mutate(pod) else { panic!("refused") };
    let mount = json!({ "name": "aesmd-socket", "mountPath": "/var/run/aesmd", "readOnly": true });
    let folder = json!({ "path": "/var/run/aesmd", "type": "DirectoryOrCreate" });
    assert_eq!(
        json!(patch),
        json!([
            { "op": "add", "path": "/spec/containers/1/resources/limits/sgx.intel.com~1enclave", "value": "1" },
            { "op": "add", "path": "/spec/containers/1/resources/requests", "value": { "sgx.intel.com/enclave": "1" } },
            { "op": "add", "path": "/spec/containers/1/volumeMounts", "value": [mount] },
            { "op": "add", "path": "/spec/containers/1/env/1", "value": { "name": "SGX_AESM_ADDR", "value": "1" } },
            { "op": "add", "path": "/spec/volumes", "value": [{ "name": "aesmd-socket", "hostPath": folder }] },
            { "op": "add", "path": "/metadata/annotations/sgx.intel.com~1epc", "value": "1536Ki" },
        ])
    );
}

#[test]
fn annotations_are_made_where_there_are_none() {
    for metadata in [json!({}), json!({ "annotations": null }), Value::Null] {
        let pod = json!({ "metadata": metadata, "spec": { "containers": [with_epc("a")] } });
        assert_eq!(mutated(pod).0["metadata"]["annotations"], json!({ "sgx.intel.com/epc": "1Mi" }));
    }
}

#[test]
fn a_pod_without_enclave_memory_stays_as_it_is() {
    let by_hand = container("a", json!({ "sgx.intel.com/enclave": "2", "sgx.intel.com/provision": "1" }));
    for spec in [
        json!({ "containers": [{ "name": "a" }] }),
        json!({ "containers": [{ "name": "a", "resources": { "limits": { "cpu": "500m" }, "requests": { "cpu": "1m" } } }] }),
        json!({ "containers": [by_hand] }),
        json!({ "containers": null }),
        json!({}),
        Value::Null,
    ] {
        let pod = json!({ "metadata": { "name": "a" }, "spec": spec });
        assert_eq!(mutate(pod.clone()), Outcome::unchanged(), "{pod}");
    }
}

#[test]
fn a_provider_that_makes_no_quotes_is_warned_of() {
    let absent = |name: &str| {
        format!(
            "annotation sgx.intel.com/quote-provider names {name:?}, but no container of that name asks for sgx.intel.com/epc: none gets sgx.intel.com/provision"
        )
    };
    for name in ["zzz", "plain"] {
        let (_, warnings) = mutated(pod(name, json!([with_epc("a"), { "name": "plain" }])));
        assert_eq!(warnings, [absent(name)]);
    }
    let (after, warnings) = mutated(pod("aesmd", json!([{ "name": "aesmd" }])));
    assert_eq!(shown(&after), "aesmd:");
    assert_eq!(
        warnings,
        ["annotation sgx.intel.com/quote-provider has no effect: no container asks for sgx.intel.com/epc"]
    );
}

#[test]
fn an_annotation_with_memory_that_nobody_asks_for_is_corrected_or_removed() {
    let mut lie = pod("", json!([with_epc("a")]));
    lie["metadata"]["annotations"]["sgx.intel.com/epc"] = json!("64Gi");
    assert_eq!(shown(&mutated(lie.clone()).0), "a: enclave=1; epc 1Mi");
    lie["spec"]["containers"] = json!([{ "name": "a" }]);
    let (after, warnings) = mutated(lie);
    assert_eq!(after, pod("", json!([{ "name": "a" }])));
    assert_eq!(warnings, ["annotation sgx.intel.com/epc is removed: no container asks for that resource"]);
}

#[test]
fn a_container_that_comes_later_is_seen_when_the_pod_comes_again() {
    let (mut after, _) = mutated(pod("aesmd", json!([with_epc("a")])));
    after["spec"]["containers"].as_array_mut().unwrap().push(with_epc("b"));
    assert_eq!(shown(&mutated(after).0), format!("a: {CLIENT}; b: {CLIENT}; aesmd-socket hostPath; epc 2Mi"));
}

#[test]
fn a_pod_of_another_shape_is_refused_with_the_place() {
    let of =
        |resources: Value| json!({ "spec": { "containers": [{ "name": "a", "resources": resources }] } });
    let mut texts = with_epc("a");
    texts["env"] = json!("x");
    for (pod, message) in [
        (json!({ "spec": { "containers": {} } }), "/spec/containers is not a list"),
        (json!({ "spec": { "initContainers": ["a"] } }), "/spec/initContainers/0 is not a container"),
        (of(json!("x")), "container \"a\": /spec/containers/0/resources is not a map"),
        (
            of(json!({ "limits": [] })),
            "container \"a\": /spec/containers/0/resources/limits is not a map of resources",
        ),
        (pod("aesmd", json!([texts])), "/spec/containers/0/env is not a list"),
        (
            json!({ "metadata": { "annotations": { "sgx.intel.com/quote-provider": 1 } } }),
            "/metadata/annotations/sgx.intel.com~1quote-provider is not a text",
        ),
        (
            json!({ "metadata": { "annotations": "x" }, "spec": { "containers": [with_epc("a")] } }),
            "/metadata/annotations is neither a map nor a list",
        ),
    ] {
        assert_eq!(refused(pod), message);
    }
}

#[test]
fn only_new_pods_are_changed() {
    let request = |operation: &str, subresource: &str| Request {
        operation: operation.to_owned(),
        subresource: subresource.to_owned(),
        namespace: "default".to_owned(),
        object: pod("", json!([with_epc("a")])),
        old: Value::Null,
    };
    assert_eq!(review(request("CREATE", "")), mutate(pod("", json!([with_epc("a")]))));
    for (operation, subresource) in
        [("UPDATE", ""), ("CONNECT", ""), ("CREATE", "binding"), ("UPDATE", "ephemeralcontainers")]
    {
        assert_eq!(review(request(operation, subresource)), Outcome::unchanged());
    }
}
