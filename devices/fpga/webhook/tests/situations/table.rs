//! The table of names: what is in it, and what may happen at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fpga_webhook::{AcceleratorFunction, FpgaRegion, MAX_IN_NAMESPACE, Mappings, review};
use serde_json::json;
use webhook::Outcome;

use super::scene::*;

/// What a pod of namespace `default` gets that asks for this, and none if it is refused.
fn means(mappings: &Mappings, name: &str) -> Option<String> {
    match review(mappings, request(pod(&[(name, "1")]))) {
        Outcome::Allowed { patch, .. } if patch.is_empty() => Some(name.to_owned()),
        Outcome::Allowed { patch, .. } => {
            let path = json!(patch)[2]["path"].as_str().unwrap().to_owned();
            path.rsplit_once("~1").map(|(_, target)| target.to_owned())
        }
        Outcome::Refused { .. } => None,
    }
}

/// Namespaces and objects.
fn size(mappings: &Mappings) -> (usize, usize) {
    (mappings.namespaces(), mappings.objects())
}

#[test]
fn objects_come_and_go() {
    let mappings = nothing();
    let arria = function("default", "arria", "af", ARRIA, NLB0);
    let card = region("default", "card", ARRIA);
    mappings.apply(&arria);
    assert_eq!((size(&mappings), means(&mappings, "arria")), ((1, 1), Some(AF_ARRIA_NLB0.to_owned())));
    mappings.apply(&card);
    mappings.apply(&region("default", "alias", ARRIA));
    mappings.apply(&region("other", "card", D5005));
    assert_eq!((size(&mappings), means(&mappings, "card")), ((2, 4), Some(format!("region-{ARRIA}"))));
    mappings.delete(&region("other", "card", D5005));
    assert_eq!(size(&mappings), (1, 3));
    // The nodes' name is allowed as long as one object stands for it.
    let real = format!("region-{ARRIA}");
    mappings.delete(&card);
    assert_eq!((means(&mappings, "card"), means(&mappings, &real)), (None, Some(real.clone())));
    mappings.delete(&region("default", "alias", ARRIA));
    assert_eq!(means(&mappings, &real), None);
    mappings.delete(&arria);
    mappings.delete(&arria);
    assert_eq!(size(&mappings), (0, 0));
}

#[test]
fn an_update_takes_the_place_of_what_was() {
    let mappings = nothing();
    for _ in 0..3 {
        mappings.apply(&function("default", "x", "af", ARRIA, NLB0));
    }
    mappings.apply(&function("default", "x", "af", D5005, NLB3));
    assert_eq!((size(&mappings), means(&mappings, "x")), ((1, 1), Some(AF_D5005_NLB3.to_owned())));
    assert_eq!(means(&mappings, AF_ARRIA_NLB0), None);
    mappings.apply(&function("default", "x", "unheard of", D5005, NLB3));
    assert_eq!((size(&mappings), means(&mappings, "x")), ((1, 1), None));
    assert_eq!(means(&mappings, AF_D5005_NLB3), None);
    mappings.apply(&function("default", "x", "region", D5005, NLB3));
    assert_eq!(means(&mappings, "x"), Some(format!("region-{D5005}")));
}

#[test]
fn objects_of_one_name_and_two_kinds_do_not_touch_each_other() {
    let mappings = nothing();
    mappings.apply(&function("default", "x", "af", ARRIA, NLB0));
    mappings.apply(&region("default", "x", D5005));
    assert_eq!((size(&mappings), means(&mappings, "x")), ((1, 2), None));
    mappings.delete(&function("default", "x", "af", ARRIA, NLB0));
    assert_eq!((size(&mappings), means(&mappings, "x")), ((1, 1), Some(format!("region-{D5005}"))));
}

