//! Pods that ask by the names that nodes have: only for what an object of their namespace stands for.

use super::scene::*;
use fpga_webhook::review;
use serde_json::{Value, json};
use webhook::Outcome;

/// What asks for a region in a way that a readable name would have made.
const PAIR: [(&str, &str); 2] = [("FPGA_REGION_1", ARRIA), ("FPGA_AFU_1", NLB0)];

fn arria() -> String {
    format!("region-{ARRIA}")
}

fn d5005() -> String {
    format!("region-{D5005}")
}

/// Why a container with one unit of the Arria's region and these variables is refused.
fn problem(env: Value) -> String {
    let message = refused(pod_with(&[(&arria(), "1")], env));
    let start =
        format!("container \"c\": fpga.intel.com/{} is not for this namespace to program freely: ", arria());
    let rest = message.strip_prefix(&start).unwrap_or_else(|| panic!("{message}"));
    let (problem, names) = rest.split_once("; ask by one of its names: it has ").unwrap();
    assert!(names.starts_with("arria-nlb0, "), "{message}");
    problem.to_owned()
}

#[test]
fn a_function_of_the_namespace_may_be_asked_for() {
    for name in [AF_ARRIA_NLB0, AF_D5005_NLB3] {
        assert_eq!(decide(pod(&[(name, "1")])), Outcome::unchanged());
    }
    assert_eq!(decide(pod(&[(AF_ARRIA_NLB0, "1"), (AF_D5005_NLB3, "2")])), Outcome::unchanged());
}

#[test]
fn a_function_that_no_object_of_the_namespace_stands_for_is_refused() {
    // One that only another namespace has; one that here is programmed, which is not the same; one of nobody.
    for name in [
        "af-ce4.f7d.zkiWk5jwXzOUbVYHCL4QivffQFy9es9yIvFEsLk6zRg",
        "af-fff.fff.__________________________________________8",
    ] {
        let message = refused(pod(&[(name, "1")]));
        let expected = format!(
            "container \"c\": fpga.intel.com/{name} is not for this namespace, as none of its objects stands for it; ask by one of its names: it has arria-nlb0, "
        );
        assert!(message.starts_with(&expected), "{message}");
    }
    let mappings = nothing();
    let Outcome::Refused { message } = review(&mappings, request(pod(&[(AF_ARRIA_NLB0, "1")]))) else {
        panic!("allowed")
    };
    assert!(message.ends_with("it has no AcceleratorFunction or FpgaRegion"), "{message}");
}

#[test]
fn a_region_of_the_namespace_may_be_asked_for_and_programmed_with_anything() {
    for env in [
        json!([]),
        variables(&[("FPGA_REGION_1", D5005), ("FPGA_AFU_1", "anything")]),
        json!([{ "name": "FPGA_AFU_x", "valueFrom": {} }]),
    ] {
        assert_eq!(decide(pod_with(&[(&d5005(), "3")], env)), Outcome::unchanged());
    }
}

