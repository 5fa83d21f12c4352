#![no_main]

use libfuzzer_sys::fuzz_target;
use webhook::Quantity;
use webhook::quantity::{QuantityError, bytes};

/// Suffixes, and what else means the same.
const SAME: [(&str, &str); 8] = [
    ("n", "e-9"),
    ("u", "e-6"),
    ("m", "E-3"),
    ("k", "e3"),
    ("M", "E6"),
    ("G", "e09"),
    ("T", "e+12"),
    ("P", "e15"),
];

fuzz_target!(|text: &str| {
    let read = |text: String| text.parse::<Quantity>();
    let quantity = match read(text.to_owned()) {
        Ok(quantity) => quantity,
        Err(error) => return assert!(error.to_string().len() < 1000, "{error}"),
    };
    assert_eq!(Quantity::from_json(&text.into()), Ok(quantity));
    if let Some(units) = quantity.whole() {
        assert_eq!(quantity.rounded_up(), units);
        assert_eq!(read(bytes(units)), Ok(quantity), "{units} as bytes");
        assert_eq!(read(format!("{units}000m")), Ok(quantity));
    }
    // Said in another way, unless that is longer than what is read.
    let check = |text: String, expected: i64| match read(text) {
        Err(QuantityError::TooLong(_)) => None,
        other => {
            let quantity = other.expect("it is one too");
            assert_eq!(quantity.rounded_up(), expected);
            Some(quantity)
        }
    };
    let units = quantity.rounded_up();
    let unsigned = text.trim_start_matches(['-', '+']);
    let negated = if text.starts_with('-') { unsigned.to_owned() } else { format!("-{unsigned}") };
    check(negated, -units);
    let longer = check(text.replacen(unsigned, &format!("0{unsigned}"), 1), units);
    assert!(longer.is_none_or(|longer| longer == quantity), "a zero before it");
    for (suffix, exponent) in SAME {
        if let Some(number) = text.strip_suffix(suffix) {
            let same = check(format!("{number}{exponent}"), units);
            assert!(same.is_none_or(|same| same == quantity), "{exponent}");
        }
    }
});
