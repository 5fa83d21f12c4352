//! Whatever is wrong with one load balancer, the other is offered as before.

use device_plugin::DevicePlugin as _;
use dlb_plugin::DlbPlugin;
use proptest::prelude::*;
use simulator::{Damage, Profile, Ruin, TemporaryNode};

const BALANCERS: &str = "use pci-driver driver=dlb2
use dlb-pf as=dlb0 id=0 at=pci0000:60 pci=0000:60:00.0 group=0 numa=0
use dlb-pf as=dlb1 id=1 at=pci0000:61 pci=0000:61:00.0 group=1 numa=1 vfs=1
use dlb-vf as=dlb2 id=2 at=pci0000:61 pci=0000:61:00.1 pf=0000:61:00.0 vf=0 group=2 numa=1
";

/// Ruins of any kind: damage, bytes, and texts that could be values.
fn ruins() -> impl Strategy<Value = Vec<Ruin>> {
    let content = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        "[0-9a-fx, \n-]{0,12}".prop_map(String::into_bytes),
    ];
    // Often the device nodes, which come first.
    let which = prop_oneof![0..4_usize, any::<usize>()];
    let ruin = (which, 0..Damage::ALL.len() * 2, content).prop_map(|(which, how, content)| Ruin {
        which,
        how,
        content,
    });
    prop::collection::vec(ruin, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_ruined_function_is_offered_with_its_node_or_not_at_all(
        physical in any::<bool>(),
        ruins in ruins(),
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
