//! Pods that ask by readable names, and what becomes of them.

use super::scene::*;
use serde_json::{Value, json};
use webhook::{Outcome, Request};

/// An operation on the only container's resources.
fn operation(op: &str, kind: &str, name: &str, value: Option<&str>) -> Value {
    let mut operation =
        json!({ "op": op, "path": format!("/spec/containers/0/resources/{kind}/fpga.intel.com~1{name}") });
    if let Some(value) = value {
        operation["value"] = json!(value);
    }
    operation
}

/// The patch that takes one name's place by another.
fn renamed(from: &str, to: &str, units: &str) -> Vec<Value> {
    vec![
        operation("remove", "limits", from, None),
        operation("remove", "requests", from, None),
        operation("add", "limits", to, Some(units)),
        operation("add", "requests", to, Some(units)),
    ]
}

#[test]
fn the_name_of_a_function_that_is_in_its_card_becomes_the_nodes_name_for_it() {
    let (operations, warnings) = patch(pod(&[("d5005-nlb3-preprogrammed", "1")]));
    let expected = renamed("d5005-nlb3-preprogrammed", AF_D5005_NLB3, "1");
    assert_eq!((operations, warnings), (json!(expected), vec![]));
}

#[test]
fn the_name_of_a_region_becomes_the_nodes_name_for_it() {
    let (operations, _) = patch(pod(&[("d5005", "1")]));
    assert_eq!(operations, json!(renamed("d5005", &format!("region-{D5005}"), "1")));
}

#[test]
fn a_function_that_is_to_be_programmed_is_also_said_in_variables() {
    let (operations, _) = patch(pod(&[("arria-nlb0", "1")]));
    let mut expected = renamed("arria-nlb0", &format!("region-{ARRIA}"), "1");
    expected.push(json!({
        "op": "add",
        "path": "/spec/containers/0/env",
        "value": [{ "name": "FPGA_REGION_1", "value": ARRIA }, { "name": "FPGA_AFU_1", "value": NLB0 }],
    }));
    assert_eq!(operations, json!(expected));
}

#[test]
fn names_of_one_function_add_up() {
    for (units, expected) in [
        (
            &[("arria-nlb0", "1"), ("arria-nlb0-alias", "2")][..],
            format!(
                "region-{ARRIA}=3 FPGA_REGION_1={ARRIA} FPGA_AFU_1={NLB0} FPGA_REGION_2={ARRIA} FPGA_AFU_2={NLB0} FPGA_REGION_3={ARRIA} FPGA_AFU_3={NLB0}"
            ),
        ),
        (&[("d5005-nlb3-preprogrammed", "1"), ("d5005-nlb3-alias", "1k")], format!("{AF_D5005_NLB3}=1001")),
        (&[("d5005-nlb3-alias", "1"), (AF_D5005_NLB3, "2")], format!("{AF_D5005_NLB3}=3")),
        (&[("d5005", "1"), (&format!("region-{D5005}"), "2")], format!("region-{D5005}=3")),
    ] {
        let (after, warnings) = mutated(pod(units));
        assert_eq!((shown(&after), warnings), (expected, vec![]));
    }
}

#[test]
fn functions_are_numbered_in_the_order_of_their_names() {
    let (after, _) = mutated(pod(&[("arria-nlb3", "2"), ("arria-nlb0", "1")]));
    let expected = format!(
        "region-{ARRIA}=3 FPGA_REGION_1={ARRIA} FPGA_AFU_1={NLB0} FPGA_REGION_2={ARRIA} FPGA_AFU_2={NLB3} FPGA_REGION_3={ARRIA} FPGA_AFU_3={NLB3}"
    );
    assert_eq!(shown(&after), expected);
}

#[test]
fn a_program_with_a_longer_hash_is_a_function_too() {
    let mappings = mappings();
    let mut pod = request(pod(&[("matrix", "1")]));
    pod.namespace = "other".to_owned();
    let Outcome::Allowed { patch, .. } = fpga_webhook::review(&mappings, pod) else { panic!("refused") };
    assert_eq!(json!(patch)[4]["value"][1], json!({ "name": "FPGA_AFU_1", "value": MATRIX }));
}

#[test]
fn init_containers_and_sidecars_get_what_others_get() {
    let of = |name: &str| json!({ "name": name, "resources": resources(&[("arria-nlb0", "1")]) });
    let mut sidecar = of("s");
    sidecar["restartPolicy"] = json!("Always");
    let (after, _) = mutated(json!({
        "metadata": { "name": "p" },
        "spec": { "initContainers": [of("i"), sidecar, { "name": "plain" }], "containers": [of("c")] },
    }));
    let (init, main) = (&after["spec"]["initContainers"], &after["spec"]["containers"]);
    for container in [&init[0], &init[1], &main[0]] {
        assert_eq!(container["resources"], resources(&[(&format!("region-{ARRIA}"), "1")]));
        assert_eq!(container["env"], variables(&[("FPGA_REGION_1", ARRIA), ("FPGA_AFU_1", NLB0)]));
    }
    assert_eq!(init[2], json!({ "name": "plain" }));
    assert_eq!(init[1]["restartPolicy"], "Always");
}

#[test]
fn limits_alone_are_enough() {
    let mut alone = pod(&[("d5005", "1")]);
    alone["spec"]["containers"][0]["resources"].as_object_mut().unwrap().remove("requests");
    assert_eq!(shown(&mutated(alone).0), format!("region-{D5005}=1"));
}

#[test]
fn amounts_are_numbers_however_they_are_written() {
    for (limit, request, written) in [
        (json!("1"), json!("1000m"), "1"),
        (json!("1k"), json!(1000), "1000"),
        (json!("2Ki"), json!("2048"), "2048"),
        (json!("1e2"), json!("100"), "100"),
        (json!("0"), json!(null), "0"),
    ] {
        let mut pod = pod(&[]);
        pod["spec"]["containers"][0]["resources"] = json!({
            "limits": { "fpga.intel.com/d5005": limit, "cpu": "1" },
            "requests": { "fpga.intel.com/d5005": request, "cpu": "1" },
        });
        assert_eq!(shown(&mutated(pod).0), format!("cpu=1 region-{D5005}={written}"));
    }
}

#[test]
fn resources_of_others_are_not_looked_at() {
    let limits = json!({ "fpga.intel.company/x": "500m", "fpga.intel.com": "-1", "fpga.intel.com.example/y": "?", "cpu": "1m" });
    let pod = json!({ "spec": { "containers": [{ "resources": { "limits": limits }, "env": variables(&[("FPGA_AFU_1", "x")]) }] } });
    assert_eq!(decide(pod), Outcome::unchanged());
}

#[test]
fn none_of_something_is_none_of_it_by_its_real_name() {
    let (after, _) = mutated(pod(&[("arria-nlb0", "0")]));
    assert_eq!(shown(&after), format!("region-{ARRIA}=0"));
}

#[test]
fn only_new_pods_are_changed() {
    let asked = |operation: &str, subresource: &str| Request {
        operation: operation.to_owned(),
        subresource: subresource.to_owned(),
        ..request(pod(&[("zzz", "1")]))
    };
    for (operation, subresource) in
        [("UPDATE", ""), ("CONNECT", ""), ("CREATE", "binding"), ("UPDATE", "ephemeralcontainers")]
    {
        let outcome = fpga_webhook::review(&mappings(), asked(operation, subresource));
        assert_eq!(outcome, Outcome::unchanged());
    }
}
