//! The plugin as one of several in a process. Exit codes: `node/tests/commands.rs`.

use std::time::Duration;

use device_plugin::Rescan;
use simulator::{Profile, SimulatedNode};

fn flags(flags: &[&str]) -> Vec<String> {
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}

#[test]
fn flags_can_be_parsed_for_a_process_of_several_plugins() {
    let parse = |words: &[&str]| fpga_plugin::parse(&flags(words)).map(drop);
    assert_eq!(parse(&["-mode", "region"]), Ok(()));
    assert_eq!(parse(&["-mode=x"]), Err("Wrong mode: 'x': it must be af, region or regiondevel".to_owned()));
    assert!(parse(&["-node-nam=x"]).unwrap_err().contains("did you mean -node-name?"));
}

/// Nothing is offered in a mode that may be the wrong one; and not for ever nothing.
#[tokio::test]
async fn without_an_answer_the_flag_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::builtin("fpga-arria10").unwrap();
    let host = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap().host();
    let regions = |words: &[&str]| {
        let start = fpga_plugin::parse(&flags(words)).unwrap();
        start(&host, &Rescan::default())
    };
    let names = |plugin: &std::sync::Arc<dyn device_plugin::DevicePlugin>| {
        let inventory = plugin.discover(&host).map_err(|error| error.to_string())?;
        Ok::<_, String>(inventory.resources.into_keys().collect::<Vec<_>>())
    };
    let region = Ok(vec!["region-69528db6eb31577a8c3668f9faa081f6".to_owned()]);
    assert_eq!(names(&regions(&["-mode=region", "-node-name="])), region);
    let plugin = regions(&["-mode=region", "-node-name=node-1", "-kubeconfig=/no/such/file"]);
    let error = names(&plugin).unwrap_err();
    assert!(error.contains("has not said yet whether the node's annotation sets the mode"), "{error}");
    let offered = async {
        while names(&plugin).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), offered).await.unwrap();
    assert_eq!(names(&plugin), region);
}
