mod files;

use std::io::{self, Write};
use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use tracing::{Level, debug, error, info, trace, warn};

use super::filter::{VerbosityByFile, needed};
use super::output::Output;
use super::*;
use crate::FlagSet;
use crate::time::Utc;

/// 2026-11-23 22:01:02.123456 UTC.
fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(1_795_471_262_123_456)
}

/// What was written, for a writer that is given away.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<Vec<u8>>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Pipe {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().concat()).unwrap()
    }
}

fn options(args: &[&str]) -> LogOptions {
    let mut options = LogOptions::default();
    let mut flags = FlagSet::new("plugin", "");
    options.add_flags(&mut flags);
    assert_eq!(flags.parse(args), Ok(Vec::new()));
    options
}

/// Why the flag is refused.
fn refusal(arg: &str) -> String {
    let mut options = LogOptions::default();
    let mut flags = FlagSet::new("plugin", "");
    options.add_flags(&mut flags);
    match flags.parse([arg]) {
        Err(crate::Stop::Invalid { message, .. }) => message,
        other => panic!("{arg}: {other:?}"),
    }
}

/// What goes to standard error under these flags, in the words of process 1234 at the time of [`clock`].
fn logged(args: &[&str], events: impl FnOnce()) -> Pipe {
    let (pipe, options) = (Pipe::default(), options(args));
    let output = Output::to(&options.destination, Box::new(pipe.clone()));
    tracing::subscriber::with_default(Logger::new(&options, clock, 1234, output), events);
    pipe
}

/// The same as text, with the number of each source line as `N`.
fn lines(args: &[&str], events: impl FnOnce()) -> String {
    let text = logged(args, events).text();
    let mut parts = text.split("tests.rs:");
    let first = parts.next().unwrap().to_owned();
    parts
        .fold(first, |text, part| text + "tests.rs:N" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// One event of each level.
fn each_level() {
    error!("an error");
    warn!("a warning");
    info!("information");
    debug!("a debug message");
    trace!("a trace");
}

#[test]
fn text_lines_are_what_klog_writes() {
    assert_eq!(
        lines(&[], each_level),
        "\
E1123 22:01:02.123456    1234 tests.rs:N] an error
W1123 22:01:02.123456    1234 tests.rs:N] a warning
I1123 22:01:02.123456    1234 tests.rs:N] information
"
    );
}

#[test]
fn the_header_names_the_line_that_logged() {
    let mut line = 0;
    let text = logged(&["-add_dir_header"], || {
        line = line!() + 1;
        info!("here");
    });
    assert_eq!(text.text(), format!("I1123 22:01:02.123456    1234 logs/tests.rs:{line}] here\n"));
}

#[test]
fn fields_follow_the_message_of_a_text_line() {
    let error = LogError::Open { path: "/log".into(), source: io::Error::other("disk gone") };
    let text = lines(&[], || {
        info!(
            device = "card0",
            path = %"/dev/dri/card0".to_owned(),
            debug = ?Some(1),
            count = 3,
            below = -4,
            ratio = 0.5,
            none = f64::NAN,
            ready = true,
            error = &error as &dyn std::error::Error,
            "found {}",
            "it",
        );
        info!(only = "fields");
    });
    assert_eq!(
        text,
        "I1123 22:01:02.123456    1234 tests.rs:N] found it device=\"card0\" path=\"/dev/dri/card0\" \
         debug=\"Some(1)\" count=3 below=-4 ratio=0.5 none=\"NaN\" ready=true \
         error=\"cannot open log file /log: disk gone\"\n\
         I1123 22:01:02.123456    1234 tests.rs:N]  only=\"fields\"\n"
    );
}

#[test]
fn json_lines_are_objects_with_the_fields_beside_the_message() {
    let text = lines(&["-logging-format=json", "-v=2"], || {
        warn!(device = "card0", count = 3, none = f64::INFINITY, level = "own", "it's \"odd\"");
        debug!("a debug message");
    });
    assert_eq!(
        text,
        "{\"ts\":\"2026-11-23T22:01:02.123456Z\",\"level\":\"warn\",\"caller\":\"tests.rs:N\",\
         \"msg\":\"it's \\\"odd\\\"\",\"device\":\"card0\",\"count\":3,\"none\":\"inf\",\"field.level\":\"own\"}\n\
         {\"ts\":\"2026-11-23T22:01:02.123456Z\",\"level\":\"debug\",\"caller\":\"tests.rs:N\",\
         \"msg\":\"a debug message\"}\n"
    );
}

#[test]
fn control_characters_cannot_forge_a_line_or_drive_a_terminal() {
    let evil = "a\nE1123 b\r\t\u{1b}[2J\u{0}\u{7f}\u{85}\u{2028}\u{202e}\u{feff}c\"\\";
    let text = lines(&[], || info!(value = evil, "read {evil}"));
    let escaped = r"a\nE1123 b\r\t\u001b[2J\u0000\u007f\u0085\u2028\u202e\ufeffc";
    assert_eq!(
        text,
        format!("I1123 22:01:02.123456    1234 tests.rs:N] read {escaped}\"\\ value=\"{escaped}\\\"\\\\\"\n")
    );
}

#[test]
fn a_line_is_one_write() {
    let pipe = logged(&["-v=4"], each_level);
    let writes = pipe.0.lock().unwrap();
    assert_eq!(writes.len(), 5);
    assert!(writes.iter().all(|write| write.ends_with(b"\n")));
}

#[test]
fn headers_can_be_left_out() {
    assert_eq!(lines(&["-skip_headers"], || info!(a = 1, "text")), "text a=1\n");
}

