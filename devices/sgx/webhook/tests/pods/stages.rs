//! Init containers, sidecars and ephemeral containers.

use serde_json::{Value, json};

use crate::{CLIENT, DAEMON, container, mutated, pod, shown, with_epc};

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
fn init_containers_that_end_before_the_daemon_starts_are_no_clients_of_it() {
    let mut alone = pod("aesmd", json!([with_epc("aesmd")]));
    alone["spec"]["initContainers"] = json!([with_epc("early")]);
    let expected = format!("early: {CLIENT}; aesmd: {DAEMON}; aesmd-socket hostPath; epc 1Mi");
    assert_eq!(shown(&mutated(alone).0), expected);

    let mut sidecar = with_epc("aesmd");
    sidecar["restartPolicy"] = json!("Always");
    for (init, volume) in
        [([sidecar.clone(), with_epc("a")], "emptyDir"), ([with_epc("a"), sidecar], "hostPath")]
    {
        let mut pod = pod("aesmd", json!([{ "name": "plain" }]));
        pod["spec"]["initContainers"] = json!(init);
        let after = shown(&mutated(pod).0);
        assert!(after.contains(&format!("plain:; aesmd-socket {volume};")), "{after}");
    }
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
