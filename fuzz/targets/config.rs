#![no_main]

use fpga_hook::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    if let Ok(config) = Config::read(content) {
        assert!(!config.environment.is_empty());
        let _ = fpga_hook::wanted(&config.environment);
    }
});
