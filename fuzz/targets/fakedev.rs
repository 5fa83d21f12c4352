#![no_main]

use gpu_fakedev::Spec;
use libfuzzer_sys::fuzz_target;
use simulator::Profile;

fuzz_target!(|text: &str| {
    match Spec::parse(text) {
        Ok(spec) => {
            drop(Profile::parse("fuzz", &gpu_fakedev::text(&spec)).expect("a profile of a good file"))
        }
        Err(error) => assert!(error.to_string().len() < 1000, "{error}"),
    }
});
