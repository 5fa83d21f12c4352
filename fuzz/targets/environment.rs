#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let text = String::from_utf8_lossy(content);
    let environment: Vec<&str> = text.split('\0').collect();
    match fpga_hook::wanted(&environment) {
        Ok(wanted) => {
            assert!(wanted.is_sorted_by_key(|wanted| wanted.number) && !wanted.is_empty());
            for wanted in wanted {
                assert_eq!(wanted.interface.to_string().len(), 32);
                assert!(wanted.function.to_string().bytes().all(|byte| byte.is_ascii_alphanumeric()));
            }
        }
        Err(error) => assert!(error.to_string().len() < 1000),
    }
});
