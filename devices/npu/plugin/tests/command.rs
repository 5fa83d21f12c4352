//! The plugin as a command, and as one of several in a process.

use std::process::ExitCode;

fn run(args: &[&str]) -> ExitCode {
    npu_plugin::main("npu", args.iter().map(Into::into).collect())
}

#[test]
fn a_bad_value_ends_the_plugin_with_1_and_a_wrong_flag_with_2() {
    assert_eq!(run(&["-shared-dev-num=0"]), ExitCode::from(1));
    assert_eq!(run(&["-shared-dev-num=many"]), ExitCode::from(2));
    assert_eq!(run(&["-no-such-flag"]), ExitCode::from(2));
    assert_eq!(run(&["-h"]), ExitCode::SUCCESS);
    assert_eq!(run(&["-prefix=/no/such/folder"]), ExitCode::from(255));
}

#[test]
fn flags_can_be_parsed_for_a_process_of_several_plugins() {
    let parse = |flags: &[&str]| {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        npu_plugin::parse(&flags).map(drop)
    };
    assert_eq!(parse(&["-shared-dev-num=10"]), Ok(()));
    let expected = "argument error: -shared-dev-num is -1, not 1 to 200000";
    assert_eq!(parse(&["-shared-dev-num=-1"]), Err(expected.to_owned()));
    assert!(parse(&["-shared-dev-nun=1"]).unwrap_err().contains("did you mean -shared-dev-num?"));
}
