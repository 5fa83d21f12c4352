use super::*;

fn check(args: &[&str]) -> Result<Config, String> {
    Options::parse("qat", args.iter().copied()).map_err(|stop| stop.to_string())?.check()
}

fn refused(args: &[&str], because: &str) {
    match check(args) {
        Ok(config) => panic!("{args:?} is accepted: {config:?}"),
        Err(error) => assert!(error.contains(because), "{args:?}: {error}"),
    }
}

fn drivers(config: &Config) -> Vec<&str> {
    config.generations.iter().map(|generation| generation.vf_driver).collect()
}

#[test]
fn without_flags_the_reference_defaults_hold() {
    let config = check(&[]).unwrap();
    assert_eq!(drivers(&config), ["4xxxvf", "420xxvf"]);
    assert_eq!(
        (config.dpdk_driver, config.policy, config.max_devices),
        (DpdkDriver::VfioPci, Policy::None, 64)
    );
}

#[test]
fn the_references_cases() {
    refused(&["-dpdk-driver=uio", "-kernel-vf-drivers=c6xxvf"], "-dpdk-driver is \"uio\"");
    refused(&["-dpdk-driver=vfio-pci", "-kernel-vf-drivers=c6xxxvf"], "\"c6xxxvf\"");
    refused(&["-kernel-vf-drivers=c6xxvf:d15xxvf"], "\"c6xxvf:d15xxvf\"");
    assert_eq!(drivers(&check(&["-kernel-vf-drivers=c6xxvf,d15xxvf"]).unwrap()), ["c6xxvf", "d15xxvf"]);
}

#[test]
fn every_kernel_driver_is_known_and_kept_in_order() {
    let all = "6xxxvf,dh895xccvf,c4xxxvf,c3xxxvf,4xxxvf,420xxvf,c6xxvf,d15xxvf,6xxxvf";
    let config = check(&["-kernel-vf-drivers", all]).unwrap();
    let expected: Vec<&str> = all.split(',').take(8).collect();
    assert_eq!(drivers(&config), expected);
}

#[test]
fn bad_values_are_refused() {
    refused(&["-dpdk-driver="], "-dpdk-driver is \"\"");
    refused(&["-kernel-vf-drivers="], "\"\"");
    refused(&["-kernel-vf-drivers=4xxxvf,"], "\"\"");
    refused(&["-kernel-vf-drivers=4xxxvf, 420xxvf"], "\" 420xxvf\"");
    refused(&["-kernel-vf-drivers=4xxx"], "did you mean 4xxxvf?");
    refused(&["-allocation-policy="], "-allocation-policy is \"\"");
    refused(&["-allocation-policy=none"], "leave it out for none");
    refused(&["-allocation-policy=Packed"], "\"Packed\"");
    refused(&["-max-num-devices=-1"], "-max-num-devices is -1");
}

#[test]
fn the_first_of_several_mistakes_in_the_reference_order_is_named() {
    let all = ["-max-num-devices=-1", "-allocation-policy=x", "-kernel-vf-drivers=y,z", "-dpdk-driver=w"];
    refused(&all, "-dpdk-driver");
    refused(&all[..3], "\"y\"");
    refused(&all[..2], "-allocation-policy");
}

#[test]
fn policies_and_numbers() {
    assert_eq!(check(&["-allocation-policy", "balanced"]).unwrap().policy, Policy::Balanced);
    assert_eq!(check(&["-allocation-policy=packed"]).unwrap().policy, Policy::Packed);
    assert_eq!(check(&["-max-num-devices=0"]).unwrap().max_devices, 0);
    assert_eq!(check(&["-max-num-devices=0x20"]).unwrap().max_devices, 32);
    assert_eq!(check(&["-dpdk-driver=igb_uio"]).unwrap().dpdk_driver, DpdkDriver::IgbUio);
}

#[test]
fn unknown_flags_and_values_of_the_wrong_kind_are_refused_as_go_does() {
    for args in [["-dpdk-drivers=vfio-pci"], ["-max-num-devices=many"]] {
        assert_eq!(Options::parse("qat", args).unwrap_err().exit_code(), 2);
    }
    assert_eq!(Options::parse("qat", ["-h"]).unwrap_err().exit_code(), 0);
}
