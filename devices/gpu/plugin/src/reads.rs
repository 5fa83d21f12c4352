//! What the plugin reads of a node.

use host::{Reads, pci};

/// For recordings: what is not here, a recorded node does not have.
pub const READS: &[Reads] = &[
    Reads::of("/sys/class/drm/card#/device", pci::READS),
    Reads::of("/sys/class/drm/card#/device", &["drm/card#", "drm/renderD#", "*.mei-*/mei/mei#"]),
    Reads::of("/dev", &["dri/card#", "dri/renderD#", "dri/by-path/*", "dxg"]),
];
