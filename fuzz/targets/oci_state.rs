#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    if let Ok(bundle) = fpga_hook::state::bundle(content) {
        assert!(bundle.is_absolute());
    }
});
