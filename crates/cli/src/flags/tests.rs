use std::os::unix::ffi::OsStringExt;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, PartialEq)]
struct Options {
    switch: bool,
    shares: i64,
    limit: u64,
    prefix: String,
    period: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            switch: false,
            shares: 1,
            limit: 0,
            prefix: "/host".to_owned(),
            period: Duration::from_secs(90),
        }
    }
}

impl Options {
    fn flags(&mut self) -> FlagSet<'_> {
        let mut flags = FlagSet::new("plugin", "Shares devices among containers.");
        flags.int("shared-dev-num", &mut self.shares, "how many containers may share one device");
        flags.string("prefix", &mut self.prefix, "folder that holds the node's /dev and /sys");
        flags.bool(
            "wsl",
            &mut self.switch,
            "look for devices where the Windows Subsystem for Linux has them",
        );
        let previous = flags.section("Limits");
        flags.uint("limit", &mut self.limit, "most devices to offer");
        flags.duration("period", &mut self.period, "time between two scans, should events not be enough");
        flags.section(previous);
        flags
    }
}

fn parse(args: &[&str]) -> Result<(Options, Vec<String>), Stop> {
    let mut options = Options::default();
    let rest = options.flags().parse(args)?;
    Ok((options, rest))
}

/// The first lines of what is printed, without the usage text.
fn refusal(args: &[&str]) -> String {
    match parse(args).expect_err("these words are wrong") {
        Stop::Invalid { message, .. } => message,
        Stop::Help { .. } => "help".to_owned(),
    }
}

#[test]
fn flags_are_understood_in_every_form_that_go_takes() {
    let with = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options
    };
    let cases: &[(&[&str], Options)] = &[
        (&[], Options::default()),
        (&["-shared-dev-num=3"], with(|o| o.shares = 3)),
        (&["--shared-dev-num=3"], with(|o| o.shares = 3)),
        (&["-shared-dev-num", "3"], with(|o| o.shares = 3)),
        (&["--shared-dev-num", "-3"], with(|o| o.shares = -3)),
        (&["-shared-dev-num=+3"], with(|o| o.shares = 3)),
        (&["-shared-dev-num=0x1_F"], with(|o| o.shares = 31)),
        (&["-shared-dev-num=0x_1F"], with(|o| o.shares = 31)),
        (&["-shared-dev-num=0b101"], with(|o| o.shares = 5)),
        (&["-shared-dev-num=0O17"], with(|o| o.shares = 15)),
        (&["-shared-dev-num=017"], with(|o| o.shares = 15)),
        (&["-shared-dev-num=1_000"], with(|o| o.shares = 1000)),
        (&["-shared-dev-num=-9223372036854775808"], with(|o| o.shares = i64::MIN)),
        (&["-limit=18446744073709551615"], with(|o| o.limit = u64::MAX)),
        (&["-shared-dev-num=3", "-shared-dev-num=4"], with(|o| o.shares = 4)),
        (&["-wsl"], with(|o| o.switch = true)),
        (&["--wsl=T"], with(|o| o.switch = true)),
        (&["-wsl", "-wsl=0"], Options::default()),
        (&["-prefix="], with(|o| o.prefix.clear())),
        (&["-prefix", ""], with(|o| o.prefix.clear())),
        (&["-prefix=a=b c"], with(|o| o.prefix = "a=b c".to_owned())),
        (&["-prefix", "-wsl"], with(|o| o.prefix = "-wsl".to_owned())),
        (&["-period=1h2.5s"], with(|o| o.period = Duration::from_millis(3_602_500))),
        (&["-period=0"], with(|o| o.period = Duration::ZERO)),
        (&["-period=.5µs"], with(|o| o.period = Duration::from_nanos(500))),
    ];
    for (args, expected) in cases {
        assert_eq!(parse(args), Ok((expected.clone(), Vec::new())), "{args:?}");
    }
}

