#![no_main]

use controller::image::{Image, check, upgrade};
use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["intel-gpu-plugin", "a"];
const VERSION: &str = "0.36.0";

fuzz_target!(|text: &str| {
    assert_eq!(Image::parse(text).to_string(), text);
    let none = |_: &str| None;
    let upgraded = upgrade(text, VERSION, none);
    if let Some(upgraded) = &upgraded {
        assert_eq!(upgrade(upgraded, VERSION, none), None, "twice: {text}, {upgraded}");
        assert_eq!(Image::parse(upgraded).repository, Image::parse(text).repository);
    }
    match check(text, NAMES, VERSION) {
        Ok(()) => assert_eq!(upgraded, None, "what is taken is not upgraded: {text}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
