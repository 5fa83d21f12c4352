//! GPUs of Windows in the Linux that runs below it: one node for all, and an index for each.

use std::sync::Arc;

use device_plugin::{ContainerEdits, Device, DeviceSpec, Inventory, Mount};
use host::Host;

/// The resource.
pub(crate) const RESOURCE: &str = "dxg";
const NODE: &str = "/dev/dxg";
const LIBRARIES: &str = "/usr/lib/wsl";
/// Which GPUs Level Zero shows to a program:
/// <https://oneapi-src.github.io/level-zero-spec/level-zero/latest/core/PROG.html#affinity-mask>.
const MASK: &str = "ZE_AFFINITY_MASK";

/// Adds the GPUs at these positions in Level Zero's list.
pub(crate) fn discover(host: &Host, indices: &[u32], shares: u32, inventory: &mut Inventory) {
    for index in indices {
        let mut spec = DeviceSpec { numa: Some(Vec::new()), ..DeviceSpec::default() };
        spec.add_node(host, NODE);
        spec.edits.mounts.push(Mount::read_only(host, LIBRARIES));
        spec.edits.env.insert(MASK.to_owned(), index.to_string());
        let spec = Arc::new(spec);
        for share in 0..shares {
            inventory.add(RESOURCE, format!("card{index}-{share}"), Device::healthy(Arc::clone(&spec)));
        }
    }
}

/// A container with several GPUs gets a mask of all of them.
pub(crate) fn merge_masks(devices: &[(&str, &Device)], edits: &mut ContainerEdits) {
    let masks = devices.iter().filter_map(|(_, device)| device.spec.edits.env.get(MASK)?.parse::<u32>().ok());
    let mut indices: Vec<u32> = masks.collect();
    indices.sort_unstable();
    indices.dedup();
    let mask: Vec<String> = indices.iter().map(u32::to_string).collect();
    edits.env.insert(MASK.to_owned(), mask.join(","));
}
