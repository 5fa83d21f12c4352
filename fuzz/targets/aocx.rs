#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| fuzz::read("x.aocx", content));
