//! What plugin and setup read of a node.

use host::{Reads, pci};

use crate::family::{DSAS, IAAS};
use crate::vfio::INTEL;

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
    Reads::of("/sys/bus/pci/devices/*", pci::READS).only(INTEL, DSAS),
    Reads::of("/sys/bus/pci/devices/*", pci::READS).only(INTEL, IAAS),
    Reads::of("/sys/bus/pci/devices/*", &["dsa#"]).only(INTEL, DSAS),
    Reads::of("/sys/bus/pci/devices/*", &["iax#"]).only(INTEL, IAAS),
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
    use std::fs;

    use host::name_matches;
    use simulator::{Profile, SimulatedNode};

    use super::*;
    use crate::setup::attributes::Part;

    #[test]
    fn a_recording_has_the_functions_of_all_generations() {
        let folder = tempfile::tempdir().unwrap();
        let ids = DSAS.iter().chain(IAAS);
        let use_of = |(number, _)| {
            format!(
                "use idxd-function device=0x0cfe at=pci0000:6a pci=0000:6a:{number:02x}.0 group={number} numa=0 cpus=0\n"
            )
        };
        let profile: String = ids.clone().enumerate().map(use_of).collect();
        let profile = Profile::parse("all", &format!("use idxd\n{profile}")).unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("n"), &profile).unwrap();
        let at = |number: usize| format!("sys/devices/pci0000:6a/0000:6a:{number:02x}.0");
        for (number, id) in ids.enumerate() {
            fs::write(node.root().join(at(number)).join("device"), format!("{id}\n")).unwrap();
        }
        let text = simulator::record(&node.host(), READS.iter().copied()).unwrap();
        for number in 0..DSAS.len() + IAAS.len() {
            for name in ["iommu_group", "driver_override"] {
                assert!(text.contains(&format!("/{}/{name} ", at(number))), "{number}: {text}");
            }
        }
    }

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
