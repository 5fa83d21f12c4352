//! What plugin and setup read of a node.

use host::{PciId, Reads, pci};

use crate::vfio::INTEL;

/// DSA and IAA of all generations.
const FUNCTIONS: &[PciId] = &[PciId(0x0b25), PciId(0x0cfe), PciId(0x11fb), PciId(0x1212), PciId(0x1216)];

const ACCELERATOR: &[&str] = &[
    "state",
    "cmd_status",
    "configurable",
    "version",
    "pasid_enabled",
    "event_log_size",
    "max_batch_size",
    "max_engines",
    "max_groups",
    "max_read_buffers",
    "max_transfer_size",
    "max_work_queues",
    "max_work_queues_size",
    "read_buffer_limit",
    // Their names before Linux 5.17.
    "max_tokens",
    "token_limit",
    ".../numa_node",
    ".../local_cpulist",
    "wq#.#",
    "group#.#",
    "engine#.#",
];

/// For recordings: what is not here, a recorded node does not have.
pub const READS: &[Reads] = &[
    pci::SEARCH,
    Reads::of("/sys/bus/pci/devices/*", pci::READS).only(INTEL, FUNCTIONS),
    Reads::of("/sys/bus/pci/devices/*", &["dsa#", "iax#"]).only(INTEL, FUNCTIONS),
    Reads::of("/sys/bus/pci/drivers", &["idxd/*bind", "vfio-pci/*bind"]),
    Reads::of("/sys/bus/dsa/devices/dsa#", ACCELERATOR),
    Reads::of("/sys/bus/dsa/devices/iax#", ACCELERATOR),
    Reads::of(
        "/sys/bus/dsa/devices/group#.#",
        &[
            "read_buffers_reserved",
            "use_read_buffer_limit",
            "read_buffers_allowed",
            "tokens_reserved",
            "use_token_limit",
            "tokens_allowed",
            "traffic_class_a",
            "traffic_class_b",
            "desc_progress_limit",
            "batch_progress_limit",
        ],
    ),
    Reads::of("/sys/bus/dsa/devices/engine#.#", &["group_id"]),
    Reads::of(
        "/sys/bus/dsa/devices/wq#.#",
        &[
            "state",
            "group_id",
            "mode",
            "size",
            "priority",
            "threshold",
            "type",
            "name",
            "driver_name",
            "prs_disable",
            "block_on_fault",
            "max_batch_size",
            "max_transfer_size",
            "ats_disable",
            "op_config",
            "clients",
            "driver",
        ],
    ),
    Reads::of("/sys/bus/dsa/drivers/*", &["*bind"]),
    Reads::of("/sys/module/idxd/parameters", &["tc_override"]),
    Reads::of("/dev", &["dsa/*", "iax/*", "vfio/*"]),
];

#[cfg(test)]
mod tests {
    use host::name_matches;

    use super::*;
    use crate::setup::attributes::Part;

    #[test]
    fn every_attribute_that_can_be_set_is_recorded() {
        for part in [Part::Device, Part::Group(0), Part::Engine(0), Part::Queue(0)] {
            let name = part.name("dsa0", 0);
            let folders = READS.iter().filter(|reads| {
                reads.folder().strip_prefix("/sys/bus/dsa/devices/").is_some_and(|of| name_matches(of, &name))
            });
            let names: Vec<&str> = folders.flat_map(Reads::names).copied().collect();
            for attribute in part.attributes() {
                for wanted in [Some(attribute.name), attribute.former_name].into_iter().flatten() {
                    assert!(names.contains(&wanted), "{name}: {wanted}");
                }
            }
        }
    }
}
