//! What containers see in `/dev/dri/by-path`, by which programs find the node of a GPU at a PCI address.

use std::path::Path;

use device_plugin::Mount;
use host::{Host, PciAddress};

use crate::ByPath;

const FOLDER: &str = "/dev/dri/by-path";

/// The mounts for a card at `address` with these device nodes.
///
/// udev makes the links after the nodes, so a missing folder or link is no news: the next look finds it.
pub(crate) fn mounts(host: &Host, mode: ByPath, address: Option<PciAddress>, nodes: &[String]) -> Vec<Mount> {
    match (mode, address) {
        (ByPath::All, _) if host.exists(FOLDER) => vec![Mount::read_only(host, FOLDER)],
        (ByPath::None | ByPath::All, _) | (ByPath::Single, None) => Vec::new(),
        (ByPath::Single, Some(address)) => {
            // With the dash: `pci-0000:03:00.1` is also the beginning of other names.
            let prefix = format!("pci-{address}-");
            let names = host.names(FOLDER).unwrap_or_default();
            let links =
                names.iter().filter(|name| name.starts_with(&prefix)).map(|name| format!("{FOLDER}/{name}"));
            // The runtime follows the link, and does not start the container if that leads nowhere.
            let leads_to_a_node = |link: &String| {
                host.resolve(link).is_ok_and(|target| nodes.iter().any(|node| target == Path::new(node)))
            };
            links.filter(leads_to_a_node).map(|link| Mount::read_only(host, link)).collect()
        }
    }
}
