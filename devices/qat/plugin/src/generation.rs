//! The kinds of QAT hardware that there are, by the kernel's drivers (`drivers/crypto/intel/qat`).

use host::PciId;

/// The vendor of all of them.
pub(crate) const INTEL: PciId = PciId(0x8086);

/// One kernel driver's worth of hardware.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    /// The kernel's driver for virtual functions.
    pub(crate) vf_driver: &'static str,
    /// The kernel's driver for physical functions.
    pub(crate) pf_driver: &'static str,
    /// The PCI device ids of virtual functions.
    vf_ids: &'static [PciId],
    /// An administrator chooses which services it offers.
    pub(crate) has_services: bool,
}

pub(crate) static GENERATIONS: [Generation; 8] = [
    old("dh895xccvf", "dh895xcc", &[PciId(0x0442), PciId(0x0443)]),
    old("c4xxxvf", "c4xxx", &[PciId(0x18a1)]),
    old("c3xxxvf", "c3xxx", &[PciId(0x19e3)]),
    configurable("4xxxvf", "4xxx", &[PciId(0x4941), PciId(0x4943), PciId(0x4945)]),
    configurable("420xxvf", "420xx", &[PciId(0x4947)]),
    configurable("6xxxvf", "6xxx", &[PciId(0x4949)]),
    old("c6xxvf", "c6xx", &[PciId(0x37c9)]),
    old("d15xxvf", "d15xx", &[PciId(0x6f55)]),
];

const fn old(vf_driver: &'static str, pf_driver: &'static str, vf_ids: &'static [PciId]) -> Generation {
    Generation { vf_driver, pf_driver, vf_ids, has_services: false }
}

const fn configurable(
    vf_driver: &'static str,
    pf_driver: &'static str,
    vf_ids: &'static [PciId],
) -> Generation {
    Generation { vf_driver, pf_driver, vf_ids, has_services: true }
}

/// What a virtual function of this device id is, if QAT at all.
pub(crate) fn of_vf(id: PciId) -> Option<&'static Generation> {
    GENERATIONS.iter().find(|generation| generation.vf_ids.contains(&id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn physical_and_virtual_functions_have_drivers_of_one_name() {
        for generation in &GENERATIONS {
            assert_eq!(generation.vf_driver.strip_suffix("vf"), Some(generation.pf_driver));
        }
    }

    #[test]
    fn an_id_is_of_one_generation() {
        let drivers = [
            (0x0442, Some("dh895xccvf")),
            (0x0443, Some("dh895xccvf")),
            (0x18a1, Some("c4xxxvf")),
            (0x19e3, Some("c3xxxvf")),
            (0x37c9, Some("c6xxvf")),
            (0x6f55, Some("d15xxvf")),
            (0x4941, Some("4xxxvf")),
            (0x4943, Some("4xxxvf")),
            (0x4945, Some("4xxxvf")),
            (0x4947, Some("420xxvf")),
            (0x4949, Some("6xxxvf")),
            // A physical function.
            (0x4940, None),
        ];
        for (id, driver) in drivers {
            assert_eq!(of_vf(PciId(id)).map(|generation| generation.vf_driver), driver, "{id:#x}");
        }
    }

    #[test]
    fn services_are_chosen_since_the_fourth_generation() {
        let chosen = GENERATIONS.iter().filter(|generation| generation.has_services);
        assert_eq!(chosen.map(|g| g.pf_driver).collect::<Vec<_>>(), ["4xxx", "420xx", "6xxx"]);
    }
}