#[test]
fn a_new_list_replaces_all_of_its_kind_and_nothing_else() {
    let mappings = nothing();
    mappings.apply(&function("default", "old", "af", ARRIA, NLB0));
    mappings.apply(&function("gone", "old", "af", ARRIA, NLB0));
    mappings.apply(&region("default", "card", D5005));
    mappings.replace([function("default", "new", "af", D5005, NLB3)]);
    assert_eq!(size(&mappings), (1, 2));
    assert_eq!(["old", "new", "card"].map(|name| means(&mappings, name).is_some()), [false, true, true]);
    mappings.replace(Vec::<FpgaRegion>::new());
    mappings.replace(Vec::<AcceleratorFunction>::new());
    assert_eq!(size(&mappings), (0, 0));
}

#[test]
fn it_is_ready_when_both_kinds_were_listed() {
    let mappings = Mappings::default();
    let missing = || mappings.ready().unwrap_err();
    assert_eq!(missing(), "AcceleratorFunctions and FpgaRegions are not read yet");
    mappings.apply(&region("default", "card", D5005));
    assert_eq!(missing(), "AcceleratorFunctions and FpgaRegions are not read yet");
    mappings.replace(Vec::<FpgaRegion>::new());
    assert_eq!(missing(), "AcceleratorFunctions are not read yet");
    mappings.replace([function("default", "x", "af", ARRIA, NLB0)]);
    assert_eq!(mappings.ready(), Ok(()));
}

#[test]
fn a_namespace_has_a_limit_that_others_do_not_feel() {
    let mappings = nothing();
    let card = |number: usize| region("default", &format!("card-{number:05}"), ARRIA);
    mappings.replace((0..MAX_IN_NAMESPACE + 10).map(card));
    assert_eq!(size(&mappings), (1, MAX_IN_NAMESPACE));
    mappings.apply(&card(MAX_IN_NAMESPACE + 10));
    mappings.apply(&region("default", "card-00000", D5005));
    assert_eq!(size(&mappings), (1, MAX_IN_NAMESPACE));
    assert_eq!(means(&mappings, "card-00000"), Some(format!("region-{D5005}")), "what is there is updated");
    mappings.apply(&region("other", "card", ARRIA));
    mappings.apply(&function("default", "x", "af", ARRIA, NLB0));
    assert_eq!(size(&mappings), (2, MAX_IN_NAMESPACE + 2));
    mappings.delete(&card(0));
    mappings.apply(&card(MAX_IN_NAMESPACE + 10));
    assert_eq!(size(&mappings), (2, MAX_IN_NAMESPACE + 2));
}

#[test]
fn many_threads_read_while_others_write_and_a_pod_sees_one_state() {
    let mappings = nothing();
    // Two names that always have one meaning together, since one list brings both.
    let state = |interface: &str| ["a", "b"].map(|name| region("default", name, interface));
    mappings.replace(state(ARRIA));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut seen = 0;
                while !done.load(Ordering::Relaxed) || seen == 0 {
                    seen += 1;
                    let Outcome::Allowed { patch, .. } =
                        review(&mappings, request(pod(&[("a", "1"), ("b", "1")])))
                    else {
                        panic!("refused")
                    };
                    // Four removals, and one target alone.
                    assert_eq!(json!(patch).as_array().unwrap().len(), 6);
                }
            });
        }
        let writers: Vec<_> = ["x", "y"]
            .map(|namespace| {
                let (mappings, state) = (mappings.clone(), &state);
                scope.spawn(move || {
                    for number in 0..300 {
                        if namespace == "x" {
                            mappings.replace(state(if number % 2 == 0 { ARRIA } else { D5005 }));
                        } else {
                            mappings.apply(&function(namespace, "f", "af", ARRIA, NLB0));
                            mappings.delete(&function(namespace, "f", "af", ARRIA, NLB0));
                        }
                    }
                })
            })
            .into();
        let results: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        results.into_iter().for_each(Result::unwrap);
    });
    assert_eq!(size(&mappings), (1, 2));
}
