//! The plugin as a command, and as one of several in a process.

use std::process::ExitCode;

fn run(args: &[&str]) -> ExitCode {
    qat_plugin::main("qat", args.iter().map(Into::into).collect())
}

#[test]
fn a_bad_value_ends_the_plugin_with_1_and_an_unknown_flag_with_2() {
    assert_eq!(run(&["-dpdk-driver=uio"]), ExitCode::from(1));
    assert_eq!(run(&["-max-num-devices=-1"]), ExitCode::from(1));
    assert_eq!(run(&["-no-such-flag"]), ExitCode::from(2));
    assert_eq!(run(&["-h"]), ExitCode::SUCCESS);
    assert_eq!(run(&["-prefix=/no/such/folder"]), ExitCode::from(255));
}

#[test]
fn flags_can_be_parsed_for_a_process_of_several_plugins() {
    let parse = |flags: &[&str]| {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        qat_plugin::parse(&flags).map(drop)
    };
    assert_eq!(parse(&["-dpdk-driver=vfio-pci", "-allocation-policy", "packed"]), Ok(()));
    assert_eq!(
        parse(&["-dpdk-driver=uio"]),
        Err("-dpdk-driver is \"uio\", not vfio-pci or igb_uio".to_owned())
    );
    assert!(parse(&["-max-num-device=1"]).unwrap_err().contains("did you mean -max-num-devices?"));
}

#[test]
fn setup_that_is_asked_for_nonsense_ends_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let setup = |args: &[&str]| qat_plugin::setup("setup qat", args.iter().map(Into::into).collect());
    assert_eq!(setup(&["-numvfs=1"]), ExitCode::from(2));
    // Logging starts once in a process, so there is one more run.
    std::fs::write(folder.path().join("qat.conf"), "ServicesEnabled=everything").unwrap();
    let conf = format!("-config-dir={}", folder.path().display());
    let prefix = format!("-prefix={}", folder.path().display());
    assert_eq!(setup(&[&conf, &prefix]), ExitCode::from(1));
}
