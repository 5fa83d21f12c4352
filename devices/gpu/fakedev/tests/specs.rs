//! Which JSON files are descriptions of GPUs.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use device_plugin::error_chain;
use gpu_fakedev::{Spec, load};

fn error_of(text: &str) -> String {
    error_chain(&Spec::parse(text).unwrap_err())
}

#[test]
fn keys_are_of_any_case_and_unknown_ones_are_ignored() {
    let expected =
        Spec::parse(r#"{"DevCount": 2, "DevMemSize": 1048576, "Capabilities": {"a": "b"}}"#).unwrap();
    assert_eq!((expected.devices, expected.memory, expected.tiles), (2, 1_048_576, 0));
    for same in [
        r#"{"devcount": 2, "DEVMEMSIZE": 1048576, "capabilities": {"a": "b"}}"#,
        r#"{"DevCount": 2, "Count": 3, "DevMemSize": 1048576, "Capabilities": {"a": "b"}, "x": {"DevCount": 9}}"#,
        r#"{"DevCount": 9, "devCount": 2, "DevMemSize": 1048576, "Capabilities": {"a": "b"}}"#,
        r#"{"DevCount": 2, "DevCount": null, "DevMemSize": 1048576, "Capabilities": {"a": "b"}, "Info": null}"#,
        r#"{"DevCount": 2, "DevMemSize": 1048576, "Capabilities": {"a": "x"}, "Capabilities": {"a": "b"}}"#,
    ] {
        assert_eq!(Spec::parse(same).unwrap(), expected, "{same}");
    }
}

#[test]
fn values_are_accepted_up_to_their_limits() {
    for text in [
        r#"{"DevCount": 1}"#,
        r#"{"DevCount": 128, "TilesPerDev": 64, "DevsPerNode": 128}"#,
        r#"{"DevCount": 128, "VfsPerPf": 127}"#,
        r#"{"DevCount": 4, "VfsPerPf": 1, "TilesPerDev": 0, "DevsPerNode": 0}"#,
        r#"{"DevCount": 1, "DevMemSize": 9223372036853727232}"#,
        r#"{"DevCount": 128, "TilesPerDev": 8, "Capabilities": {"connection-topology": "FULL"}}"#,
        r#"{"DevCount": 128, "TilesPerDev": 64, "Capabilities": {"connection-topology": "full"}}"#,
    ] {
        assert!(Spec::parse(text).is_ok(), "{text}: {}", error_of(text));
    }
}

#[test]
fn what_cannot_be_is_refused_with_the_key() {
    for (text, expected) in [
        ("{}", "DevCount is 0: it must be 1 to 128"),
        (r#"{"DevCount": 0}"#, "DevCount is 0: it must be 1 to 128"),
        (r#"{"DevCount": 129}"#, "DevCount is 129: it must be 1 to 128"),
        (r#"{"DevCount": 1, "TilesPerDev": 65}"#, "TilesPerDev is 65: it must be 0 to 64"),
        (r#"{"DevCount": 1, "TilesPerDev": -1}"#, "TilesPerDev is -1: it must be 0 to 64"),
        (r#"{"DevCount": 2, "DevsPerNode": 3}"#, "DevsPerNode is 3: it must be 0 to 2"),
        (
            r#"{"DevCount": 1, "DevMemSize": 1048577}"#,
            "DevMemSize is 1048577: it must be a multiple of 1048576",
        ),
        (r#"{"DevCount": 1, "DevMemSize": -1048576}"#, "DevMemSize is -1048576: it must be"),
        (
            r#"{"DevCount": 4, "VfsPerPf": 1, "TilesPerDev": 1}"#,
            "VfsPerPf is 1: TilesPerDev and DevsPerNode must be 0",
        ),
        (
            r#"{"DevCount": 4, "VfsPerPf": 1, "DevsPerNode": 1}"#,
            "VfsPerPf is 1: TilesPerDev and DevsPerNode must be 0",
        ),
        (r#"{"DevCount": 4, "VfsPerPf": 2}"#, "DevCount is 4: with VfsPerPf 2 it must be a multiple of 3"),
        (r#"{"DevCount": 4, "VfsPerPf": 129}"#, "VfsPerPf is 129: it must be 0 to 128"),
        (
            r#"{"DevCount": 128, "TilesPerDev": 9, "Capabilities": {"connection-topology": "FULL"}}"#,
            "connection-topology is FULL: 128 times 9 tiles are more than 1024",
        ),
        (r#"{"DevCount": 1.0}"#, "it is no description of GPUs: DevCount: invalid type: floating point"),
        (r#"{"devCOUNT": "1"}"#, "it is no description of GPUs: devCOUNT: invalid type: string"),
        (r#"{"DevCount": 9223372036854775808}"#, "it is no description of GPUs: DevCount: invalid value"),
        (
            r#"{"DevCount": 1, "Capabilities": {"a": 1}}"#,
            "it is no description of GPUs: Capabilities: invalid type",
        ),
        (r#"{"DevCount": 1} {}"#, "it is no description of GPUs: trailing characters"),
        (r#"{"DevCount": 1,}"#, "it is no description of GPUs: trailing comma"),
        ("", "it is no description of GPUs: EOF"),
        ("[]", "it is no description of GPUs: invalid type: sequence, expected an object with DevCount"),
        ("null", "it is no description of GPUs: invalid type: null"),
    ] {
        let error = error_of(text);
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn the_error_for_a_long_value_of_another_type_is_short_and_says_where() {
    let error = error_of(&format!("{{\"DevCount\": \"{}\"}}", "\u{7f}".repeat(10_000)));
    assert!(error.starts_with("it is no description of GPUs: DevCount: invalid type: string "), "{error}");
    assert!(error.ends_with("at line 1 column 10015"), "{error}");
    assert!(error.chars().count() < 300, "{error}");
}

#[test]
fn a_file_that_cannot_be_used_is_named_in_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let long = format!("{{\"DevCount\": 1}}{}", " ".repeat(256 << 10));
    for (path, expected) in [
        (folder.path().join("missing.json"), "No such file"),
        (folder.path().to_owned(), "it is no plain file"),
        (file("binary.json", b"{\"Info\": \"\xff\"}"), "UTF-8"),
        (file("long.json", long.as_bytes()), "it is longer than 262144 bytes"),
        (file("zero.json", b"{}"), "DevCount is 0"),
        (Path::new("/dev/zero").to_owned(), "it is no plain file"),
    ] {
        let error = load(&path).unwrap_err();
        assert!(error.contains(path.to_str().unwrap()) && error.contains(expected), "{error}");
    }
}
