//! What the hook reads is of others: whatever they write, the answer is one of its own or an error.

use std::fmt::Debug;
use std::io::{self, Read};

use fpga_hook::config::{Config, ConfigError};
use fpga_hook::state::{StateError, bundle};
use fpga_hook::{Wanted, WantedError, wanted};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

const MAX_STATE: u64 = 1 << 20;
const MAX_CONFIG: u64 = 16 << 20;

/// A text that is read, and how much of it was.
struct Counted<R>(R, u64);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1 += count as u64;
        Ok(count)
    }
}

/// A document of this length, and one that never ends.
fn long(document: &Value, length: u64) -> (impl Read, impl Read) {
    let text = document.to_string();
    let begin = || io::Cursor::new(text.clone().into_bytes());
    (begin().chain(io::repeat(b' ').take(length - text.len() as u64)), begin().chain(io::repeat(b' ')))
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let key = select(vec!["bundle", "process", "env", "linux", "devices", "type", "major", "minor", "x"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// A variable that is one of ours, or nearly so.
fn any_variable() -> impl Strategy<Value = String> {
    let name = select(vec!["FPGA_REGION_", "FPGA_AFU_", "FPGA_AFU", "fpga_region_", "PATH"]);
    (name, "[0-9]{0,2}|\\PC{0,4}", "=|", "[0-9a-fA-F]{32}|[a-z0-9]{1,64}|[./]{0,6}|\\PC{0,40}")
        .prop_map(|(name, number, equals, value)| format!("{name}{number}{equals}{value}"))
}

fn pairs() -> impl Strategy<Value = Vec<(u32, String, String)>> {
    prop::collection::btree_map(any::<u32>(), ("[0-9a-f]{32}", "[0-9a-z]{1,64}"), 1..9)
        .prop_map(|pairs| pairs.into_iter().map(|(number, (region, afu))| (number, region, afu)).collect())
}

fn is_in_order(wanted: &[Wanted]) -> bool {
    wanted.is_sorted_by(|a, b| a.number < b.number) && !wanted.is_empty()
}

fn one_short_line(error: &WantedError) -> bool {
    let text = error.to_string();
    text.lines().count() == 1 && text.len() < 1000
}

fn check<T: Debug>(result: Result<Vec<Wanted>, WantedError>, environment: T) {
    match result {
        Ok(wanted) => {
            assert!(is_in_order(&wanted), "{environment:?}");
            for Wanted { function, .. } in wanted {
                assert!(
                    function.to_string().bytes().all(|byte| byte.is_ascii_alphanumeric()),
                    "{environment:?}"
                );
            }
        }
        Err(error) => assert!(one_short_line(&error), "{error}"),
    }
}

proptest! {
    #[test]
    fn any_state_names_an_absolute_path_or_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), json in any_json()) {
        for text in [bytes, json.to_string().into_bytes(), json!({"bundle": json}).to_string().into_bytes()] {
            prop_assert!(bundle(text.as_slice()).map_or(true, |path| path.is_absolute()));
        }
    }

    #[test]
    fn a_bundle_is_given_as_it_is(path in "/\\PC{0,40}", others in any_json()) {
        let state = json!({"ociVersion": "1.2.0", "annotations": others, "bundle": path, "pid": 1});
        let found = bundle(state.to_string().as_bytes()).unwrap();
        prop_assert_eq!(found.to_str(), Some(path.as_str()));
    }

    #[test]
    fn any_configuration_is_read_or_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), json in any_json()) {
        let whole = json!({"process": {"env": json}, "linux": {"devices": json}});
        for text in [bytes, json.to_string().into_bytes(), whole.to_string().into_bytes()] {
            prop_assert!(Config::read(text.as_slice()).map_or(true, |config| !config.environment.is_empty()));
        }
    }

    #[test]
    fn variables_and_character_devices_are_all_read_and_nothing_else(
        environment in prop::collection::vec("\\PC{0,20}", 1..9),
        devices in prop::collection::vec((select(vec!["c", "u", "b", "p", "C", ""]), any::<i64>(), -1..300_i64), 1..9),
    ) {
        let listed: Vec<Value> = devices
            .iter()
            .map(|(kind, major, minor)| json!({"path": "/dev/x", "type": kind, "major": major, "minor": minor}))
            .collect();
        let text = json!({"process": {"env": environment}, "linux": {"devices": listed}}).to_string();
        let config = Config::read(text.as_bytes()).unwrap();
        prop_assert_eq!(config.environment, environment);
        let numbers: Vec<(i64, i64)> =
            config.devices.iter().map(|number| (i64::from(number.major), i64::from(number.minor))).collect();
        let is_number = |number: i64| (0..=i64::from(u32::MAX)).contains(&number);
        let expected: Vec<(i64, i64)> = devices
            .into_iter()
            .filter(|(kind, major, minor)| ["c", "u"].contains(kind) && is_number(*major) && is_number(*minor))
            .map(|(_, major, minor)| (major, minor))
            .collect();
        prop_assert_eq!(numbers, expected);
        prop_assert!(config.devices.iter().all(|number| !number.block));
    }

    #[test]
    fn any_variables_are_pairs_in_order_or_an_error(
        any in prop::collection::vec("\\PC{0,100}", 0..9),
        near in prop::collection::vec(any_variable(), 0..9),
    ) {
        check(wanted(&any), &any);
        check(wanted(&near), &near);
    }

    #[test]
    fn pairs_are_found_wherever_they_stand(
        (pairs, variables) in pairs().prop_flat_map(|pairs| {
            let variables: Vec<String> = pairs
                .iter()
                .flat_map(|(number, region, afu)| {
                    [format!("FPGA_REGION_{number}={region}"), format!("FPGA_AFU_{number}={afu}"), "A=b".to_owned()]
                })
                .collect();
            (Just(pairs), Just(variables).prop_shuffle())
        }),
    ) {
        let found: Vec<(u32, String, String)> = wanted(&variables)
            .unwrap()
            .into_iter()
            .map(|wanted| (wanted.number, wanted.interface.to_string(), wanted.function.to_string()))
            .collect();
        prop_assert_eq!(found, pairs);
    }
}

#[test]
fn a_state_may_be_a_mebibyte_long_and_no_more_is_read() {
    let document = json!({"bundle": "/x"});
    let (longest, endless) = long(&document, MAX_STATE);
    assert_eq!(bundle(longest).unwrap().to_str(), Some("/x"));
    let mut endless = Counted(endless, 0);
    let error = bundle(&mut endless).unwrap_err();
    assert!(matches!(error, StateError::TooLong));
    assert_eq!(error.to_string(), "the container's state on standard input is longer than 1048576 bytes");
    assert_eq!(endless.1, MAX_STATE + 1);
}

#[test]
fn a_configuration_may_be_16_mebibytes_long_and_no_more_is_read() {
    let document =
        json!({"process": {"env": ["A=b"]}, "linux": {"devices": [{"type": "c", "major": 1, "minor": 3}]}});
    let (longest, endless) = long(&document, MAX_CONFIG);
    assert_eq!(Config::read(longest).unwrap().environment, ["A=b"]);
    let mut endless = Counted(endless, 0);
    let error = Config::read(&mut endless).unwrap_err();
    assert!(matches!(error, ConfigError::TooLong));
    assert_eq!(error.to_string(), "it is longer than 16777216 bytes");
    assert_eq!(endless.1, MAX_CONFIG + 1);
}
