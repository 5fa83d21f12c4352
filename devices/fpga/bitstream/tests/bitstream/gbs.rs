use std::fs;
use std::os::unix::fs::symlink;

use fpga_bitstream::{Bitstream, Error, Kind, MAX_PAYLOAD, Malformed, writer};
use tempfile::TempDir;

use crate::scene::{AFU, INTERFACE, chain, gbs, id, name, problem, read};

/// As the tools for these cards write it: dashes, capitals, and keys that do not matter here.
const REAL: &str = r#"{
    "version": 640,
    "platform-name": "DCP",
    "afu-image": {
        "interface-uuid": "69528DB6-EB31-577A-8C36-68F9FAA081F6",
        "magic-no": 488605312,
        "power": 0,
        "clock-frequency-high": "auto-400",
        "clock-frequency-low": 200.5,
        "afu-top-interface": {"class": "ccip_std_afu", "module-ports": [{"class": "cci-p", "optional": true}]},
        "accelerator-clusters": [
            {"name": "nlb_mode_0", "total-contexts": 1, "accelerator-type-uuid": "d8424dc4-a4a3-c413-f89e-433683f9040b"}
        ]
    }
}"#;

/// Metadata with this instead of an image.
fn image(json: &str) -> Vec<u8> {
    writer::gbs_with(format!(r#"{{"afu-image":{json}}}"#), b"bits")
}

fn malformed(offset: u64, expected: &str, found: &str) -> Malformed {
    Malformed { offset, unpacked: false, expected: expected.to_owned(), found: found.to_owned() }
}

#[test]
fn a_good_file_says_what_it_is() {
    let file = read("x.gbs", &writer::gbs_with(REAL, b"\x01")).unwrap();
    assert_eq!(file.kind(), Kind::Gbs);
    assert_eq!(file.interface_id().to_string(), INTERFACE);
    assert_eq!(file.afu_id().to_string(), AFU);
    assert_eq!(file.name(), Some(name(AFU)));
    assert_eq!(file.payload_size(), 1);
    assert_eq!(file.payload().unwrap(), [1]);
    assert_eq!(file.extra(), [("Size", "1".to_owned())]);
    let metadata = file.metadata();
    assert_eq!((metadata.version, metadata.platform_name.as_deref()), (Some(640), Some("DCP")));
    let [accelerator] = &metadata.afu_image.accelerator_clusters;
    assert_eq!((accelerator.name.as_deref(), accelerator.total_contexts), (Some("nlb_mode_0"), Some(1)));
}

#[test]
fn the_payload_can_be_read_again() {
    let file = read("x.gbs", &gbs()).unwrap();
    assert_eq!(file.payload().unwrap(), b"bits");
    assert_eq!(file.payload().unwrap(), b"bits");
}

#[test]
fn padding_after_the_metadata_is_passed_over() {
    for padding in ["", "\n", "\0\0\0\0", " garbage {{{", "{}"] {
        let file = writer::gbs_with(format!("{REAL}{padding}"), b"bits");
        assert_eq!(read("x.gbs", &file).unwrap().payload().unwrap(), b"bits", "{padding:?}");
    }
}

#[test]
fn what_metadata_need_not_say_may_be_missing_or_null() {
    let cluster = format!(r#"[{{"accelerator-type-uuid":"{AFU}","name":null}}]"#);
    let json = format!(r#"{{"interface-uuid":"{INTERFACE}","power":null,"accelerator-clusters":{cluster}}}"#);
    assert_eq!(read("x.gbs", &image(&json)).unwrap().afu_id(), id(AFU));
}

#[test]
fn a_file_of_another_format_is_told_by_its_start() {
    let mut file = gbs();
    file[15] ^= 1;
    let expected = "the magic of a GBS file, 0x58656f6e46504741b74742537630303";
    let problem = problem("x.gbs", &file);
    assert_eq!(
        problem,
        malformed(0, &format!("{expected}1"), &format!("{}0", &expected[expected.len() - 33..]))
    );
    let text = chain(&read("x.gbs", &file).unwrap_err());
    assert!(text.contains("/x.gbs is no good bitstream: expected the magic of a GBS file, 0x"), "{text}");
}

#[test]
fn a_short_file_is_said_to_end() {
    for (length, offset, expected) in [
        (0, 0, "the header of a GBS file"),
        (15, 0, "the header of a GBS file"),
        (16, 16, "the length of the metadata"),
        (19, 16, "the length of the metadata"),
        (20, 20, "300 bytes of metadata"),
        (319, 20, "300 bytes of metadata"),
        (320, 320, "1 to 134217728 bytes of bitstream"),
    ] {
        let metadata = format!("{:<300}", writer::metadata(id(INTERFACE), id(AFU)));
        let file = writer::gbs_with(metadata, b"bits");
        let problem = problem("x.gbs", &file[..length]);
        assert_eq!(problem, malformed(offset, expected, "the end"), "{length} bytes");
    }
    assert_eq!(problem("x.gbs", b"\n"), malformed(0, "the header of a GBS file", "the end"));
}

#[test]
fn metadata_has_1_to_4095_bytes() {
    let expected = "a length of metadata from 1 to 4095";
    for length in [0, 4096, u32::MAX] {
        let mut file = gbs();
        file[16..20].copy_from_slice(&length.to_le_bytes());
        assert_eq!(problem("x.gbs", &file), malformed(16, expected, &length.to_string()));
    }
    let longest = format!("{REAL:<4095}");
    assert!(read("x.gbs", &writer::gbs_with(longest, b"bits")).is_ok());
}

#[test]
fn metadata_that_is_longer_than_the_file_is_no_negative_payload() {
    let mut file = gbs();
    let length = u32::try_from(file.len()).unwrap() - 20;
    file[16..20].copy_from_slice(&(length + 1).to_le_bytes());
    assert_eq!(problem("x.gbs", &file).found, "the end");
    // All of the file, and nothing is left to program.
    file[16..20].copy_from_slice(&length.to_le_bytes());
    assert_eq!(
        problem("x.gbs", &file),
        malformed(file.len() as u64, "1 to 134217728 bytes of bitstream", "the end")
    );
}

#[test]
fn the_largest_payload_is_taken_and_no_larger_one() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.gbs");
    fs::write(&path, gbs()).unwrap();
    let start = gbs().len() as u64 - 4;
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(start + MAX_PAYLOAD).unwrap();
    assert_eq!(Bitstream::open(&path).unwrap().payload_size(), MAX_PAYLOAD);
    for more in [1, 1 << 32, 1 << 40] {
        file.set_len(start + MAX_PAYLOAD + more).unwrap();
        let error = chain(&Bitstream::open(&path).unwrap_err());
        assert!(error.contains("expected 1 to 134217728 bytes of bitstream"), "{error}");
    }
}

#[test]
fn wrong_metadata_is_found_where_it_is() {
    let cluster = format!(r#"{{"accelerator-type-uuid":"{AFU}"}}"#);
    let with = |interface: &str, rest: &str, clusters: &str| {
        format!(r#"{{"interface-uuid":{interface},{rest}"accelerator-clusters":[{clusters}]}}"#)
    };
    let good = format!("\"{INTERFACE}\"");
    let two = format!("{cluster},{cluster}");
    for (json, found) in [
        (with(&good, "", ""), "0 accelerator-clusters, expected exactly one"),
        (with(&good, "", &two), "2 accelerator-clusters, expected exactly one"),
        ("null".to_owned(), "invalid type: null"),
        ("{}".to_owned(), "missing field `interface-uuid`"),
        (format!(r#"{{"interface-uuid":{good}}}"#), "missing field `accelerator-clusters`"),
        (with("null", "", &cluster), "invalid type: null"),
        (with("7", "", &cluster), "invalid type: integer `7`"),
        (with("\"\"", "", &cluster), "\"\" is no id"),
        (with("\"../../../../etc\"", "", &cluster), "\"../../../../etc\" is no id"),
        (with(&good, "", r#"{"accelerator-type-uuid":"..\u0000"}"#), "\"..\\0\" is no id"),
        (with(&good, "", "{}"), "missing field `accelerator-type-uuid`"),
        (with(&good, "\"power\":\"much\",", &cluster), "invalid type: string \"much\", expected i64"),
        (with(&good, "\"power\":1.5,", &cluster), "invalid type: floating point `1.5`"),
        (with(&good, "\"power\":1e999,", &cluster), "number out of range"),
        (with(&good, "\"power\":9223372036854775808,", &cluster), "invalid value: integer"),
        (with(&good, "\"power\":1,\"power\":1,", &cluster), "duplicate field `power`"),
        (with(&good, "\"x\":tru,", &cluster), "expected ident"),
    ] {
        let problem = problem("x.gbs", &image(&json));
        assert_eq!(problem.expected, "the metadata of a bitstream", "{json}");
        assert!(problem.found.starts_with(found), "{json}: {}", problem.found);
        assert!(!problem.found.contains(" line "), "{}", problem.found);
    }
    assert!(
        problem("x.gbs", &writer::gbs_with("{}", b"bits")).found.starts_with("missing field `afu-image`")
    );
    assert!(problem("x.gbs", &writer::gbs_with("[]", b"bits")).found.starts_with("invalid length 0"));
}

#[test]
fn the_place_in_the_metadata_is_one_in_the_file() {
    let json = "{\n \"version\": 1,\n \"platform-name\": 7\n}";
    let problem = problem("x.gbs", &writer::gbs_with(json, b"bits"));
    assert_eq!(problem.offset, 20 + json.find('7').unwrap() as u64);
}

#[test]
fn metadata_that_is_nested_deep_ends_nothing() {
    for open in ["[", "{\"a\":"] {
        let deep = open.repeat(4000 / open.len());
        problem("x.gbs", &writer::gbs_with(&deep, b"bits"));
        problem("x.gbs", &writer::gbs_with(format!("{{\"x\":{deep}"), b"bits"));
    }
}

#[test]
fn a_long_text_in_the_metadata_does_not_fill_the_log() {
    let json = format!(r#"{{"version":"{}"}}"#, "x".repeat(4000));
    assert!(problem("x.gbs", &writer::gbs_with(json, b"bits")).to_string().len() < 400);
}

#[test]
fn only_two_extensions_are_taken_before_anything_is_opened() {
    for path in ["test.unsupported", "x.GBS", "x", "gbs", "x.gbs.old"] {
        let error = Bitstream::open(path).unwrap_err();
        assert!(matches!(error, Error::Extension(_)), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!("{path} is no bitstream: the name of one ends in .gbs or .aocx")
        );
    }
}

#[test]
fn what_is_no_plain_file_is_refused_at_once() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("folder.gbs")).unwrap();
    // Nobody writes into it, so reading would never end.
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe.gbs"), 0o644.into()).unwrap();
    symlink("/dev/zero", at("device.gbs")).unwrap();
    for name in ["folder.gbs", "pipe.gbs", "device.gbs"] {
        let error = chain(&Bitstream::open(at(name)).unwrap_err());
        assert!(error.ends_with(&format!("{name}: not a plain file")), "{error}");
    }
    let error = chain(&Bitstream::open(at("missing.gbs")).unwrap_err());
    assert!(error.starts_with("cannot open /") && error.contains("No such file"), "{error}");
    fs::write(at("x.gbs"), gbs()).unwrap();
    symlink("x.gbs", at("link.gbs")).unwrap();
    assert!(Bitstream::open(at("link.gbs")).is_ok());
}

#[test]
fn a_file_that_is_cut_after_it_was_opened_gives_no_payload() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.gbs");
    fs::write(&path, gbs()).unwrap();
    let file = Bitstream::open(&path).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(gbs().len() as u64 - 1).unwrap();
    let error = chain(&file.payload().unwrap_err());
    assert!(error.ends_with("x.gbs: the file was changed after it was checked"), "{error}");
}