#[test]
fn parsing_ends_at_two_dashes_or_at_the_first_word_that_is_no_flag() {
    let cases: &[(&[&str], bool, &[&str])] = &[
        (&["-wsl", "--", "-wsl=false"], true, &["-wsl=false"]),
        (&["-wsl", "word", "-wsl=false"], true, &["word", "-wsl=false"]),
        (&["-wsl", "false"], true, &["false"]),
        (&["-", "-wsl"], false, &["-", "-wsl"]),
        (&["", "-wsl"], false, &["", "-wsl"]),
        (&["word", "--"], false, &["word", "--"]),
    ];
    for (args, switch, rest) in cases {
        let (options, left) = parse(args).expect("nothing is wrong with these words");
        assert_eq!(
            (options.switch, left),
            (*switch, rest.iter().map(ToString::to_string).collect()),
            "{args:?}"
        );
    }
}

#[test]
fn wrong_words_are_refused_in_the_words_of_go() {
    let cases: &[(&[&str], &str)] = &[
        (&["-shared-dev-num"], "flag needs an argument: -shared-dev-num"),
        (&["-shared-dev-num", "a"], r#"invalid value "a" for flag -shared-dev-num: parse error"#),
        (&["-shared-dev-num="], r#"invalid value "" for flag -shared-dev-num: parse error"#),
        (&["-shared-dev-num=08"], r#"invalid value "08" for flag -shared-dev-num: parse error"#),
        (&["-shared-dev-num=1_"], r#"invalid value "1_" for flag -shared-dev-num: parse error"#),
        (&["-shared-dev-num=_1"], r#"invalid value "_1" for flag -shared-dev-num: parse error"#),
        (&["-shared-dev-num=0x"], r#"invalid value "0x" for flag -shared-dev-num: parse error"#),
        (
            &["-shared-dev-num=9223372036854775808"],
            r#"invalid value "9223372036854775808" for flag -shared-dev-num: value out of range"#,
        ),
        (&["-limit=-1"], r#"invalid value "-1" for flag -limit: parse error"#),
        (&["-limit=+1"], r#"invalid value "+1" for flag -limit: parse error"#),
        (&["-period=1"], r#"invalid value "1" for flag -period: parse error"#),
        (&["-period=-1s"], r#"invalid value "-1s" for flag -period: parse error"#),
        (&["-period=300000h5000000h"], r#"invalid value "300000h5000000h" for flag -period: parse error"#),
        (&["-wsl=maybe"], r#"invalid boolean value "maybe" for -wsl: parse error"#),
        (&["-wsl="], r#"invalid boolean value "" for -wsl: parse error"#),
        (&["-limit=a\"\n"], r#"invalid value "a\"\n" for flag -limit: parse error"#),
        (&["---wsl"], "bad flag syntax: ---wsl"),
        (&["-=3"], "bad flag syntax: -=3"),
        (&["--bogus=3"], "flag provided but not defined: -bogus"),
        (&["-bogus=3", "-wsl=maybe"], "flag provided but not defined: -bogus"),
    ];
    for (args, expected) in cases {
        assert_eq!(refusal(args), *expected, "{args:?}");
    }
}

#[test]
fn where_people_type_a_word_that_is_no_flag_is_wrong() {
    let all = |args: &[&str]| Options::default().flags().parse_all(args);
    assert_eq!(all(&["-wsl", "-limit", "3"]), Ok(()));
    assert_eq!(all(&["-wsl", "--"]), Ok(()));
    for args in [&["-wsl", "true", "-limit=3"][..], &["true"], &["--", "true"]] {
        let Err(Stop::Invalid { message, usage }) = all(args) else { panic!("{args:?}") };
        assert_eq!(message, "\"true\" is no flag");
        assert!(usage.contains("-shared-dev-num"), "{usage}");
    }
    assert!(matches!(all(&["-h", "word"]), Err(Stop::Help { .. })));
}

#[test]
fn a_misspelt_flag_is_answered_with_the_nearest_one() {
    let cases = [
        (
            "-shared_dev_num=3",
            "flag provided but not defined: -shared_dev_num\ndid you mean -shared-dev-num?",
        ),
        ("-perod", "flag provided but not defined: -perod\ndid you mean -period?"),
        ("-wl", "flag provided but not defined: -wl\ndid you mean -wsl?"),
        ("-limits", "flag provided but not defined: -limits\ndid you mean -limit?"),
        ("-x", "flag provided but not defined: -x"),
    ];
    for (arg, expected) in cases {
        assert_eq!(refusal(&[arg]), expected);
    }
}

#[test]
fn a_word_that_is_not_utf8_is_refused() {
    let words = [b"-prefix=/\xff".as_slice(), b"word\xff"];
    for word in words {
        let stop = Options::default().flags().parse([OsString::from_vec(word.to_vec())]);
        let Err(Stop::Invalid { message, .. }) = stop else { panic!("{word:?} is taken") };
        assert!(message.starts_with("argument is not UTF-8: \""), "{message}");
    }
}

#[test]
fn help_ends_well_and_shows_flags_by_section_with_their_defaults() {
    let usage = "\
Usage: plugin [flags]

Shares devices among containers.

Flags:
  -prefix string
        folder that holds the node's /dev and /sys (default \"/host\")
  -shared-dev-num int
        how many containers may share one device (default 1)
  -wsl
        look for devices where the Windows Subsystem for Linux has them

Limits:
  -limit uint
        most devices to offer
  -period duration
        time between two scans, should events not be enough (default 1m30s)
";
    for word in ["-h", "--help", "-help=x"] {
        // The defaults stay what they were before the first flag was read.
        let stop = parse(&["-shared-dev-num=7", word]).expect_err("help was asked for");
        assert_eq!(stop, Stop::Help { usage: usage.to_owned() });
        assert_eq!((stop.exit_code(), stop.to_string()), (0, usage.to_owned()));
    }
    let stop = parse(&["-bogus"]).expect_err("no such flag");
    assert_eq!(stop.exit_code(), 2);
    assert_eq!(stop.to_string(), format!("flag provided but not defined: -bogus\n{usage}"));
}

#[test]
fn long_help_is_wrapped_between_words() {
    let mut switch = false;
    let mut flags = FlagSet::new("plugin", "");
    let help = "word ".repeat(40);
    flags.bool("b", &mut switch, &help);
    let usage = flags.usage();
    assert!(usage.lines().all(|line| line.len() <= 100), "{usage}");
    assert_eq!(usage.matches("word").count(), 40);
    assert_eq!(usage.lines().filter(|line| line.starts_with("        word")).count(), 3);
}

#[test]
fn durations_are_shown_as_go_shows_them() {
    let cases = [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1µs"),
        (300_000_000, "300ms"),
        (1_500_000_000, "1.5s"),
        (60_000_000_000, "1m0s"),
        (5_400_000_000_000, "1h30m0s"),
        (i64::MAX as u64, "2562047h47m16.854775807s"),
    ];
    for (nanoseconds, expected) in cases {
        assert_eq!(duration::format(Duration::from_nanos(nanoseconds)), expected);
    }
}

/// Flags known and unknown, with and without values, and anything else.
const WORD: &str = "(-{0,3}(wsl|limit|period|prefix|shared-dev-num|.{0,3})=?)?.{0,12}";

proptest! {
    #[test]
    fn no_command_line_makes_it_panic(args in prop::collection::vec(WORD, 0..5)) {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        if let Err(stop) = parse(&args) {
            prop_assert!(stop.to_string().contains("Usage: plugin"));
        }
    }

    #[test]
    fn an_integer_is_read_in_every_base(value: i64) {
        let sign = if value < 0 { "-" } else { "" };
        let magnitude = value.unsigned_abs();
        for word in [
            format!("{sign}{magnitude}"),
            format!("{sign}{magnitude:#x}"),
            format!("{sign}{magnitude:#o}"),
            format!("{sign}{magnitude:#b}"),
            format!("{sign}0{magnitude:o}"),
        ] {
            let (options, _) = parse(&["-shared-dev-num", &word]).expect("an integer");
            prop_assert_eq!(options.shares, value, "{}", word);
        }
    }

    #[test]
    fn a_duration_is_read_back_as_it_was_shown(nanoseconds in 0..=i64::MAX as u64) {
        let duration = Duration::from_nanos(nanoseconds);
        prop_assert_eq!(duration::parse(&duration::format(duration)), Some(duration));
    }
}
