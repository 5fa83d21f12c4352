//! The plugin as a command, and as one of several in a process.

use std::process::ExitCode;

fn run(args: &[&str]) -> ExitCode {
    dlb_plugin::main("dlb", args.iter().map(Into::into).collect())
}

#[test]
fn an_unknown_flag_ends_the_plugin_with_2() {
    assert_eq!(run(&["-no-such-flag"]), ExitCode::from(2));
    assert_eq!(run(&["-v=many"]), ExitCode::from(2));
    assert_eq!(run(&["-h"]), ExitCode::SUCCESS);
    assert_eq!(run(&["-prefix=/no/such/folder"]), ExitCode::from(255));
}

#[test]
fn flags_can_be_parsed_for_a_process_of_several_plugins() {
    let parse = |flags: &[&str]| {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        dlb_plugin::parse(&flags).map(drop)
    };
    assert_eq!(parse(&["-v=4"]), Ok(()));
    assert!(parse(&["-kubelet-dri=/x"]).unwrap_err().contains("did you mean -kubelet-dir?"));
}

#[test]
fn setup_tells_by_its_exit_code_how_it_went() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = format!("-prefix={}", folder.path().display());
    let setup = |args: &[&str]| dlb_plugin::setup("setup dlb", args.iter().map(Into::into).collect());
    assert_eq!(setup(&["-numvfs=1"]), ExitCode::from(2));
    assert_eq!(setup(&["-h"]), ExitCode::SUCCESS);
    // Logging starts once in a process, so there is one more run: a node without a DLB.
    assert_eq!(setup(&[&prefix]), ExitCode::SUCCESS);
}
