#![no_main]

use libfuzzer_sys::fuzz_target;

// What goes to logs: one line, and JSON for who reads it.
fuzz_target!(|text: &str| {
    let quoted = cli::quoted(text);
    assert!(!quoted.contains(char::is_control));
    assert!(!quoted.contains(['\u{202e}', '\u{2066}', '\u{2028}']));
    assert_eq!(serde_json::from_str::<String>(&quoted).expect("it is JSON"), text);
});
