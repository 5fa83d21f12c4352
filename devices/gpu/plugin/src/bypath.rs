//! What containers see in `/dev/dri/by-path`, by which programs find the node of a GPU at a PCI address.

use device_plugin::Mount;
use host::{DeviceNumber, Host, PciAddress};

use crate::ByPath;

const FOLDER: &str = "/dev/dri/by-path";

/// What of the folder is for containers, read once for all cards.
///
/// udev makes the links after the nodes, so a missing folder or link is no news: the next look finds it.
#[derive(Debug)]
pub(crate) enum Links {
    /// The folder, or nothing.
    Same(Vec<Mount>),
    /// Each card's own of these names.
    Own(Vec<String>),
}

impl Links {
    pub(crate) fn read(host: &Host, mode: ByPath) -> Self {
        match mode {
            ByPath::All if host.exists(FOLDER) => Self::Same(vec![Mount::read_only(host, FOLDER)]),
            ByPath::None | ByPath::All => Self::Same(Vec::new()),
            ByPath::Single => Self::Own(host.names(FOLDER).unwrap_or_default()),
        }
    }

    /// The mounts for a card at `address` with these device nodes.
    pub(crate) fn mounts(
        &self,
        host: &Host,
        address: Option<PciAddress>,
        nodes: &[(String, DeviceNumber)],
    ) -> Vec<Mount> {
        match (self, address) {
            (Self::Same(mounts), _) => mounts.clone(),
            (Self::Own(_), None) => Vec::new(),
            (Self::Own(names), Some(address)) => {
                // With the dash: `pci-0000:03:00.1` is also the beginning of other names.
                let prefix = format!("pci-{address}-");
                let links = names.iter().filter(|name| name.starts_with(&prefix));
                let links = links.map(|name| format!("{FOLDER}/{name}"));
                // The runtime follows the link, and does not start the container if that leads nowhere.
                let leads_to_a_node = |link: &String| {
                    let found = host.device_number(link);
                    found.is_ok_and(|found| nodes.iter().any(|(_, number)| *number == found))
                };
                links.filter(leads_to_a_node).map(|link| Mount::read_only(host, link)).collect()
            }
        }
    }
}
