#![no_main]

use labels::Labels;
use libfuzzer_sys::fuzz_target;

const KEY: &str = "gpu.intel.com/long";

fuzz_target!(|text: &str| {
    // KEY=VALUE lines as labels.
    let mut labels = Labels::default();
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        if let Err(error) = labels.insert(key, value) {
            assert!(error.to_string().len() < 1000, "{error}");
        }
    }
    let read: Vec<(&str, &str)> = labels.iter().collect();
    let written = labels.text();
    assert_eq!(written.lines().filter_map(|line| line.split_once('=')).collect::<Vec<_>>(), read);
    for (key, value) in read {
        let is_good = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        assert!(value.len() <= 63 && key.len() <= 317 && key.bytes().chain(value.bytes()).all(is_good));
    }

    // The whole text as one label in chunks.
    let mut long = Labels::default();
    if long.insert_chunks(KEY, text).is_err() {
        return assert_eq!(long, Labels::default());
    }
    let mut whole = String::new();
    for (number, (key, value)) in (1..).zip(long.iter()) {
        let number = if number == 1 { String::new() } else { number.to_string() };
        assert_eq!(key, format!("{KEY}{number}"));
        whole += if number.is_empty() { value } else { value.strip_prefix('Z').expect("chunks go on") };
    }
    assert_eq!(whole, text);
});
