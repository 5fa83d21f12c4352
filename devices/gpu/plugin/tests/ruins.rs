//! Whatever is wrong with one GPU, the other is offered as before.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use device_plugin::{DevicePlugin as _, Inventory};
use gpu_plugin::{GpuPlugin, Options, Snapshot};
use proptest::prelude::*;
use simulator::{Profile, Ruin, TemporaryNode};
use tokio::sync::watch;

fn look(node: &TemporaryNode, flags: &[&str]) -> Inventory {
    let config = Options::parse("gpu", flags.iter().copied()).unwrap().check().unwrap();
    GpuPlugin::new(config, watch::channel(Arc::new(Snapshot::default())).1).discover(&node.host()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_ruined_gpu_is_offered_with_nodes_that_are_there_or_not_at_all(ruins in Ruin::several()) {
        let mut node = TemporaryNode::new(&Profile::builtin("arc-b580-igpu").unwrap()).unwrap();
        let before = look(&node, &[]);
        node.ruin("card1", &ruins).unwrap();
        let good = |inventory: &Inventory| {
            inventory.resources.get("i915").and_then(|i915| i915.devices.get("card0-0")).cloned()
        };
        let after = look(&node, &[]);
        prop_assert!(good(&before).is_some());
        prop_assert_eq!(good(&after), good(&before));
        for device in after.resources.values().flat_map(|resource| resource.devices.values()) {
            prop_assert!(!device.spec.edits.nodes.is_empty());
            for path in device.spec.edits.nodes.iter().map(|node| &node.container_path) {
                prop_assert!(node.host().device_number(path).is_ok(), "{:?}", path);
            }
        }
        let filtered = look(&node, &["-enable-monitoring", "-allow-ids=0xa780"]);
        prop_assert_eq!(good(&filtered), good(&before));
    }
}
