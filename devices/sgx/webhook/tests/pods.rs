//! Pods and what becomes of them: every rule, and every case at its edge.
#![expect(
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

use serde_json::{Value, json};
use sgx_webhook::{mutate, review};
use webhook::{Outcome, Request};

#[path = "../../../../crates/webhook/tests/apply/mod.rs"]
mod apply;

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

/// The pod after its patch, which is empty for a pod that has it already, and the warnings.
fn mutated(pod: Value) -> (Value, Vec<String>) {
    let Outcome::Allowed { patch, warnings } = mutate(pod.clone()) else { panic!("refused: {pod}") };
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
fn the_daemons_folder_in_the_pod_is_in_memory() {
    let (pod, warnings) = mutated(pod("aesmd", json!([with_epc("a"), with_epc("aesmd")])));
    assert_eq!(
        pod["spec"]["volumes"],
        json!([{ "name": "aesmd-socket", "emptyDir": { "medium": "Memory" } }])
    );
    assert_eq!(warnings, [""; 0]);
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
fn no_memory_at_all_still_counts_as_asked_for() {
    let pod = pod("a", json!([container("a", json!({ "sgx.intel.com/epc": "0" }))]));
    assert_eq!(shown(&mutated(pod).0), "a: enclave=1 provision=1");
}

#[test]
fn numbers_that_the_author_set_stay() {
    let limits =
        json!({ "sgx.intel.com/epc": "1Mi", "sgx.intel.com/enclave": "5", "sgx.intel.com/provision": "3" });
    let (after, _) = mutated(pod("a", json!([container("a", limits)])));
    assert_eq!(shown(&after), "a: enclave=5 provision=3; epc 1Mi");
}

#[test]
fn a_variable_that_the_author_set_stays_the_only_one() {
    for variable in [
        json!({ "name": "SGX_AESM_ADDR", "value": "tcp" }),
        json!({ "name": "SGX_AESM_ADDR", "valueFrom": { "fieldRef": { "fieldPath": "status.hostIP" } } }),
        json!({ "name": "SGX_AESM_ADDR" }),
    ] {
        let mut container = with_epc("a");
        container["env"] = json!([variable, { "name": "B", "value": "2" }]);
        let (after, _) = mutated(pod("aesmd", json!([container])));
        assert_eq!(after["spec"]["containers"][0]["env"], container["env"]);
    }
}

#[test]
fn the_variable_comes_after_those_of_the_author() {
    let mut container = with_epc("a");
    container["env"] = json!([{ "name": "B", "value": "2" }]);
    let (after, _) = mutated(pod("aesmd", json!([container])));
    assert_eq!(after["spec"]["containers"][0]["env"][1], json!({ "name": "SGX_AESM_ADDR", "value": "1" }));
}

#[test]
fn a_folder_of_the_authors_own_is_used_and_no_other_is_added() {
    for path in ["/var/run/aesmd", "/var/run/aesmd/", "/var//run/./aesmd"] {
        let mut container = with_epc("a");
        container["volumeMounts"] = json!([{ "name": "mine", "mountPath": path }]);
        let mut pod = pod("aesmd", json!([container]));
        pod["spec"]["volumes"] = json!([{ "name": "mine", "emptyDir": {} }]);
        let expected = format!("a: enclave=1 mine@{path},rw SGX_AESM_ADDR=1; mine emptyDir; epc 1Mi");
        let (after, warnings) = mutated(pod);
        assert_eq!((shown(&after), warnings), (expected, vec![]));
    }
}

#[test]
fn a_volume_of_the_authors_with_the_name_is_used() {
    for mounts in
        [json!([]), json!([{ "name": "aesmd-socket", "mountPath": "/var/run/aesmd", "readOnly": true }])]
    {
        let mut container = with_epc("a");
        container["volumeMounts"] = mounts;
        let mut pod = pod("aesmd", json!([container]));
        pod["spec"]["volumes"] = json!([{ "name": "aesmd-socket", "emptyDir": {} }]);
        let expected = format!("a: {CLIENT}; aesmd-socket emptyDir; epc 1Mi");
        let (after, warnings) = mutated(pod);
        assert_eq!((shown(&after), warnings), (expected, vec![]));
    }
}

#[test]
fn a_mount_of_the_volume_that_is_still_missing_gets_it() {
    let mut container = with_epc("a");
    container["volumeMounts"] =
        json!([{ "name": "aesmd-socket", "mountPath": "/var/run/aesmd", "readOnly": true }]);
    let (after, _) = mutated(pod("aesmd", json!([container])));
    assert_eq!(shown(&after), format!("a: {CLIENT}; aesmd-socket hostPath; epc 1Mi"));
}

#[test]
fn a_mount_elsewhere_does_not_count() {
    let mut container = with_epc("a");
    container["volumeMounts"] = json!([{ "name": "v", "mountPath": "/var/run/aesmd2" }]);
    let mut pod = pod("aesmd", json!([container]));
    pod["spec"]["volumes"] = json!([{ "name": "v", "emptyDir": {} }]);
    let mounts = mutated(pod).0["spec"]["containers"][0]["volumeMounts"].as_array().unwrap().len();
    assert_eq!(mounts, 2);
}

#[test]
fn who_may_use_the_provisioning_key_may_write_the_folder_for_it_may_be_a_daemon() {
    let limits = json!({ "sgx.intel.com/epc": "1Mi", "sgx.intel.com/provision": "1" });
    let (after, _) = mutated(pod("aesmd", json!([container("quotes", limits)])));
    assert_eq!(shown(&after), format!("quotes: {DAEMON}; aesmd-socket hostPath; epc 1Mi"));
}

#[test]
fn init_containers_and_sidecars_get_what_others_get() {
    let mut sidecar = with_epc("aesmd");
    sidecar["restartPolicy"] = json!("Always");
    let mut pod = pod("aesmd", json!([with_epc("a"), { "name": "plain" }]));
    pod["spec"]["initContainers"] = json!([with_epc("early"), sidecar, { "name": "other" }]);
    let expected = format!(
        "early: {CLIENT}; aesmd: {DAEMON}; other:; a: {CLIENT}; plain:; aesmd-socket emptyDir; epc 2Mi"
    );
    assert_eq!(shown(&mutated(pod).0), expected);
}

#[test]
fn an_init_container_that_ends_is_no_daemon_for_the_others() {
    let mut pod = pod("aesmd", json!([with_epc("a")]));
    pod["spec"]["initContainers"] = json!([with_epc("aesmd")]);
    let expected = format!("aesmd: {DAEMON}; a: {CLIENT}; aesmd-socket hostPath; epc 1Mi");
    assert_eq!(shown(&mutated(pod).0), expected);
}

#[test]
fn an_init_container_can_be_the_provider() {
    let mut pod = pod("init", json!([{ "name": "a" }]));
    pod["spec"]["initContainers"] = json!([with_epc("init")]);
    let (after, warnings) = mutated(pod);
    assert_eq!((shown(&after).as_str(), warnings), ("init: enclave=1 provision=1; a:; epc 1Mi", vec![]));
}

#[test]
fn the_annotation_has_the_most_memory_that_the_pod_has_at_one_time() {
    let of = |names: &[(&str, u32, bool)]| -> Value {
        let one = |(name, mib, stays): &(&str, u32, bool)| {
            let mut container = container(name, json!({ "sgx.intel.com/epc": format!("{mib}Mi") }));
            if *stays {
                container["restartPolicy"] = json!("Always");
            }
            container
        };
        names.iter().map(one).collect()
    };
    for (init, main, expected) in [
        (&[][..], &[("a", 1, false), ("b", 2, false)][..], "3Mi"),
        (&[("i", 8, false), ("j", 5, false)], &[("a", 1, false)], "8Mi"),
        (&[("i", 2, false)], &[("a", 3, false)], "3Mi"),
        (&[("s", 4, true)], &[("a", 3, false)], "7Mi"),
        (&[("s", 4, true), ("i", 8, false)], &[("a", 3, false)], "12Mi"),
        (&[("i", 8, false), ("s", 4, true)], &[("a", 3, false)], "8Mi"),
        (&[("s", 4, true), ("t", 5, true)], &[("a", 3, false)], "12Mi"),
        (&[], &[("a", 3, true), ("b", 4, true)], "7Mi"),
    ] {
        let pod = json!({ "metadata": {}, "spec": { "initContainers": of(init), "containers": of(main) } });
        assert_eq!(
            mutated(pod).0["metadata"]["annotations"]["sgx.intel.com/epc"],
            expected,
            "{init:?} {main:?}"
        );
    }
}

#[test]
fn ephemeral_containers_are_left_alone() {
    let mut pod = pod("debug", json!([with_epc("a")]));
    pod["spec"]["ephemeralContainers"] = json!([with_epc("debug")]);
    let (after, _) = mutated(pod.clone());
    assert_eq!(after["spec"]["ephemeralContainers"], pod["spec"]["ephemeralContainers"]);
    assert_eq!(shown(&after), "a: enclave=1; epc 1Mi");
}

#[test]
fn quantities_are_read_in_every_notation_and_written_as_kubernetes_does() {
    for (limit, request, written) in [
        (json!("1Mi"), json!("1048576"), "1Mi"),
        (json!("1.5Mi"), json!("1536Ki"), "1536Ki"),
        (json!("1k"), json!(1000), "1k"),
        (json!(42), json!("42000m"), "42"),
        (json!("94Mi"), json!("98566144"), "94Mi"),
        (json!("1e6"), json!("1M"), "1000000"),
        (json!("100000Gi"), json!("100000Gi"), "100000Gi"),
        (json!("1Pi"), json!("1Pi"), "1Pi"),
    ] {
        let resources =
            json!({ "limits": { "sgx.intel.com/epc": limit }, "requests": { "sgx.intel.com/epc": request } });
        let (after, _) = mutated(pod("", json!([{ "name": "a", "resources": resources }])));
        assert_eq!(after["metadata"]["annotations"]["sgx.intel.com/epc"], written);
        let kept = &after["spec"]["containers"][0]["resources"];
        assert_eq!(
            (&kept["limits"]["sgx.intel.com/epc"], &kept["requests"]["sgx.intel.com/epc"]),
            (&limit, &request)
        );
    }
}

#[test]
fn limits_alone_are_enough() {
    let container = json!({ "name": "a", "resources": { "limits": { "sgx.intel.com/epc": "1Mi" } } });
    assert_eq!(shown(&mutated(pod("", json!([container]))).0), "a: enclave=1; epc 1Mi");
}

#[test]
fn amounts_that_the_api_would_refuse_later_are_refused_with_container_resource_and_amount() {
    for (limits, requests, message) in [
        (
            json!({}),
            json!({ "epc": "1Mi" }),
            r#"epc: requests have "1Mi", but limits nothing: write it under limits, requests follow by themselves"#,
        ),
        (
            json!({ "epc": "1Mi" }),
            json!({ "epc": "2Mi" }),
            r#"epc: requests have "2Mi", but limits "1Mi": make both the same, for devices are not overcommitted"#,
        ),
        (
            json!({ "enclave": "1" }),
            json!({ "enclave": "0" }),
            r#"enclave: requests have "0", but limits "1": make both the same, for devices are not overcommitted"#,
        ),
        (json!({ "epc": "500m" }), json!({}), r#"epc: "500m" is no whole number of units, as devices need"#),
        (json!({ "epc": 1.1 }), json!({}), "epc: 1.1 is no whole number of units, as devices need"),
        (json!({ "epc": "-1" }), json!({ "epc": "-1" }), r#"epc: "-1" is less than nothing"#),
        (json!({ "epc": "8Ei" }), json!({}), r#"epc: "8Ei" is more than a quantity can be, 2^63-1"#),
        (
            json!({ "epc": [] }),
            json!({}),
            "epc: a quantity is a text or a number, not a list, a map, true or false",
        ),
        (
            json!({ "provision": "1 Mi" }),
            json!({}),
            r#"provision: "1 Mi" is no quantity: write a number, and after it nothing, one of n u m k M G T P E Ki Mi Gi Ti Pi Ei, or an exponent like e3"#,
        ),
    ] {
        let named = |amounts: &Value| -> Value {
            amounts
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, amount)| (format!("sgx.intel.com/{name}"), amount.clone()))
                .collect()
        };
        let resources = json!({ "limits": named(&limits), "requests": named(&requests) });
        for list in ["containers", "initContainers"] {
            let pod = json!({ "spec": { list: [{ "name": "a", "resources": resources }] } });
            assert_eq!(refused(pod), format!("container \"a\": sgx.intel.com/{message}"));
        }
    }
}

#[test]
fn more_memory_than_can_be_counted_is_refused() {
    let half = container("a", json!({ "sgx.intel.com/epc": "4Ei" }));
    assert_eq!(
        refused(pod("", json!([half, half]))),
        "the containers ask for more sgx.intel.com/epc together than 2^63-1 bytes"
    );
}

#[test]
fn resources_of_others_are_not_looked_at() {
    let limits = json!({ "sgx.intel.company/x": "500m", "sgx.intel.com": "-1", "sgx.intel.comet/epc": "?", "cpu": "1m" });
    let pod = json!({ "spec": { "containers": [{ "name": "a", "resources": { "limits": limits } }] } });
    assert_eq!(mutate(pod), Outcome::unchanged());
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
fn a_daemon_in_the_pod_shares_its_folder_also_if_it_asks_for_no_memory() {
    let plain = json!({ "name": "aesmd" });
    let (after, warnings) = mutated(pod("aesmd", json!([with_epc("a"), plain])));
    let expected =
        format!("a: {CLIENT}; aesmd: aesmd-socket@/var/run/aesmd,rw; aesmd-socket emptyDir; epc 1Mi");
    assert_eq!(shown(&after), expected);
    assert_eq!(
        warnings,
        [
            "container \"aesmd\" asks for no sgx.intel.com/epc: it cannot make quotes without the devices of SGX"
        ]
    );
    let by_hand = container("aesmd", json!({ "sgx.intel.com/enclave": "1", "sgx.intel.com/provision": "1" }));
    let (_, warnings) = mutated(pod("aesmd", json!([with_epc("a"), by_hand])));
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn the_nodes_folder_is_warned_of_where_the_author_may_not_expect_it() {
    let (_, warnings) = mutated(pod("aesmd", json!([with_epc("a")])));
    assert!(warnings.len() == 1 && warnings[0].contains("/var/run/aesmd (hostPath)"), "{warnings:?}");
    let (_, warnings) = mutated(pod("aesmd", json!([with_epc("aesmd")])));
    assert_eq!(warnings, [""; 0]);
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
        (of(json!("x")), "/spec/containers/0/resources is not a map"),
        (of(json!({ "limits": [] })), "/spec/containers/0/resources/limits is not a map of resources"),
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
    };
    assert_eq!(review(request("CREATE", "")), mutate(pod("", json!([with_epc("a")]))));
    for (operation, subresource) in
        [("UPDATE", ""), ("CONNECT", ""), ("CREATE", "binding"), ("UPDATE", "ephemeralcontainers")]
    {
        assert_eq!(review(request(operation, subresource)), Outcome::unchanged());
    }
}
