//! Pods that are refused, and why.

use serde_json::{Value, json};
use webhook::Outcome;

use super::scene::*;

#[test]
fn amounts_that_the_api_would_refuse_later_are_refused() {
    for (limits, requests, message) in [
        (json!({}), json!({ "d5005": "1" }), r#"requests have "1", but limits nothing"#),
        (json!({ "d5005": "1" }), json!({ "d5005": "2" }), r#"requests have "2", but limits "1""#),
        (json!({ "d5005": "1.1" }), json!({}), r#""1.1" is no whole number of units"#),
        (json!({ "d5005": "-1" }), json!({}), r#""-1" is less than nothing"#),
        (json!({ "d5005": "9Ei" }), json!({}), r#""9Ei" is more than a quantity can be"#),
        (json!({ "d5005": "one" }), json!({}), r#""one" is no quantity"#),
        (json!({ "d5005": [] }), json!({}), "a quantity is a text or a number"),
    ] {
        let named = |amounts: &Value| -> Value {
            let amounts = amounts.as_object().unwrap().iter();
            amounts.map(|(name, amount)| (format!("fpga.intel.com/{name}"), amount.clone())).collect()
        };
        let mut pod = pod(&[]);
        pod["spec"]["containers"][0]["resources"] =
            json!({ "limits": named(&limits), "requests": named(&requests) });
        let found = refused(pod);
        assert!(found.starts_with(&format!("container \"c\": fpga.intel.com/d5005: {message}")), "{found}");
    }
}

#[test]
fn what_is_asked_for_in_one_container_is_of_one_mode() {
    for (one, other, modes) in [
        ("arria-nlb0", "arria-nlb0-preprogrammed", ["region", "af"]),
        ("arria-nlb0", "d5005", ["region", "regiondevel"]),
        ("arria-nlb0-preprogrammed", "d5005", ["af", "regiondevel"]),
        ("d5005", AF_D5005_NLB3, ["regiondevel", "af"]),
        ("arria-nlb0-preprogrammed", &format!("region-{ARRIA}"), ["af", "region"]),
        ("arria-nlb0", &format!("region-{D5005}"), ["region", "regiondevel"]),
    ] {
        let expected = format!(
            "container \"c\": fpga.intel.com/{one} is of mode {}, and fpga.intel.com/{other} of mode {}: a node is in one mode, so ask for them in different pods",
            modes[0], modes[1]
        );
        assert_eq!(refused(pod(&[(one, "1"), (other, "1")])), expected);
    }
    let both = |first: &str, second: &str| {
        let of = |name: &str| json!({ "name": name, "resources": resources(&[(name, "1")]) });
        json!({ "metadata": { "name": "p" }, "spec": { "containers": [of(first), of(second)] } })
    };
    mutated(both("arria-nlb0", "d5005"));
}

#[test]
fn a_name_that_the_namespace_has_not_is_refused_with_those_that_it_has() {
    let known = "arria-nlb0, arria-nlb0-alias, arria-nlb0-preprogrammed, arria-nlb3, d5005 and 2 more";
    for (name, names) in [
        ("zzz", known),
        ("", known),
        // Of another namespace.
        ("matrix", known),
        (
            "d5005-nlb3-preprogramed",
            "d5005-nlb3-preprogrammed, d5005-nlb3-alias, d5005, arria-nlb0, arria-nlb0-alias and 2 more",
        ),
        ("af-f7df405cbd7acf7222f144b0b93acd18", known),
    ] {
        let message = refused(pod(&[(name, "1")]));
        let start =
            format!("container \"c\": fpga.intel.com/{name} is not known in this namespace, which has ");
        let names = if name.starts_with("af-") { "arria-nlb0, " } else { names };
        assert!(message.starts_with(&format!("{start}{names}")), "{message}");
    }
    let mut elsewhere = request(pod(&[("d5005", "1")]));
    elsewhere.namespace = "empty".to_owned();
    assert_eq!(
        fpga_webhook::review(&mappings(), elsewhere),
        Outcome::Refused {
            message: "pod \"p\" in namespace \"empty\": container \"c\": fpga.intel.com/d5005 is not known in this namespace, which has no AcceleratorFunction or FpgaRegion".to_owned()
        }
    );
}

#[test]
fn an_object_that_cannot_work_says_so_to_the_pod() {
    let long = "0123456789".repeat(4);
    for (object, reason) in [
        (
            function("default", "x", "af", "zz", NLB0),
            "spec.interfaceId \"zz\" is no id: expected 32 hexadecimal digits".to_owned(),
        ),
        (
            function("default", "x", "region", "ce489693", NLB0),
            "spec.interfaceId \"ce489693\" is no id: expected 32 hexadecimal digits".to_owned(),
        ),
        (
            function("default", "x", "af", ARRIA, &long),
            format!(
                "spec.afuId \"{long}\" is no id: expected 32 hexadecimal digits, as cards report in mode af"
            ),
        ),
        (
            function("default", "x", "region", ARRIA, "../x"),
            "spec.afuId \"../x\" is no name of a bitstream: expected 1 to 64 letters and digits".to_owned(),
        ),
        (
            function("default", "x", "afoo", ARRIA, NLB0),
            "spec.mode is \"afoo\": write af or region".to_owned(),
        ),
        (function("default", "x", "", ARRIA, NLB0), "spec.mode is \"\": write af or region".to_owned()),
    ] {
        let mappings = mappings();
        mappings.apply(&object);
        let message = format!(
            "pod \"p\" in namespace \"default\": container \"c\": fpga.intel.com/x cannot be used: AcceleratorFunction x of this namespace is wrong: {reason}"
        );
        assert_eq!(
            fpga_webhook::review(&mappings, request(pod(&[("x", "1")]))),
            Outcome::Refused { message }
        );
        // The others work.
        assert!(matches!(
            fpga_webhook::review(&mappings, request(pod(&[("d5005", "1")]))),
            Outcome::Allowed { .. }
        ));
    }
}

#[test]
fn a_name_that_both_kinds_have_is_refused() {
    let mappings = mappings();
    mappings.apply(&region("default", "arria-nlb0", ARRIA));
    let message = "pod \"p\" in namespace \"default\": container \"c\": fpga.intel.com/arria-nlb0 has two meanings, as the namespace has an AcceleratorFunction and an FpgaRegion of this name: rename one".to_owned();
    let asking = || request(pod(&[("arria-nlb0", "1")]));
    assert_eq!(fpga_webhook::review(&mappings, asking()), Outcome::Refused { message });
    // Neither was changed by the other.
    mappings.delete(&region("default", "arria-nlb0", ARRIA));
    let Outcome::Allowed { patch, .. } = fpga_webhook::review(&mappings, asking()) else { panic!("refused") };
    assert_eq!(json!(patch).as_array().unwrap().len(), 5);
}

#[test]
fn a_pod_has_at_most_256_functions_programmed() {
    assert!(shown(&mutated(pod(&[("arria-nlb0", "256")])).0).contains("FPGA_AFU_256"));
    let message = |name: &str, units: &str| {
        format!(
            "container \"c\": fpga.intel.com/{name} is asked for {units} times: no more than 256 functions are programmed for a pod"
        )
    };
    assert_eq!(refused(pod(&[("arria-nlb0", "257")])), message("arria-nlb0", "257"));
    assert_eq!(refused(pod(&[("arria-nlb0", "200"), ("arria-nlb3", "57")])), message("arria-nlb3", "57"));
    let max = i64::MAX.to_string();
    assert_eq!(refused(pod(&[("arria-nlb0", &max)])), message("arria-nlb0", &max));
    let of = |units: &str| json!({ "name": "c", "resources": resources(&[("arria-nlb0", units)]) });
    let two = json!({ "metadata": { "name": "p" }, "spec": { "initContainers": [of("200")], "containers": [of("57")] } });
    assert_eq!(refused(two), message("arria-nlb0", "57"));
}

#[test]
fn more_units_than_can_be_counted_are_refused() {
    let max = i64::MAX.to_string();
    assert_eq!(shown(&mutated(pod(&[("d5005", &max)])).0), format!("region-{D5005}={max}"));
    assert_eq!(
        refused(pod(&[("d5005-nlb3-alias", &max), ("d5005-nlb3-preprogrammed", "1")])),
        "container \"c\": fpga.intel.com/d5005-nlb3-preprogrammed is asked for more than 2^63-1 times"
    );
}

#[test]
fn the_namespace_is_the_requests_whatever_the_pod_says() {
    let mut pod = pod(&[("d5005", "1")]);
    pod["metadata"]["namespace"] = json!("default");
    let mut asked = request(pod);
    asked.namespace = "other".to_owned();
    let Outcome::Refused { message } = fpga_webhook::review(&mappings(), asked) else { panic!("allowed") };
    assert!(message.starts_with("pod \"p\" in namespace \"other\": "), "{message}");
}

#[test]
fn a_message_names_the_pod_as_well_as_it_can() {
    for (metadata, name) in [
        (json!({ "name": "p", "generateName": "g-" }), "p"),
        (json!({ "generateName": "g-" }), "g-"),
        (json!({}), ""),
        (json!(null), ""),
        (json!({ "name": 1 }), ""),
    ] {
        let mut pod = pod(&[("zzz", "1")]);
        pod["metadata"] = metadata;
        let Outcome::Refused { message } = decide(pod) else { panic!("allowed") };
        assert!(
            message.starts_with(&format!("pod {name:?} in namespace \"default\": container \"c\": ")),
            "{message}"
        );
    }
}

#[test]
fn before_all_objects_are_known_what_is_not_known_is_refused_with_that_reason() {
    let mappings = fpga_webhook::Mappings::default();
    mappings.apply(&function("default", "d5005-nlb3", "af", D5005, NLB3));
    let of = |name: &str| fpga_webhook::review(&mappings, request(pod(&[(name, "1")])));
    for name in ["zzz", AF_ARRIA_NLB0, &format!("region-{D5005}")] {
        let Outcome::Refused { message } = of(name) else { panic!("allowed") };
        let end = "; but AcceleratorFunctions and FpgaRegions are not read yet: try again in a moment";
        assert!(message.ends_with(end), "{message}");
    }
    assert!(matches!(of("d5005-nlb3"), Outcome::Allowed { .. }));
}

#[test]
fn a_pod_of_another_shape_is_refused_with_the_place() {
    let of = |container: Value| json!({ "metadata": { "name": "p" }, "spec": { "containers": [container] } });
    let resources = resources(&[("d5005", "1")]);
    for (pod, message) in [
        (
            json!({ "metadata": { "name": "p" }, "spec": { "containers": {} } }),
            "/spec/containers is not a list",
        ),
        (of(json!("a")), "/spec/containers/0 is not a container"),
        (
            of(json!({ "name": "c", "resources": "x" })),
            "container \"c\": /spec/containers/0/resources is not a map",
        ),
        (
            of(json!({ "name": "c", "resources": { "limits": [] } })),
            "container \"c\": /spec/containers/0/resources/limits is not a map of resources",
        ),
        (
            of(json!({ "name": "c", "resources": resources, "env": "x" })),
            "container \"c\": /spec/containers/0/env is not a list",
        ),
    ] {
        assert_eq!(refused(pod), message);
    }
}
