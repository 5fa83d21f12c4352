use proptest::prelude::*;

use super::*;

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

const ARRIA: &str = "69528db6eb31577a8c3668f9faa081f6";
const LOOPBACK: &str = "d8424dc4a4a3c413f89e433683f9040b";
const ALL_ONES: &str = "ffffffffffffffffffffffffffffffff";

#[test]
fn functions_have_the_go_implementations_names() {
    let second = "f7df405cbd7acf7222f144b0b93acd18";
    for (interface, function_id, expected) in [
        (
            "ce48969398f05f33946d560708be108a",
            LOOPBACK,
            "af-ce4.d84.zkiWk5jwXzOUbVYHCL4QithCTcSko8QT-J5DNoP5BAs",
        ),
        (
            "bfac4d851ee856fe8c95865ce1bbaa2d",
            second,
            "af-bfa.f7d.v6xNhR7oVv6MlYZc4buqLfffQFy9es9yIvFEsLk6zRg",
        ),
        (ARRIA, LOOPBACK, "af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs"),
        (ARRIA, second, "af-695.f7d.aVKNtusxV3qMNmj5-qCB9vffQFy9es9yIvFEsLk6zRg"),
        (ALL_ONES, ALL_ONES, "af-fff.fff.__________________________________________8"),
    ] {
        assert_eq!(function(&id(interface), &id(function_id)).unwrap(), expected);
    }
    assert_eq!(region(&id(ARRIA)), "region-69528db6eb31577a8c3668f9faa081f6");
}

/// The case of the digits is seen in the part for people only, as there.
#[test]
fn upper_case_is_the_same_id() {
    let name = function(&id(&ARRIA.to_uppercase()), &id(&LOOPBACK.to_uppercase())).unwrap();
    assert_eq!(name, "af-695.D84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs");
    assert_eq!(region(&id("ABC")), "region-ABC");
}

#[test]
fn what_is_no_id_is_an_error() {
    for bad in
        ["", "6", "69", "unparsable", "6952-8db6", "é952", "+952", "0x69", " 695", "../x", &"6".repeat(41)]
    {
        assert_eq!(bad.parse::<Id>(), Err(BadId), "{bad}");
    }
}

#[test]
fn ids_that_make_no_name_are_named() {
    let error = function(&id(ARRIA), &id("d8424")).unwrap_err();
    assert_eq!(error.to_string(), format!("the ids {ARRIA} and d8424 have an odd number of digits together"));
    // 36 bytes are whole groups of base64, so the last character can be anything.
    let longer = |last: &str| function(&id(ARRIA), &id(&format!("{LOOPBACK}{last}")));
    assert!(matches!(longer("0000003f"), Err(BadName::Refused(name)) if name.ends_with('_')));
    assert!(matches!(longer("0000003e"), Err(BadName::Refused(name)) if name.ends_with('-')));
    assert_eq!(longer("0000003d").unwrap().len(), 59);
    let longest = id(&"1".repeat(40));
    assert!(matches!(function(&longest, &longest), Err(BadName::Refused(name)) if name.len() > 63));
}

#[test]
fn a_dead_card_has_ones_only() {
    assert!(id(ALL_ONES).is_all_ones() && id(&ALL_ONES.to_uppercase()).is_all_ones());
    assert!(!id(&ALL_ONES.replacen('f', "e", 1)).is_all_ones());
}

/// As Kubernetes checks a name (`IsQualifiedName`).
fn is_taken(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let outer = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    name.len() <= 63
        && name.bytes().all(inner)
        && outer(name.bytes().next())
        && outer(name.bytes().next_back())
}

proptest! {
    #[test]
    fn names_hold_both_ids_and_are_taken(interface in "[0-9a-f]{32}", other in "[0-9a-f]{32}") {
        let name = function(&id(&interface), &id(&other)).unwrap();
        prop_assert!(is_taken(&name), "{}", name);
        prop_assert!(is_taken(&region(&id(&interface))));
        let start = format!("af-{}.{}.", &interface[..3], &other[..3]);
        let bytes = URL_SAFE_NO_PAD.decode(name.strip_prefix(&start).unwrap()).unwrap();
        let mut hex = String::new();
        for byte in bytes {
            hex += &format!("{byte:02x}");
        }
        prop_assert_eq!(hex, interface + &other);
    }

    #[test]
    fn any_ids_make_a_name_that_is_taken_or_none(interface in "[0-9a-fA-F]{3,40}", other in "[0-9a-fA-F]{3,40}") {
        if let Ok(name) = function(&id(&interface), &id(&other)) {
            prop_assert!(is_taken(&name), "{}", name);
        } else {
            let usual = interface.len() == 32 && other.len() == 32;
            prop_assert!(!usual);
        }
    }

    #[test]
    fn any_text_is_an_id_or_none(text in "\\PC{0,45}") {
        let digits = text.chars().all(|character| character.is_ascii_hexdigit());
        prop_assert_eq!(text.parse::<Id>().is_ok(), digits && (3..=40).contains(&text.len()));
    }
}
