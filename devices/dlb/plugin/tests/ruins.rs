//! Whatever is wrong with one load balancer, the other is offered as before.

use device_plugin::DevicePlugin as _;
use dlb_plugin::DlbPlugin;
use proptest::prelude::*;
use simulator::{Profile, Ruin, TemporaryNode};

const BALANCERS: &str = "use pci-driver driver=dlb2
use dlb-pf as=dlb0 id=0 at=pci0000:60 pci=0000:60:00.0 group=0 numa=0
use dlb-pf as=dlb1 id=1 at=pci0000:61 pci=0000:61:00.0 group=1 numa=1 vfs=1
use dlb-vf as=dlb2 id=2 at=pci0000:61 pci=0000:61:00.1 pf=0000:61:00.0 vf=0 group=2 numa=1
";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_ruined_function_is_offered_with_its_node_or_not_at_all(
        physical in any::<bool>(),
        ruins in Ruin::several(),
    ) {
        let mut node = TemporaryNode::new(&Profile::parse("test", BALANCERS).unwrap()).unwrap();
        let plugin = DlbPlugin::new(node.host());
        let before = plugin.discover(&node.host()).unwrap();
        node.ruin(if physical { "dlb1" } else { "dlb2" }, &ruins).unwrap();
        let after = plugin.discover(&node.host()).unwrap();
        let good = |inventory: &device_plugin::Inventory| {
            inventory.resources.get("pf").and_then(|pf| pf.devices.get("/dev/dlb0")).cloned()
        };
        prop_assert!(good(&before).is_some());
        prop_assert_eq!(good(&after), good(&before));
        for device in after.resources.values().flat_map(|resource| resource.devices.values()) {
            for path in device.spec.edits.nodes.iter().map(|node| &node.container_path) {
                prop_assert!(node.host().device_number(path).is_ok_and(|number| !number.block), "{:?}", path);
            }
        }
    }
}
