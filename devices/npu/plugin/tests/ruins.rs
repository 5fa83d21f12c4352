//! Whatever is wrong with one NPU, the other is offered as before.

use device_plugin::DevicePlugin as _;
use npu_plugin::NpuPlugin;
use proptest::prelude::*;
use simulator::{Profile, Ruin, TemporaryNode};

const NPUS: &str = "use pci-driver driver=intel_vpu
use npu as=npu0 pci=0000:00:00.0 device=0x643e group=0 accel=0
use npu as=npu1 pci=0000:00:01.0 device=0xad1d group=1 accel=1
";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_ruined_npu_is_offered_with_its_node_or_not_at_all(ruins in Ruin::several()) {
        let mut node = TemporaryNode::new(&Profile::parse("test", NPUS).unwrap()).unwrap();
        let plugin = NpuPlugin::new(1);
        let before = plugin.discover(&node.host()).unwrap();
        node.ruin("npu0", &ruins).unwrap();
        let after = plugin.discover(&node.host()).unwrap();
        let devices = &after.resources.get("accel").unwrap().devices;
        let good = "accel1-0";
        prop_assert_eq!(devices.get(good), before.resources.get("accel").unwrap().devices.get(good));
        for device in devices.values() {
            for path in device.spec.edits.nodes.iter().map(|node| &node.container_path) {
                prop_assert!(node.host().device_number(path).is_ok_and(|number| !number.block), "{:?}", path);
            }
        }
        prop_assert!(devices.len() == 2 || !after.warnings.is_empty() || is_no_npu(&node), "{:?}", after);
    }
}

/// What is missing without a word: an NPU that has gone, or one of another vendor.
fn is_no_npu(node: &TemporaryNode) -> bool {
    let folder = "/sys/class/accel/accel0";
    let vendor = node.host().read(format!("{folder}/device/vendor"));
    !node.host().exists(folder) || vendor.is_ok_and(|vendor| vendor != "0x8086")
}
