//! How the programs end when their command line is wrong.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::ffi::OsString;
use std::process::{Command, ExitCode};

const ARGS: &str = "IDXD_PLUGIN_ARGS";

/// Runs as a process of its own, started by the tests below.
#[test]
fn program() {
    let Ok(args) = std::env::var(ARGS) else { return };
    let mut words = args.split(' ').map(OsString::from);
    let main = match words.next().unwrap().to_str() {
        Some("dsa") => idxd_plugin::dsa::main,
        _ => idxd_plugin::iaa::main,
    };
    let code = main("program", words.collect());
    let codes = [0, 1, 2, 255];
    let number =
        codes.into_iter().find(|number| format!("{code:?}") == format!("{:?}", ExitCode::from(*number)));
    std::process::exit(i32::from(number.unwrap()));
}

/// The exit code and what was printed on standard error.
fn run(args: &str) -> (Option<i32>, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", "program", "--nocapture"]).env(ARGS, args).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_bad_value_is_a_warning_and_exit_code_1() {
    for (args, flag) in [
        ("dsa -shared-dev-num=0", "-shared-dev-num is 0"),
        ("iaa -shared-dev-num=-1", "-shared-dev-num is -1"),
        ("dsa -driver=uio", "-driver is \"uio\""),
    ] {
        let (code, errors) = run(args);
        let line = errors.lines().find(|line| line.contains(flag)).unwrap_or_default();
        assert!(line.starts_with('W'), "{args}: {errors}");
        assert_eq!(code, Some(1), "{args}");
    }
}

#[test]
fn an_unknown_flag_is_exit_code_2_and_help_0() {
    for (args, expected) in [("iaa -driver=idxd", 2), ("dsa -shared-dev-num=x", 2), ("dsa -help", 0)] {
        let (code, errors) = run(args);
        assert!(errors.contains("Usage: program"), "{args}: {errors}");
        assert_eq!(code, Some(expected), "{args}");
    }
}

#[test]
fn a_root_folder_that_is_not_there_is_fatal() {
    let (code, errors) = run("dsa -prefix=/no/such/folder");
    assert!(errors.contains("-prefix") && errors.contains("/no/such/folder"), "{errors}");
    assert_eq!(code, Some(255));
}
