//! What holds for any pod.

use fpga_webhook::FIELDS;
use proptest::prelude::*;
use serde_json::{Value, json};
use webhook::Outcome;

use super::scene::*;
use crate::any::{anything, damaged, list, map, one_of};
use crate::apply::apply;

fn container() -> BoxedStrategy<Value> {
    let units = || {
        let odd = one_of(&["2", "1k", "0", "300", "1000m", "-1", "500m", "?"]);
        prop_oneof![5 => one_of(&["1"]), 1 => odd]
    };
    let readable = [
        "d5005-nlb3-preprogrammed",
        "d5005-nlb3-alias",
        "arria-nlb0",
        "arria-nlb0-alias",
        "arria-nlb3",
        "d5005",
    ];
    let real = [AF_D5005_NLB3.to_owned(), format!("region-{ARRIA}"), format!("region-{D5005}")];
    let names = prop_oneof![
        12 => prop::sample::select(readable.map(str::to_owned).to_vec()),
        4 => prop::sample::select(real.to_vec()),
        1 => Just("unknown".to_owned()),
    ];
    let one = (names, units());
    let amounts =
        prop_oneof![3 => prop::collection::vec(one.clone(), 1), 2 => prop::collection::vec(one, 0..3)]
            .prop_map(|amounts| -> Value {
                amounts
                    .into_iter()
                    .map(|(name, units)| (format!("fpga.intel.com/{name}"), units))
                    .chain([("cpu".to_owned(), json!("1"))])
                    .collect()
            });
    // Limits alone, or the same in both; sometimes others.
    let resources = (amounts.clone(), 0..8, amounts).prop_map(|(limits, how, others)| match how {
        0 => json!({ "limits": limits, "requests": others }),
        1..4 => json!({ "limits": limits }),
        _ => json!({ "limits": limits, "requests": limits }),
    });
    let variable = map(vec![
        (
            "name",
            one_of(&["FPGA_REGION_1", "FPGA_AFU_1", "FPGA_REGION_1", "FPGA_AFU_1", "FPGA_AFU_02", "PATH"]),
        ),
        ("value", one_of(&[ARRIA, ARRIA, NLB0, NLB0, NLB3, ""])),
        ("valueFrom", prop_oneof![5 => Just(Value::Null), 1 => Just(json!({}))].boxed()),
    ]);
    map(vec![
        ("name", one_of(&["a", "b"])),
        ("resources", resources.boxed()),
        ("restartPolicy", one_of(&["Always", "Never"])),
        ("env", list(variable)),
    ])
}

fn any_pod() -> BoxedStrategy<Value> {
    let spec = map(vec![
        ("containers", list(container())),
        ("initContainers", list(container())),
        ("ephemeralContainers", list(container())),
    ]);
    let metadata = map(vec![("name", one_of(&["p"])), ("generateName", one_of(&["p-"]))]);
    (map(vec![("metadata", metadata), ("status", anything().boxed())]), spec)
        .prop_map(|(mut pod, spec)| {
            pod["spec"] = spec;
            pod
        })
        .boxed()
}

fn almost_any_pod() -> impl Strategy<Value = Value> {
    prop_oneof![3 => any_pod(), 1 => damaged(any_pod()).boxed()]
}

/// The pod without what the webhook may write in containers that ask for something.
fn others(pod: &Value) -> Value {
    let mut pod = pod.clone();
    for kind in ["/spec/containers", "/spec/initContainers"] {
        for container in pod.pointer_mut(kind).and_then(Value::as_array_mut).into_iter().flatten() {
            for amounts in ["limits", "requests"] {
                let place = container.pointer_mut("/resources").and_then(Value::as_object_mut);
                let Some(resources) = place else { continue };
                if let Some(amounts) = resources.get_mut(amounts).and_then(Value::as_object_mut) {
                    amounts.retain(|name, _| !name.starts_with("fpga.intel.com/"));
                }
                if resources.get(amounts).is_some_and(|amounts| *amounts == json!({})) {
                    resources.remove(amounts);
                }
            }
            if let Some(variables) = container.get_mut("env").and_then(Value::as_array_mut) {
                variables.retain(|variable| {
                    !variable["name"]
                        .as_str()
                        .is_some_and(|name| name.starts_with("FPGA_REGION") || name.starts_with("FPGA_AFU"))
                });
            }
            if container.get("env").is_some_and(|env| env.is_null() || *env == json!([])) {
                container.as_object_mut().unwrap().remove("env");
            }
        }
    }
    pod
}

