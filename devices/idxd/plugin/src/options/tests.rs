use simulator::golden;

use super::*;
use crate::family::{DSA, IAA};

fn check(args: &[&str]) -> Result<Config, String> {
    Options::parse(&DSA, "dsa", args.iter().copied()).map_err(|stop| stop.to_string())?.check()
}

fn refused(args: &[&str], because: &str) {
    match check(args) {
        Ok(config) => panic!("{args:?} is accepted: {config:?}"),
        Err(error) => assert!(error.contains(because), "{args:?}: {error}"),
    }
}

#[test]
fn without_flags_every_queue_is_offered_once() {
    assert_eq!(check(&[]), Ok(Config::Queues { shares: 1 }));
    assert_eq!(check(&["-driver=idxd", "-shared-dev-num", "0x10"]), Ok(Config::Queues { shares: 16 }));
    assert_eq!(check(&["-shared-dev-num=200000"]), Ok(Config::Queues { shares: 200_000 }));
    assert_eq!(check(&["--driver", "vfio-pci"]), Ok(Config::Vfio));
}

#[test]
fn bad_values_are_refused() {
    refused(&["-shared-dev-num=0"], "-shared-dev-num is 0, not 1 to 200000");
    refused(&["-shared-dev-num=-3"], "-shared-dev-num is -3");
    refused(&["-shared-dev-num=200001"], "-shared-dev-num is 200001");
    refused(&["-shared-dev-num=4294967297"], "-shared-dev-num is 4294967297");
    refused(&["-driver="], r#"-driver is """#);
    refused(&["-driver=igb_uio"], r#"-driver is "igb_uio", not idxd or vfio-pci"#);
}

#[test]
fn the_first_of_several_mistakes_in_the_reference_order_is_named() {
    refused(&["-driver=x", "-shared-dev-num=0"], "-shared-dev-num");
    refused(&["-driver=vfio-pci", "-shared-dev-num=0"], "-shared-dev-num");
    refused(&["-driver=x", "-shared-dev-num=200001"], "-driver");
}

#[test]
fn shares_have_no_effect_on_whole_functions() {
    for (args, warned) in [
        (["-driver=vfio-pci", "-shared-dev-num=1"], false),
        (["-driver=vfio-pci", "-shared-dev-num=2"], true),
        (["-driver=vfio-pci", "-shared-dev-num=200001"], true),
        (["-driver=idxd", "-shared-dev-num=2"], false),
    ] {
        let options = Options::parse(&DSA, "dsa", args).unwrap();
        assert!(options.check().is_ok(), "{args:?}");
        let warnings = options.warnings();
        assert_eq!(warnings.iter().any(|warning| warning.contains("-shared-dev-num")), warned, "{args:?}");
    }
}

#[test]
fn iaa_has_no_other_driver() {
    let stop = Options::parse(&IAA, "iaa", ["-driver=idxd"]).unwrap_err();
    assert_eq!(stop.exit_code(), 2);
    assert!(stop.to_string().starts_with("flag provided but not defined: -driver\n"), "{stop}");
    let options = Options::parse(&IAA, "iaa", ["-shared-dev-num=5"]).unwrap();
    assert_eq!(options.check(), Ok(Config::Queues { shares: 5 }));
}

#[test]
fn the_usage_texts_are_the_golden_ones() {
    for (family, program) in [(&DSA, "intel_dsa_device_plugin"), (&IAA, "intel_iaa_device_plugin")] {
        let stop = Options::parse(family, program, ["-h"]).unwrap_err();
        assert_eq!(stop.exit_code(), 0);
        // The flags of all plugins have a golden text of their own.
        let usage = stop.to_string();
        let own = usage.split("\nCommon flags:").next().unwrap_or_default();
        assert!(own.len() < usage.len(), "{usage}");
        golden(format!("tests/golden/usage-{}.txt", family.name), own);
    }
}
