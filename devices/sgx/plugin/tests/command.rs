//! The plugin as a command, and as one of several in a process.

use std::process::ExitCode;

fn run(args: &[&str]) -> ExitCode {
    sgx_plugin::main("sgx", args.iter().map(Into::into).collect())
}

#[test]
fn a_bad_value_ends_the_plugin_with_1_and_a_wrong_flag_with_2() {
    assert_eq!(run(&["-enclave-limit=100001"]), ExitCode::from(1));
    assert_eq!(run(&["-enclave-limit=-1"]), ExitCode::from(2));
    assert_eq!(run(&["-no-such-flag"]), ExitCode::from(2));
    assert_eq!(run(&["-h"]), ExitCode::SUCCESS);
    assert_eq!(run(&["-prefix=/no/such/folder"]), ExitCode::from(255));
}

#[test]
fn flags_can_be_parsed_for_a_process_of_several_plugins() {
    let parse = |flags: &[&str]| {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        sgx_plugin::parse(&flags).map(drop)
    };
    assert_eq!(parse(&["-enclave-limit=10", "-dcap-infra-resources"]), Ok(()));
    let expected = "argument error: -provision-limit is 200000, not 0 to 100000";
    assert_eq!(parse(&["-provision-limit=200000"]), Err(expected.to_owned()));
    assert!(parse(&["-enclave-limits=1"]).unwrap_err().contains("did you mean -enclave-limit?"));
}