#[test]
fn a_region_that_no_object_of_the_namespace_stands_for_is_refused() {
    let other = "region-9926ab6d6c925a68aabca7d84c545738";
    let message = refused(pod_with(&[(other, "1")], variables(&PAIR)));
    let expected = format!("container \"c\": fpga.intel.com/{other} is not for this namespace, as none");
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn a_region_for_functions_may_be_asked_for_with_just_these() {
    let three = [
        ("FPGA_AFU_2", NLB3),
        ("OTHER", "x"),
        ("FPGA_REGION_1", ARRIA),
        ("FPGA_REGION_3", ARRIA),
        ("FPGA_AFU_3", NLB0),
        ("FPGA_REGION_2", ARRIA),
        ("FPGA_AFU_1", NLB0),
    ];
    for (units, env) in [
        (&[(arria().as_str(), "1")][..], &PAIR[..]),
        (&[(&arria(), "3")], &three[..]),
        (&[(&arria(), "0")], &[]),
        // With the other region everything may be done.
        (&[(&arria(), "1"), (&d5005(), "1")], &PAIR),
        (
            &[(&arria(), "1"), (&d5005(), "1")],
            &[
                ("FPGA_REGION_1", D5005),
                ("FPGA_AFU_1", "all"),
                ("FPGA_REGION_2", ARRIA),
                ("FPGA_AFU_2", NLB3),
            ],
        ),
    ] {
        let pod = pod_with(units, variables(env));
        assert_eq!(decide(pod.clone()), Outcome::unchanged(), "{pod}");
    }
}

#[test]
fn a_region_for_functions_is_refused_with_any_other_variables() {
    let of = |pairs: &[(&str, &str)]| variables(pairs);
    let with = |more: &[(&str, &str)]| of(&[&PAIR[..], more].concat());
    let from =
        |name: &str| json!({ "name": name, "valueFrom": { "configMapKeyRef": { "name": "m", "key": "k" } } });
    for (env, expected) in [
        (json!(null), format!("limits have 1 of region-{ARRIA}, and 0 of the variables FPGA_REGION_<n> name it")),
        (of(&PAIR[..1]), "FPGA_AFU_1 is missing".to_owned()),
        (of(&PAIR[1..]), "FPGA_REGION_1 is missing".to_owned()),
        (
            with(&[("FPGA_REGION_2", ARRIA), ("FPGA_AFU_2", NLB0)]),
            format!("limits have 1 of region-{ARRIA}, and 2 of the variables FPGA_REGION_<n> name it"),
        ),
        (with(&[("FPGA_REGION_3", ARRIA), ("FPGA_AFU_3", NLB0)]), "FPGA_REGION_2 is missing".to_owned()),
        (
            of(&[("FPGA_REGION_1", ARRIA), ("FPGA_AFU_1", MATRIX)]),
            format!("FPGA_AFU_1 is \"{MATRIX}\", which no AcceleratorFunction of mode region in the namespace allows for that region"),
        ),
        (
            of(&[("FPGA_REGION_1", ARRIA), ("FPGA_AFU_1", "$(EVIL)"), ("EVIL", NLB0)]),
            "FPGA_AFU_1 is \"$(EVIL)\", which no AcceleratorFunction of mode region in the namespace allows for that region".to_owned(),
        ),
        (
            of(&[("FPGA_REGION_1", D5005), ("FPGA_AFU_1", NLB0)]),
            format!("FPGA_REGION_1 is \"{D5005}\", which is no region that the container asks for"),
        ),
        // As the hook would read it, which takes the last of a number.
        (with(&[("FPGA_AFU_01", MATRIX)]), "FPGA_AFU_01 is none of FPGA_REGION_1, FPGA_AFU_1, FPGA_REGION_2, …".to_owned()),
        (with(&[("FPGA_AFU_0", MATRIX)]), "FPGA_AFU_0 is none of FPGA_REGION_1, FPGA_AFU_1, FPGA_REGION_2, …".to_owned()),
        (with(&[("FPGA_AFU", MATRIX)]), "FPGA_AFU is none of FPGA_REGION_1, FPGA_AFU_1, FPGA_REGION_2, …".to_owned()),
        (with(&[("FPGA_REGION_", "")]), "FPGA_REGION_ is none of FPGA_REGION_1, FPGA_AFU_1, FPGA_REGION_2, …".to_owned()),
        (with(&[("FPGA_AFU_1", NLB0)]), "FPGA_AFU_1 is set twice".to_owned()),
        (json!([{ "name": "FPGA_REGION_1", "value": ARRIA }, from("FPGA_AFU_1")]), "FPGA_AFU_1 is set from elsewhere (valueFrom): write its value".to_owned()),
        (
            json!([{ "name": "FPGA_REGION_1", "value": ARRIA }, { "name": "FPGA_AFU_1", "value": 1 }]),
            "FPGA_AFU_1 is \"\", which no AcceleratorFunction of mode region in the namespace allows for that region".to_owned(),
        ),
    ] {
        assert_eq!(problem(env.clone()), expected, "{env}");
    }
}

#[test]
fn variables_that_come_from_elsewhere_do_not_count() {
    let mut pod = pod(&[(&arria(), "1")]);
    pod["spec"]["containers"][0]["envFrom"] = json!([{ "configMapRef": { "name": "with-the-pair" } }]);
    assert!(refused(pod).contains("and 0 of the variables"));
}

#[test]
fn units_of_a_region_are_counted_for_each_region() {
    let mappings = mappings();
    mappings.delete(&region("default", "d5005", D5005));
    mappings.apply(&function("default", "d5005-nlb0", "region", D5005, NLB0));
    let pod = pod_with(
        &[(&arria(), "1"), (&d5005(), "1")],
        variables(&[
            ("FPGA_REGION_1", ARRIA),
            ("FPGA_AFU_1", NLB0),
            ("FPGA_REGION_2", ARRIA),
            ("FPGA_AFU_2", NLB0),
        ]),
    );
    let Outcome::Refused { message } = review(&mappings, request(pod)) else { panic!("allowed") };
    assert!(message.contains("limits have 1 of region-"), "{message}");
}

#[test]
fn init_containers_are_held_to_it_too() {
    let mut pod = pod(&[(&arria(), "1")]);
    let containers = pod["spec"].as_object_mut().unwrap().remove("containers").unwrap();
    pod["spec"]["initContainers"] = containers;
    assert!(refused(pod).contains("and 0 of the variables"));
}

#[test]
fn a_region_by_both_kinds_of_names_in_one_container_is_refused_where_functions_are_programmed() {
    let pod = pod_with(&[("arria-nlb0", "1"), (&arria(), "1")], variables(&PAIR));
    assert_eq!(
        refused(pod),
        format!(
            "container \"c\": fpga.intel.com/arria-nlb0 and fpga.intel.com/{} cannot be asked for together, as it would not be clear what is programmed: ask for all by readable names",
            arria()
        )
    );
}

#[test]
fn an_object_with_the_name_of_a_resource_does_not_change_its_meaning() {
    let mappings = nothing();
    mappings.apply(&function("default", &d5005(), "region", ARRIA, NLB0));
    let asking = || request(pod(&[(&d5005(), "1")]));
    let Outcome::Refused { message } = review(&mappings, asking()) else { panic!("allowed") };
    let reason = "is wrong: it has the name of a resource that nodes offer: give it another";
    assert!(message.ends_with(reason), "{message}");
    // The region's own name for itself can do no harm.
    mappings.apply(&region("default", &d5005(), D5005));
    assert_eq!(review(&mappings, asking()), Outcome::unchanged());
}

#[test]
fn a_function_that_was_deleted_is_no_longer_for_pods() {
    let mappings = mappings();
    let asking = || request(pod(&[(AF_D5005_NLB3, "1")]));
    mappings.delete(&function("default", "d5005-nlb3-preprogrammed", "af", D5005, NLB3));
    assert_eq!(review(&mappings, asking()), Outcome::unchanged(), "its other name is still there");
    mappings.apply(&function("default", "d5005-nlb3-alias", "af", D5005, NLB0));
    assert!(matches!(review(&mappings, asking()), Outcome::Refused { .. }));
}
