//! Quantities in all their notations.
#![expect(clippy::panic, reason = "tests")]

use proptest::prelude::*;
use serde_json::json;
use webhook::Quantity;
use webhook::quantity::{QuantityError, bytes};

fn read(text: &str) -> Quantity {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_notation_gives_its_number() {
    for (text, number) in [
        ("0", 0),
        ("42", 42),
        ("+42", 42),
        ("-42", -42),
        ("007", 7),
        ("1.", 1),
        (".5k", 500),
        ("1.50", 2),
        ("1k", 1000),
        ("1M", 1_000_000),
        ("1G", 1_000_000_000),
        ("1T", 1_000_000_000_000),
        ("1P", 1_000_000_000_000_000),
        ("1E", 1_000_000_000_000_000_000),
        ("1Ki", 1 << 10),
        ("1Mi", 1 << 20),
        ("1Gi", 1 << 30),
        ("1Ti", 1 << 40),
        ("1Pi", 1 << 50),
        ("1Ei", 1 << 60),
        ("-1.5Mi", -1_572_864),
        ("7.999Ei", 9_222_219_115_350_168_962),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1e+3", 1000),
        ("1000e-3", 1),
        ("0.0000000000000000005e18", 1),
        ("3000m", 3),
        ("3000000u", 3),
        ("3000000000n", 3),
        ("0e999999999", 0),
        ("0.000e-999999999", 0),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775807", -i64::MAX),
        ("9223372036854775806500m", i64::MAX),
    ] {
        assert_eq!(read(text).rounded_up(), number, "{text}");
    }
}

#[test]
fn fractions_are_rounded_up_away_from_zero() {
    for (text, number) in
        [("500m", 1), ("1n", 1), ("1001m", 2), ("1e-99", 1), ("0.1Ki", 103), ("-1m", -1), ("-1.5", -2)]
    {
        assert_eq!(read(text).rounded_up(), number, "{text}");
        assert_eq!(read(text).whole(), None, "{text}");
    }
    assert_eq!(read("1e-999999999999"), read("1n"));
    assert_eq!(read("0.12345678901"), read("123456790n"));
    assert_eq!(read("0.00000000000000000000000000000000000000000001Ei"), read("1n"));
}

#[test]
fn notations_of_one_number_are_equal() {
    for same in [
        ["1Mi", "1024Ki", "1048576", "1048576000m", "1.048576e6"],
        ["1.5Mi", "1536Ki", "1572864", "+1572.864k", "0.0015e9"],
    ] {
        for text in &same[..4] {
            assert_eq!(read(text), read(same[0]), "{text}");
        }
    }
    assert!(read("1Ki") > read("1k"));
    assert!(read("-1") < read("-999m"));
}

#[test]
fn what_is_no_quantity_is_an_error_that_repeats_it() {
    for text in [
        "",
        "+",
        "-",
        ".",
        "Ki",
        "e3",
        "1.1.M",
        "1+1.0M",
        "0.1mi",
        "0.1am",
        "aoeu",
        ".5i",
        "1i",
        "-3.01i",
        "-3.01e-",
        " 1",
        "1 ",
        "1e",
        "1ki",
        "1K",
        "1KI",
        "1e3Ki",
        "1e1.5",
        "--1",
        "1_000",
        "0x10",
        "NaN",
        "inf",
        "١",
        "1µ",
        "1e99999999999999999999",
    ] {
        let error = text.parse::<Quantity>().unwrap_err();
        assert_eq!(error, QuantityError::Malformed(text.to_owned()));
        assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
    }
}

#[test]
fn more_than_the_api_can_hold_is_an_error() {
    for text in [
        "9223372036854775808",
        "-9223372036854775808",
        "8Ei",
        "10E",
        "9223372036854775807.1",
        "1e19",
        "1e999999999",
    ] {
        assert_eq!(text.parse::<Quantity>(), Err(QuantityError::Overflow(text.to_owned())));
    }
    assert_eq!("0".repeat(101).parse::<Quantity>(), Err(QuantityError::TooLong(101)));
}

#[test]
fn json_texts_numbers_and_null_are_read() {
    for (value, number) in [
        (json!("1Ki"), 1024),
        (json!(7), 7),
        (json!(-7), -7),
        (json!(2.5), 3),
        (json!(1e3), 1000),
        (json!(null), 0),
    ] {
        assert_eq!(Quantity::from_json(&value).unwrap().rounded_up(), number, "{value}");
    }
    for value in [json!([]), json!({}), json!(true)] {
        assert_eq!(Quantity::from_json(&value), Err(QuantityError::WrongType));
    }
}

#[test]
fn bytes_are_written_as_kubernetes_does() {
    for (number, text) in [
        (0, "0"),
        (42, "42"),
        (1000, "1k"),
        (-1000, "-1k"),
        (1023, "1023"),
        (1024, "1Ki"),
        (-1024, "-1Ki"),
        (1025, "1025"),
        (2000, "2000"),
        (100_000, "100000"),
        (1_000_000, "1000000"),
        (1 << 20, "1Mi"),
        (1_572_864, "1536Ki"),
        (98_566_144, "94Mi"),
        (1 << 60, "1Ei"),
        (i64::MAX, "9223372036854775807"),
        (i64::MIN, "-8Ei"),
    ] {
        assert_eq!(bytes(number), text);
    }
}

proptest! {
    #[test]
    fn written_bytes_read_back(number in -i64::MAX..=i64::MAX, shift in 0..60) {
        let number = number >> shift << (shift / 2);
        prop_assert_eq!(read(&bytes(number)).whole(), Some(number));
    }

    #[test]
    fn a_decimal_number_is_what_it_says(units in 0..1_000_000_i64, nanos in 0..1_000_000_000_i64, zeros in 0..20_usize) {
        let text = format!("{units}.{nanos:09}{}", "0".repeat(zeros));
        prop_assert_eq!(read(&text), read(&format!("{}n", units * 1_000_000_000 + nanos)));
        prop_assert_eq!(read(&text).rounded_up(), units + i64::from(nanos > 0));
        prop_assert_eq!(read(&format!("{text}e3")), read(&format!("{text}k")));
        let total = units * 1_000_000_000 + nanos;
        prop_assert_eq!(read(&format!("{text}Ki")), read(&format!("{}n", total * 1024)));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-+0-9.eEinumkKMGTP ]{0,12}|\\PC{0,12}") {
        drop(text.parse::<Quantity>());
    }
}
