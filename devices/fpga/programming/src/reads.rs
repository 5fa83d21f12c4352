//! What plugin, hook and tool read of a node.

use host::{Reads, pci};

/// For recordings: what is not here, a recorded node does not have.
pub const READS: &[Reads] = &[
    pci::SEARCH,
    Reads::of(
        "/sys/class/fpga_region/region#",
        &[
            "dfl-port.#/afu_id",
            "dfl-port.#/dev",
            "dfl-port.#/id",
            "dfl-fme.#/bitstream_id",
            "dfl-fme.#/bitstream_metadata",
            "dfl-fme.#/dev",
            "dfl-fme.#/ports_num",
            "dfl-fme.#/socket_id",
            "dfl-fme.#/dfl-fme-region.#/fpga_region/region#/compat_id",
            "dfl-fme.#/dfl-fme-mgr.#/fpga_manager/*/status",
        ],
    ),
    Reads::of(
        "/sys/class/fpga/intel-fpga-dev.#",
        &[
            "intel-fpga-port.#/afu_id",
            "intel-fpga-port.#/dev",
            "intel-fpga-port.#/id",
            "intel-fpga-fme.#/bitstream_id",
            "intel-fpga-fme.#/bitstream_metadata",
            "intel-fpga-fme.#/dev",
            "intel-fpga-fme.#/ports_num",
            "intel-fpga-fme.#/socket_id",
            "intel-fpga-fme.#/pr/interface_id",
        ],
    ),
    // The PCI function that the cards of the class are on.
    Reads::of("/sys/class/fpga_region/region#/../..", pci::READS),
    Reads::of("/sys/class/fpga/intel-fpga-dev.#/../..", pci::READS),
    Reads::of(
        "/sys/bus/platform/devices",
        &["dfl-fme.#", "dfl-port.#", "intel-fpga-fme.#", "intel-fpga-port.#"],
    ),
    Reads::of("/dev", &["dfl-fme.#", "dfl-port.#", "intel-fpga-fme.#", "intel-fpga-port.#"]),
];
