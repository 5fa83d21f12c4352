//! What plugin and setup read of a node.

use host::{PciId, Reads, pci};

use crate::generation::INTEL;

/// Physical and virtual functions of all generations.
const FUNCTIONS: &[PciId] = &[
    PciId(0x0435),
    PciId(0x0442),
    PciId(0x0443),
    PciId(0x18a0),
    PciId(0x18a1),
    PciId(0x19e2),
    PciId(0x19e3),
    PciId(0x37c8),
    PciId(0x37c9),
    PciId(0x4940),
    PciId(0x4941),
    PciId(0x4942),
    PciId(0x4943),
    PciId(0x4944),
    PciId(0x4945),
    PciId(0x4946),
    PciId(0x4947),
    PciId(0x4948),
    PciId(0x4949),
    PciId(0x6f54),
    PciId(0x6f55),
];

/// For recordings: what is not here, a recorded node does not have.
pub const READS: &[Reads] = &[
    pci::SEARCH,
    Reads::of("/sys/bus/pci/devices/*", pci::READS).only(INTEL, FUNCTIONS),
    Reads::of("/sys/bus/pci/devices/*", &["qat/state", "qat/cfg_services", "qat/auto_reset", "uio/uio#"])
        .only(INTEL, FUNCTIONS),
    Reads::of(
        "/sys/bus/pci/drivers",
        &[
            "420xx/*:*",
            "4xxx/*:*",
            "6xxx/*:*",
            "c3xxx/*:*",
            "c4xxx/*:*",
            "c6xx/*:*",
            "d15xx/*:*",
            "dh895xcc/*:*",
            "vfio-pci/*bind",
            "igb_uio/*bind",
            "*xx*vf/*bind",
            "dh895xccvf/*bind",
        ],
    ),
    Reads::of(
        "/sys/kernel/debug/qat_*",
        &["dev_cfg", "heartbeat/config", "heartbeat/status", "heartbeat/queries_failed"],
    ),
    Reads::of("/sys/kernel/debug/qat_*", &["fw_counters"]).keeping(engines),
    Reads::of("/dev/vfio", &["*"]),
];

/// Of the firmware's counters which engines there are: recordings do not change while nothing happens.
fn engines(text: &str) -> String {
    let blank = |line: &str| match line.split_once(':') {
        None => line.to_owned(),
        Some((engine, _)) => format!("{engine}: 0 0"),
    };
    text.lines().map(blank).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use host::name_matches;

    use super::*;
    use crate::generation::{self, GENERATIONS};

    #[test]
    fn counters_are_recorded_without_what_they_have_counted() {
        let text = "AE   Requests   Responses\n 0:   17   17\n10:   4   3";
        assert_eq!(engines(text), "AE   Requests   Responses\n 0: 0 0\n10: 0 0");
    }

    #[test]
    fn every_generation_is_recorded() {
        let drivers = READS.iter().find(|reads| reads.folder() == "/sys/bus/pci/drivers").unwrap();
        for generation in &GENERATIONS {
            let bound = format!("{}/0000:6b:00.0", generation.pf_driver);
            assert!(drivers.names().iter().any(|name| name_matches(name, &bound)), "{bound}");
        }
        let of_vf = |id| generation::of_vf(PciId(id)).is_some();
        for id in (0..=u16::MAX).filter(|id| of_vf(*id)) {
            assert!(FUNCTIONS.contains(&PciId(id)), "{id:#x}");
        }
    }
}