proptest! {
    #[test]
    fn twice_is_once(pod in almost_any_pod()) {
        if let Outcome::Allowed { patch, .. } = decide(pod.clone()) {
            let once = apply(pod, &json!(patch));
            match decide(once.clone()) {
                Outcome::Allowed { patch, warnings } => {
                    prop_assert!(patch.is_empty() && warnings.is_empty(), "{once}: {patch:?} {warnings:?}");
                }
                Outcome::Refused { message } => panic!("{once}: {message}"),
            }
        }
    }

    #[test]
    fn everything_else_stays(pod in almost_any_pod()) {
        if let Outcome::Allowed { patch, .. } = decide(pod.clone()) {
            let after = apply(pod.clone(), &json!(patch));
            prop_assert_eq!(others(&after), others(&pod));
        }
    }

    #[test]
    fn no_container_can_have_a_function_programmed_that_its_namespace_does_not_name(pod in any_pod()) {
        if let Outcome::Allowed { patch, .. } = decide(pod.clone()) {
            let after = apply(pod, &json!(patch));
            for kind in ["initContainers", "containers"] {
                for container in after["spec"][kind].as_array().into_iter().flatten() {
                    let units = &container["resources"]["limits"][format!("fpga.intel.com/region-{ARRIA}")];
                    let is_free = container["resources"]["limits"].get(format!("fpga.intel.com/region-{D5005}")).is_some();
                    let Some(units) = units.as_str().filter(|units| !is_free && *units != "0") else { continue };
                    let value = |name: String| {
                        let mut all = container["env"].as_array().into_iter().flatten();
                        let last = all.rfind(|variable| variable["name"] == name);
                        last.map(|variable| variable["value"].as_str().unwrap_or("?").to_owned())
                    };
                    let units: usize = if units == "1k" { 1000 } else { units.strip_suffix("000m").unwrap_or(units).parse().unwrap() };
                    for number in 1..=units {
                        prop_assert_eq!(value(format!("FPGA_REGION_{number}")), Some(ARRIA.to_owned()));
                        let function = value(format!("FPGA_AFU_{number}"));
                        prop_assert!(function.as_deref() == Some(NLB0) || function.as_deref() == Some(NLB3), "{:?}", function);
                    }
                    let reserved = container["env"].as_array().into_iter().flatten().filter(|variable| {
                        variable["name"].as_str().is_some_and(|name| name.starts_with("FPGA_"))
                    });
                    prop_assert_eq!(reserved.count(), 2 * units);
                }
            }
        }
    }

    #[test]
    fn what_is_not_read_of_a_pod_changes_nothing(pod in almost_any_pod()) {
        let part = FIELDS.read(pod.to_string().as_bytes()).expect("it is JSON");
        prop_assert_eq!(decide(part), decide(pod));
    }

    #[test]
    fn a_refusal_has_a_message(pod in prop_oneof![damaged(any_pod()).boxed(), anything().boxed()]) {
        if let Outcome::Refused { message } = decide(pod) {
            prop_assert!(message.starts_with("pod \""), "{}", message);
        }
    }
}

#[test]
fn the_pods_of_these_tests_are_changed_often_enough_to_show_something() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut changed, mut refused) = (0, 0);
    for _ in 0..400 {
        let pod = any_pod().new_tree(&mut runner).expect("a pod").current();
        match decide(pod) {
            Outcome::Allowed { patch, .. } => changed += usize::from(!patch.is_empty()),
            Outcome::Refused { .. } => refused += 1,
        }
    }
    assert!(changed > 40 && refused > 40, "{changed} changed, {refused} refused");
}
