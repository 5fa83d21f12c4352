use fpga_bitstream::{Id, Name};
use proptest::prelude::*;

use crate::scene::{AFU, HASH, id, name};

#[test]
fn an_id_is_shown_as_the_kernel_does() {
    for text in [
        "d8424dc4a4a3c413f89e433683f9040b",
        "D8424DC4-A4A3-C413-F89E-433683F9040B",
        "d8424dc4-a4a3-c413-f89e-433683f9040b",
        " \td8424dc4a4a3c413f89e433683f9040b\n",
        "--d8424dc4a4a3c413f89e433683f9040b-",
    ] {
        assert_eq!(id(text).to_string(), AFU, "{text:?}");
        assert_eq!(id(text), id(AFU), "{text:?}");
        assert_eq!(name(text).to_string(), AFU, "{text:?}");
    }
    assert_eq!(id(&"0".repeat(32)).to_string(), "0".repeat(32));
}

#[test]
fn what_has_not_32_digits_is_no_id() {
    for text in [
        "",
        "-",
        "d8424dc4a4a3c413f89e433683f9040",
        "d8424dc4a4a3c413f89e433683f9040b0",
        "+8424dc4a4a3c413f89e433683f9040b",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "d8424dc4 a4a3c413f89e433683f9040b",
        "../../../../../../../../../../..",
        "٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣",
        HASH,
    ] {
        let error = text.parse::<Id>().unwrap_err().to_string();
        assert_eq!(error, format!("{text:?} is no id: expected 32 hexadecimal digits"));
    }
}

#[test]
fn a_wrong_id_is_shown_in_one_short_line() {
    let error = "a\nb".repeat(1000).parse::<Id>().unwrap_err().to_string();
    assert!(!error.contains('\n') && error.len() < 200 && error.contains('…'), "{error}");
}

#[test]
fn a_name_may_be_a_hash() {
    assert_eq!(name(HASH).to_string(), HASH);
    // What the Go implementation looks for when it is asked for this one.
    assert_eq!(name("AB-cd-12").to_string(), "abcd12");
    assert_eq!(name("non-existing").to_string(), "nonexisting");
    assert!("a".repeat(64).parse::<Name>().is_ok());
    for text in ["", "-", "a".repeat(65).as_str(), "a.b", "a b", "é", "a\0", ".", ".."] {
        assert!(text.parse::<Name>().is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_id_or_name_leads_anywhere_else(text in "\\PC*|[a-f0-9./-]{0,40}|(\\.\\./){1,11}") {
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric());
        if let Ok(id) = text.parse::<Id>() {
            prop_assert!(plain(&id.to_string()));
            prop_assert_eq!(id.to_string().parse::<Id>(), Ok(id));
        }
        if let Ok(name) = text.parse::<Name>() {
            prop_assert!(plain(&name.to_string()));
            prop_assert_eq!(name.to_string().parse::<Name>(), Ok(name));
        }
    }
}
