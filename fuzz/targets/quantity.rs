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
    let unsigned = text.trim_start_matches(['-', '+']);
    let negated = if text.starts_with('-') { unsigned.to_owned() } else { format!("-{unsigned}") };
    let negated = read(negated).expect("with the other sign it is one too");
    assert_eq!(negated.rounded_up(), -quantity.rounded_up());
    match read(text.replacen(unsigned, &format!("0{unsigned}"), 1)) {
        Err(QuantityError::TooLong(_)) => {}
        other => assert_eq!(other, Ok(quantity), "a zero before it"),
    }
    for (suffix, exponent) in SAME {
        if let Some(number) = text.strip_suffix(suffix) {
            assert_eq!(read(format!("{number}{exponent}")), Ok(quantity));
        }
    }
});
