//! The tree: what there is to see of the GPUs, as the Go implementation's generator makes it.

use std::fmt::Display;

use crate::Spec;
use crate::links::label_lines;

/// The labels of the links between the GPUs.
pub(crate) const LABELS: &str = "xpum-sidecar-labels.txt";
/// That of the DG1, whatever the GPUs are.
const DEVICE_ID: &str = "0x4905";
/// The nodes of cards and of their renderers have numbers of their own.
const FIRST_RENDERER: usize = 128;

/// One thing of the tree, by its path below the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Thing {
    Folder(String),
    File(String, Vec<u8>),
    /// A device node that is a second `/dev/null`.
    Null(String),
}

/// All things in an order in which they can be made, `dev` first. Folders above them go without saying.
pub(crate) fn things(spec: &Spec) -> Vec<Thing> {
    let devices = 0..spec.devices;
    let mut things: Vec<Thing> = devices.clone().flat_map(|device| nodes("dev/dri", device)).collect();
    for device in devices {
        card(spec, device, &mut things);
        let folder = format!("sys/bus/pci/drivers/i915/0000:00:0{device}.0");
        things.push(file(format!("{folder}/device"), DEVICE_ID));
        things.extend(nodes(&format!("{folder}/drm"), device));
    }
    things.push(Thing::File(LABELS.to_owned(), label_lines(spec)));
    things
}

fn card(spec: &Spec, device: usize, things: &mut Vec<Thing>) {
    let card = format!("sys/class/drm/card{device}");
    let node = device.checked_div(spec.devices_per_node).unwrap_or_default();
    things.push(file(format!("{card}/lmem_total_bytes"), spec.memory));
    things.push(file(format!("{card}/device/vendor"), "0x8086"));
    things.push(file(format!("{card}/device/numa_node"), node));
    if spec.functions > 0 && device.is_multiple_of(spec.functions + 1) {
        things.push(file(format!("{card}/device/sriov_numvfs"), spec.functions));
    }
    let drm = names(device).map(|name| Thing::Folder(format!("{card}/device/drm/{name}")));
    things.extend(drm);
    things.extend((0..spec.tiles).map(|tile| Thing::Folder(format!("{card}/gt/gt{tile}"))));
    let lines = spec.capabilities.iter().map(|(key, value)| [key, ": ", value, "\n"].concat());
    let capabilities: String = lines.collect();
    things.push(file(format!("sys/kernel/debug/dri/{device}/i915_capabilities"), capabilities));
}

fn names(device: usize) -> [String; 2] {
    [format!("card{device}"), format!("renderD{}", FIRST_RENDERER + device)]
}

fn nodes(folder: &str, device: usize) -> [Thing; 2] {
    names(device).map(|name| Thing::Null(format!("{folder}/{name}")))
}

fn file(path: String, content: impl Display) -> Thing {
    Thing::File(path, content.to_string().into_bytes())
}
