//! What holds for any pod.

use proptest::prelude::*;
use serde_json::{Value, json};
use sgx_webhook::{FIELDS, mutate};
use webhook::Outcome;
use webhook::patch::Operation;

#[path = "../../../../crates/webhook/tests/any/mod.rs"]
mod any;
#[path = "../../../../crates/webhook/tests/apply/mod.rs"]
mod apply;

use any::{anything, damaged, list, map, one_of};

fn container() -> BoxedStrategy<Value> {
    let amounts = map(vec![
        (
            "sgx.intel.com/epc",
            one_of(&["1Mi", "1Mi", "1Mi", "1024Ki", "42", "0", "1e3", "1.5Mi", "4Ei", "-1", "500m", "?"]),
        ),
        ("sgx.intel.com/enclave", one_of(&["1", "1", "1", "5", "0", "1k"])),
        ("sgx.intel.com/provision", one_of(&["1", "1"])),
        ("cpu", one_of(&["1", "100m"])),
    ]);
    // Limits alone, or the same in both; sometimes others.
    let resources = (amounts.clone(), 0..8, amounts.clone()).prop_map(|(limits, how, others)| match how {
        0 => json!({ "limits": limits, "requests": others }),
        1..4 => json!({ "limits": limits }),
        _ => json!({ "limits": limits, "requests": limits }),
    });
    map(vec![
        ("name", one_of(&["a", "b", "aesmd"])),
        ("resources", resources.boxed()),
        ("restartPolicy", one_of(&["Always", "Never"])),
        ("env", list(map(vec![("name", one_of(&["SGX_AESM_ADDR", "PATH"])), ("value", one_of(&["1", ""]))]))),
        (
            "volumeMounts",
            list(map(vec![
                ("name", one_of(&["aesmd-socket", "mine"])),
                ("mountPath", one_of(&["/var/run/aesmd", "/var/run/aesmd/", "/data"])),
            ])),
        ),
    ])
}

fn pod() -> BoxedStrategy<Value> {
    let annotations = map(vec![
        ("sgx.intel.com/quote-provider", one_of(&["aesmd", "aesmd", "a", "zzz", ""])),
        ("sgx.intel.com/epc", one_of(&["1Mi", "64Gi"])),
        ("other", one_of(&["1"])),
    ]);
    let volume =
        map(vec![("name", one_of(&["aesmd-socket", "mine"])), ("emptyDir", Just(json!({})).boxed())]);
    map(vec![
        ("metadata", map(vec![("name", one_of(&["p"])), ("annotations", annotations)])),
        (
            "spec",
            map(vec![
                ("containers", list(container())),
                ("initContainers", list(container())),
                ("ephemeralContainers", list(container())),
                ("volumes", list(volume)),
            ]),
        ),
        ("status", anything().boxed()),
    ])
}

/// The pod without what the webhook may write, as maps and lists that have become empty with it.
fn others(pod: &Value) -> Value {
    let mut pod = pod.clone();
    let without = |map: Option<&mut Value>, names: &[&str]| {
        if let Some(map) = map.and_then(Value::as_object_mut) {
            map.retain(|name, _| !names.contains(&name.as_str()));
        }
    };
    without(pod.pointer_mut("/metadata/annotations"), &["sgx.intel.com/epc"]);
    for kind in ["/spec/containers", "/spec/initContainers"] {
        for container in pod.pointer_mut(kind).and_then(Value::as_array_mut).into_iter().flatten() {
            for amounts in ["/resources/limits", "/resources/requests"] {
                without(
                    container.pointer_mut(amounts),
                    &["sgx.intel.com/enclave", "sgx.intel.com/provision"],
                );
            }
            for (list, added) in [
                ("env", vec![json!({ "name": "SGX_AESM_ADDR", "value": "1" })]),
                (
                    "volumeMounts",
                    vec![
                        json!({ "name": "aesmd-socket", "mountPath": "/var/run/aesmd", "readOnly": true }),
                        json!({ "name": "aesmd-socket", "mountPath": "/var/run/aesmd" }),
                    ],
                ),
            ] {
                remove_last(container.get_mut(list), &added);
            }
        }
    }
    let folder = json!({ "path": "/var/run/aesmd", "type": "DirectoryOrCreate" });
    remove_last(
        pod.pointer_mut("/spec/volumes"),
        &[
            json!({ "name": "aesmd-socket", "emptyDir": { "medium": "Memory" } }),
            json!({ "name": "aesmd-socket", "hostPath": folder }),
        ],
    );
    without_empty(&mut pod);
    pod
}

fn remove_last(list: Option<&mut Value>, added: &[Value]) {
    if let Some(list) = list.and_then(Value::as_array_mut)
        && list.last().is_some_and(|last| added.contains(last))
    {
        list.pop();
    }
}

/// An empty map or list is as good as none, and `null` is none.
fn without_empty(value: &mut Value) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(without_empty);
            map.retain(|_, value| !is_empty(value));
        }
        Value::Array(list) => list.iter_mut().for_each(without_empty),
        _ => {}
    }
}

proptest! {
    #[test]
    fn twice_is_once(pod in prop_oneof![3 => pod(), 1 => damaged(pod()).boxed()]) {
        if let Outcome::Allowed { patch, .. } = mutate(pod.clone()) {
            let once = apply::apply(pod, &json!(patch));
            match mutate(once.clone()) {
                Outcome::Allowed { patch, .. } => prop_assert!(patch.is_empty(), "{once}: {patch:?}"),
                Outcome::Refused { message } => panic!("{once}: {message}"),
            }
        }
    }

    #[test]
    fn everything_else_stays(pod in prop_oneof![3 => pod(), 1 => damaged(pod()).boxed()]) {
        if let Outcome::Allowed { patch, .. } = mutate(pod.clone()) {
            let after = apply::apply(pod.clone(), &json!(patch));
            prop_assert_eq!(others(&after), others(&pod));
        }
    }

    #[test]
    fn nothing_that_the_author_wrote_is_replaced_but_the_annotation(pod in pod()) {
        if let Outcome::Allowed { patch, .. } = mutate(pod) {
            for operation in patch.operations() {
                let annotation = "/metadata/annotations/sgx.intel.com~1epc";
                prop_assert!(
                    matches!(operation, Operation::Add { .. }) || json!(operation)["path"] == annotation,
                    "{operation:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_read_of_a_pod_changes_nothing(pod in prop_oneof![3 => pod(), 1 => damaged(pod()).boxed()]) {
        let part = FIELDS.read(pod.to_string().as_bytes()).expect("it is JSON");
        prop_assert_eq!(mutate(part), mutate(pod));
    }

    #[test]
    fn a_refusal_has_a_message(pod in prop_oneof![damaged(pod()).boxed(), anything().boxed()]) {
        if let Outcome::Refused { message } = mutate(pod) {
            prop_assert!(!message.is_empty());
        }
    }
}

#[test]
fn the_pods_of_these_tests_are_changed_often_enough_to_show_something() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut changed, mut refused) = (0, 0);
    for _ in 0..400 {
        let pod = pod().new_tree(&mut runner).expect("a pod").current();
        match mutate(pod) {
            Outcome::Allowed { patch, .. } => changed += usize::from(!patch.is_empty()),
            Outcome::Refused { .. } => refused += 1,
        }
    }
    assert!(changed > 60 && refused > 40, "{changed} changed, {refused} refused");
}
