//! The daemon's folder, and the variable by which it is found.

use serde_json::json;

use crate::{CLIENT, DAEMON, container, mutated, pod, shown, with_epc};

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
