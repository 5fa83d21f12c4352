//! The plugin as one of several in a process, and setup as a command. Exit codes of the plugin: `node/tests/commands.rs`.

use std::process::ExitCode;

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
    std::fs::write(folder.path().join("qat.conf"), "ServicesEnabled=everything").unwrap();
    let conf = format!("-config-dir={}", folder.path().display());
    let prefix = format!("-prefix={}", folder.path().display());
    let args = [conf, prefix].map(Into::into).to_vec();
    assert_eq!(qat_plugin::setup("setup qat", args), ExitCode::from(1));
}
