use simulator::golden;

use super::*;

fn parse(flags: &[&str]) -> Options {
    Options::parse("fpga", "node-1".to_owned(), flags.iter().copied()).unwrap()
}

#[test]
fn modes_are_those_of_the_go_implementation() {
    assert_eq!(parse(&[]).mode(), Ok(Mode::Functions));
    assert_eq!(parse(&["-mode=af"]).mode(), Ok(Mode::Functions));
    assert_eq!(parse(&["-mode", "region"]).mode(), Ok(Mode::Regions));
    assert_eq!(parse(&["--mode=regiondevel"]).mode(), Ok(Mode::RegionsForDevelopment));
    for bad in ["", "unparsable", "Region", "af "] {
        assert!(parse(&["-mode", bad]).mode().unwrap_err().starts_with(&format!("Wrong mode: '{bad}'")));
    }
}

#[test]
fn the_nodes_name_comes_from_the_environment_or_the_flag() {
    assert_eq!(parse(&[]).node_name, "node-1");
    assert_eq!(parse(&["-node-name="]).node_name, "");
    let options = parse(&["-kubeconfig=/k", "-master=https://m"]);
    assert_eq!((options.kubeconfig.as_str(), options.master.as_str()), ("/k", "https://m"));
    assert_eq!(Options::parse("fpga", String::new(), ["-no-such-flag"]).unwrap_err().exit_code(), 2);
}

#[test]
fn the_usage_text_is_the_golden_one() {
    let stop = Options::parse("intel_fpga_device_plugin", String::new(), ["-h"]).unwrap_err();
    assert_eq!(stop.exit_code(), 0);
    // The flags of all plugins have a golden text of their own.
    let usage = stop.to_string();
    let own = usage.split("\nCommon flags:").next().unwrap_or_default();
    assert!(own.len() < usage.len(), "{usage}");
    golden("tests/golden/usage.txt", own);
}
