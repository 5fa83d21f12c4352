#![no_main]

use std::time::Duration;

use cli::{FlagSet, Stop};
use libfuzzer_sys::fuzz_target;

#[path = "../../node/src/families.rs"]
#[allow(dead_code)]
mod families;

#[derive(Debug, Clone, Default, PartialEq)]
struct Flags {
    switch: bool,
    int: i64,
    uint: u64,
    text: String,
    time: Duration,
}

impl Flags {
    fn parse(words: &[String]) -> (Self, Result<Vec<String>, Stop>) {
        let mut read = Self::default();
        let mut flags = FlagSet::new("fuzz", "Reads flags.");
        flags.bool("switch", &mut read.switch, "");
        flags.int("int", &mut read.int, "");
        flags.uint("uint", &mut read.uint, "");
        flags.string("text", &mut read.text, "");
        flags.duration("time", &mut read.time, "");
        let rest = flags.parse(words.iter().map(String::as_str));
        (read, rest)
    }

    /// The flags that set the same, times as Go prints them.
    fn written(&self) -> Vec<String> {
        let Self { switch, int, uint, text, time } = self;
        let mut usage = FlagSet::new("fuzz", "");
        let mut time = *time;
        usage.duration("time", &mut time, "");
        let Err(Stop::Help { usage }) = usage.parse(["-h"]) else { panic!("no usage text") };
        let shown = usage.split_once("(default ").and_then(|(_, rest)| rest.split_once(')'));
        let time = shown.map_or("0", |(time, _)| time);
        vec![
            format!("-switch={switch}"),
            format!("--int={int}"),
            "-uint".to_owned(),
            uint.to_string(),
            format!("-text={text}"),
            format!("-time={time}"),
        ]
    }
}

// Words, a zero byte between them. The first letter chooses a plugin.
fuzz_target!(|text: &str| {
    let mut words = text.split('\0').map(str::to_owned);
    let Some(first) = words.next() else { return };
    let words: Vec<String> = words.collect();
    let number = usize::from(first.bytes().next().unwrap_or_default());
    let family = &families::FAMILIES[number % families::FAMILIES.len()];
    if let Err(error) = (family.parse)(&words) {
        assert!(!error.is_empty());
    }
    let (read, rest) = Flags::parse(&words);
    if rest.is_ok() {
        let (again, rest) = Flags::parse(&read.written());
        assert_eq!(again, read, "{:?}", read.written());
        assert_eq!(rest.expect("flags alone"), [""; 0]);
    }
});
