//! Whatever is wrong with the nodes of SGX, nothing but device nodes is offered.

use device_plugin::DevicePlugin as _;
use proptest::prelude::*;
use sgx_plugin::{Config, SgxPlugin};
use simulator::{Profile, Ruin, TemporaryNode};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn both_nodes_are_offered_or_none(ruins in Ruin::several()) {
        let mut node = TemporaryNode::new(&Profile::parse("test", "use sgx as=sgx").unwrap()).unwrap();
        node.ruin("sgx", &ruins).unwrap();
        let plugin = SgxPlugin::new(Config { enclaves: 1, provisions: 1, infrastructure: true });
        let inventory = plugin.discover(&node.host()).unwrap();
        prop_assert!([0, 4].contains(&inventory.resources.len()), "{:?}", inventory);
        for device in inventory.resources.values().flat_map(|resource| resource.devices.values()) {
            for path in device.spec.edits.nodes.iter().map(|node| &node.container_path) {
                prop_assert!(node.host().device_number(path).is_ok_and(|number| !number.block), "{:?}", path);
            }
        }
    }
}
