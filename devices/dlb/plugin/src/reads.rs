//! What plugin and setup read of a node.

use host::{Reads, pci};

/// For recordings: what is not here, a recorded node does not have.
pub const READS: &[Reads] = &[
    Reads::of("/dev", &["dlb#"]),
    Reads::of("/sys/class/dlb2/dlb#/device", pci::READS),
    Reads::of("/sys/bus/pci/drivers/dlb2", &["*bind"]),
    Reads::of("/sys/bus/pci/drivers/dlb2/*:*", pci::READS),
    Reads::of("/sys/bus/pci/drivers/dlb2/*:*/virtfn#", pci::READS),
    Reads::of(
        "/sys/bus/pci/drivers/dlb2/*:*",
        &[
            "total_resources/num_*",
            "avail_resources/num_*",
            "vf#_resources/num_*",
            "vf#_resources/aux_vf_ids",
        ],
    ),
];
