//! Pods that ask by readable names, and what becomes of them.
#![expect(clippy::indexing_slicing, reason = "helpers of tests")]

mod scene;

use scene::*;
use serde_json::{Value, json};

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
