//! What becomes of pods, and how the table of names is kept.
#![expect(clippy::needless_pass_by_value, reason = "pods and lists are made where they are used")]

#[path = "../../../../crates/webhook/tests/any/mod.rs"]
mod any;
#[path = "../../../../crates/webhook/tests/apply/mod.rs"]
mod apply;

#[cfg(test)]
mod situations {
    mod any_pod;
    mod names;
    mod real_names;
    mod refusals;
    mod scene;
    mod table;
    mod variables;
    mod watching;
}
