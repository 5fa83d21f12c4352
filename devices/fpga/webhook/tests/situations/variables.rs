//! The variables of containers that ask by readable names.

use super::scene::*;
use serde_json::json;

fn removed(name: &str) -> String {
    format!("container \"c\": {name} is removed: what begins like it is set by the FPGA webhook")
}

#[test]
fn those_of_the_webhook_come_first_and_those_of_the_author_stay_as_they_are() {
    let env = json!([
        { "name": "B", "value": "a \"quoted\"\\\n value" },
        { "name": "NODE", "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } }, "unheard": [1] },
        { "name": "B", "value": "$(FPGA_AFU_1)" },
        { "name": "A" },
        { "value": "without a name" },
    ]);
    let (operations, warnings) = patch(pod_with(&[("arria-nlb0", "1")], env.clone()));
    assert_eq!(warnings, [""; 0]);
    let ours = |number: usize, name: &str, value: &str| json!({ "op": "add", "path": format!("/spec/containers/0/env/{number}"), "value": { "name": name, "value": value } });
    assert_eq!(
        operations.as_array().unwrap()[4..],
        [ours(0, "FPGA_REGION_1", ARRIA), ours(1, "FPGA_AFU_1", NLB0)]
    );
    let (after, _) = mutated(pod_with(&[("arria-nlb0", "1")], env.clone()));
    assert_eq!(after["spec"]["containers"][0]["env"].as_array().unwrap()[2..], env.as_array().unwrap()[..]);
}

#[test]
fn containers_of_other_modes_keep_their_variables() {
    for name in ["d5005", "d5005-nlb3-preprogrammed"] {
        let env = json!([{ "name": "B", "value": "b" }, { "name": "MY_FPGA_AFU_1", "value": "mine" }]);
        let (after, warnings) = mutated(pod_with(&[(name, "1")], env.clone()));
        assert_eq!((&after["spec"]["containers"][0]["env"], warnings), (&env, vec![]));
    }
}

#[test]
fn reserved_variables_of_the_author_are_removed_with_a_warning() {
    let env = json!([
        { "name": "FPGA_AFU_1", "value": NLB3 },
        { "name": "FAKE_VAR", "value": "fake" },
        { "name": "FPGA_AFU", "value": "x" },
        { "name": "FPGA_REGION_2", "valueFrom": { "configMapKeyRef": { "name": "m", "key": "k" } } },
        { "name": "FPGA_AFU_1", "value": MATRIX },
        { "name": "FPGA_REGIONAL", "value": "x" },
    ]);
    let warnings: Vec<String> =
        ["FPGA_AFU_1", "FPGA_AFU", "FPGA_REGION_2", "FPGA_AFU_1", "FPGA_REGIONAL"].map(removed).into();
    for (name, expected) in [
        ("arria-nlb0", format!("region-{ARRIA}=1 FPGA_REGION_1={ARRIA} FPGA_AFU_1={NLB0} FAKE_VAR=fake")),
        ("d5005", format!("region-{D5005}=1 FAKE_VAR=fake")),
        ("arria-nlb0-preprogrammed", format!("{AF_ARRIA_NLB0}=1 FAKE_VAR=fake")),
    ] {
        let (after, found) = mutated(pod_with(&[(name, "1")], env.clone()));
        assert_eq!((shown(&after), &found), (expected, &warnings));
    }
}

#[test]
fn a_list_of_reserved_ones_alone_becomes_empty() {
    let env = variables(&[("FPGA_REGION_1", ARRIA), ("FPGA_AFU_1", NLB0)]);
    let (after, warnings) = mutated(pod_with(&[("d5005", "1")], env));
    assert_eq!(after["spec"]["containers"][0]["env"], json!([]));
    assert_eq!(warnings.len(), 2);
}

#[test]
fn containers_without_fpgas_keep_theirs() {
    let env = variables(&[("FPGA_REGION_1", ARRIA), ("FPGA_AFU_1", NLB0)]);
    let mut pod = pod(&[("d5005", "1")]);
    pod["spec"]["containers"].as_array_mut().unwrap().push(json!({ "name": "other", "env": env }));
    let (after, warnings) = mutated(pod);
    assert_eq!((&after["spec"]["containers"][1]["env"], warnings), (&env, vec![]));
}

#[test]
fn sources_of_whole_lists_stay() {
    let mut pod = pod(&[("arria-nlb0", "1")]);
    let sources = json!([{ "configMapRef": { "name": "settings" } }]);
    pod["spec"]["containers"][0]["envFrom"] = sources.clone();
    let (after, _) = mutated(pod);
    assert_eq!(after["spec"]["containers"][0]["envFrom"], sources);
}