#[test]
fn verbosity_adds_debug_messages_and_then_traces() {
    let counts =
        [("-v=0", 3), ("-v=1", 3), ("-v=2", 4), ("-v=3", 4), ("-v=4", 5), ("-v=-1", 3), ("-v=99", 5)];
    for (flag, count) in counts {
        assert_eq!(lines(&[flag], each_level).lines().count(), count, "{flag}");
    }
}

#[test]
fn libraries_are_heard_at_high_verbosities_only() {
    let library = "/home/builder/.cargo/registry/src/index/h2-0.4.0/src/codec.rs";
    let cases = [
        (Level::ERROR, library, Some(2)),
        (Level::WARN, library, Some(2)),
        (Level::DEBUG, library, Some(6)),
        (Level::TRACE, library, Some(6)),
        (Level::DEBUG, "crates/cli/src/logs.rs", Some(2)),
        (Level::TRACE, "crates/cli/src/logs.rs", Some(4)),
        (Level::INFO, "crates/cli/src/logs.rs", None),
    ];
    for (level, file, verbosity) in cases {
        assert_eq!(needed(level, file), verbosity, "{level} in {file}");
    }
}

#[test]
fn vmodule_raises_the_verbosity_of_files_and_never_lowers_it() {
    let cases: &[(&[&str], usize)] = &[
        (&["-vmodule=tests=2"], 4),
        (&["-vmodule=tests=4"], 5),
        (&["-vmodule=te?t*=4"], 5),
        (&["-vmodule=other=4,tests=2"], 4),
        (&["-vmodule=t*=2,tests=4"], 4),
        (&["-vmodule=tests.rs=4"], 3),
        (&["-vmodule=test=4,ests=4,?tests=4"], 3),
        (&["-vmodule=tests=2", "-v=4"], 5),
        (&["-vmodule=,,"], 3),
    ];
    for (args, count) in cases {
        assert_eq!(lines(args, each_level).lines().count(), *count, "{args:?}");
    }
}

#[test]
fn bad_values_of_logging_flags_are_refused() {
    let cases = [
        ("-v=a", r#"invalid value "a" for flag -v: expected a decimal number"#),
        ("-v=0x3", r#"invalid value "0x3" for flag -v: expected a decimal number"#),
        (
            "-vmodule=a",
            r#"invalid value "a" for flag -vmodule: syntax error: expect comma-separated list of filename=N"#,
        ),
        ("-vmodule=a=-1", r#"invalid value "a=-1" for flag -vmodule: negative value for vmodule level"#),
        (
            "-stderrthreshold=loud",
            r#"invalid value "loud" for flag -stderrthreshold: expected INFO, WARNING, ERROR, FATAL or a number"#,
        ),
        (
            "-log_backtrace_at=a:0",
            r#"invalid value "a:0" for flag -log_backtrace_at: expected a source file and a line, as in file:234"#,
        ),
        ("-logging-format=xml", r#"invalid value "xml" for flag -logging-format: expected text or json"#),
    ];
    for (arg, expected) in cases {
        assert_eq!(refusal(arg), expected);
    }
    for bad in ["=1", "a=", "a=b", "a=1=2"] {
        assert!(VerbosityByFile::from_word(bad).is_err(), "{bad}");
    }
}

#[test]
fn flags_without_meaning_here_are_accepted() {
    options(&[
        "-log_backtrace_at=main.go:12",
        "-log_backtrace_at=",
        "-skip_log_headers",
        "-stderrthreshold=7",
    ]);
}

#[test]
fn a_value_may_log_while_it_is_shown() {
    struct Chatty<'a>(&'a Logger);
    impl std::fmt::Display for Chatty<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.fatal(Location::caller(), &"inner");
            f.write_str("outer")
        }
    }
    let (pipe, options) = (Pipe::default(), LogOptions::default());
    let logger = Logger::new(&options, clock, 1, Output::to(&options.destination, Box::new(pipe.clone())));
    logger.fatal(Location::caller(), &Chatty(&logger));
    let ends: Vec<String> = pipe.text().lines().map(|line| line[line.len() - 7..].to_owned()).collect();
    assert_eq!(ends, ["] inner", "] outer"]);
}

#[test]
fn a_fatal_message_gives_the_exit_code_255() {
    let mut code = None;
    let text = lines(&[], || code = Some(crate::fatal("no way\non")));
    assert_eq!(text, "F1123 22:01:02.123456    1234 tests.rs:N] no way\\non\n");
    assert_eq!(format!("{:?}", code.unwrap()), format!("{:?}", std::process::ExitCode::from(255)));
}

#[test]
fn the_calendar_knows_leap_years_and_centuries() {
    let cases = [
        (0, (1970, 1, 1, 0, 0, 0)),
        (951_782_399, (2000, 2, 28, 23, 59, 59)),
        (951_782_400, (2000, 2, 29, 0, 0, 0)),
        (1_772_323_199, (2026, 2, 28, 23, 59, 59)),
        (4_107_542_400, (2100, 3, 1, 0, 0, 0)),
        (253_402_300_799, (9999, 12, 31, 23, 59, 59)),
    ];
    for (seconds, expected) in cases {
        let Utc { year, month, day, hour, minute, second, .. } =
            Utc::from(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!((year, month, day, hour, minute, second), expected);
    }
    assert_eq!(Utc::from(UNIX_EPOCH - Duration::from_secs(5)), Utc::from(UNIX_EPOCH));
}

proptest! {
    #[test]
    fn whatever_is_logged_is_one_line_of_json(message: String, value: String) {
        let text = logged(&["-logging-format=json"], || info!(value, "{message}")).text();
        prop_assert_eq!(text.matches('\n').count(), 1);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(json["msg"].as_str(), Some(message.as_str()));
        prop_assert_eq!(json["value"].as_str(), Some(value.as_str()));
    }
}
