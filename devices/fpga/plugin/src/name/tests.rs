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
        assert_eq!(function(id(interface), id(function_id)), expected);
    }
    assert_eq!(region(id(ARRIA)), "region-69528db6eb31577a8c3668f9faa081f6");
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
        let name = function(id(&interface), id(&other));
        prop_assert!(is_taken(&name), "{}", name);
        prop_assert!(is_taken(&region(id(&interface))));
        let start = format!("af-{}.{}.", &interface[..3], &other[..3]);
        let bytes = URL_SAFE_NO_PAD.decode(name.strip_prefix(&start).unwrap()).unwrap();
        let mut hex = String::new();
        for byte in bytes {
            hex += &format!("{byte:02x}");
        }
        prop_assert_eq!(hex, interface + &other);
    }
}
