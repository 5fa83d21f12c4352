//! The services that an administrator asks for, by the kernel's rules (`adf_service_string_to_mask` in
//! `adf_cfg_services.c`, `Documentation/ABI/testing/sysfs-driver-qat`).

use std::str::FromStr;

use host::PciId;

use crate::services::SERVICES;

/// No hardware has more at a time.
const MOST: usize = 3;
/// Of the fourth generation, 4xxx to 420xx.
const MOST_OF_FOURTH: usize = 2;
const FOURTH: [PciId; 4] = [PciId(0x4940), PciId(0x4942), PciId(0x4944), PciId(0x4946)];
/// Deflate with a hash or a cipher in front; nothing can be beside it.
const CHAINING: &str = "dcc";
/// Since the sixth generation.
const DECOMPRESSION: &str = "decomp";

/// Services that go together, in the kernel's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Services(Vec<&'static str>);

impl FromStr for Services {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut positions = Vec::new();
        for name in text.split(';').map(str::trim) {
            let Some(position) = SERVICES.iter().position(|known| *known == name) else {
                return Err(format!("{name:?} is no service; there are {}", SERVICES.join(", ")));
            };
            if positions.contains(&position) {
                return Err(format!("{name} is there twice"));
            }
            positions.push(position);
        }
        positions.sort_unstable();
        let names: Vec<&str> =
            positions.iter().filter_map(|position| SERVICES.get(*position).copied()).collect();
        if names.len() > MOST {
            return Err(format!(
                "these are {} services, and no QAT has more than {MOST} at a time",
                names.len()
            ));
        }
        if names.len() > 1 && names.contains(&CHAINING) {
            return Err(format!("{CHAINING} cannot be combined with other services"));
        }
        Ok(Self(names))
    }
}

impl Services {
    /// As the kernel wants them written. Linux before 6.15 knows a list of texts; each pair is in it in this order, but the
    /// first version of the driver has `sym;asym` only.
    pub(crate) fn written(&self) -> String {
        if self.0 == ["asym", "sym"] { "sym;asym".to_owned() } else { self.0.join(";") }
    }

    /// Whether the kernel's text means these, in whatever order.
    pub(crate) fn are(&self, text: &str) -> bool {
        text.parse().is_ok_and(|found: Self| found == *self)
    }

    /// Whether the physical function of this device id can have them.
    pub(crate) fn check(&self, id: PciId) -> Result<(), String> {
        if !FOURTH.contains(&id) {
            // The others can have all, cannot choose, or are for the kernel to judge.
            return Ok(());
        }
        if self.0.contains(&DECOMPRESSION) {
            return Err(format!("{DECOMPRESSION} needs QAT of the sixth generation; dc also decompresses"));
        }
        if self.0.len() > MOST_OF_FOURTH {
            return Err(format!(
                "these are {} services, and QAT of the fourth generation has at most {MOST_OF_FOURTH} at a time",
                self.0.len()
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(text: &str) -> Services {
        text.parse().unwrap()
    }

    fn refused(text: &str, because: &str) {
        let error = text.parse::<Services>().unwrap_err();
        assert!(error.contains(because), "{text}: {error}");
    }

    #[test]
    fn every_order_of_the_kernels_combinations_is_taken() {
        let sixth = PciId(0x4948);
        for (given, written) in [
            ("sym", "sym"),
            ("asym", "asym"),
            ("dc", "dc"),
            ("dcc", "dcc"),
            ("decomp", "decomp"),
            ("sym;asym", "sym;asym"),
            ("asym;sym", "sym;asym"),
            ("dc;sym", "sym;dc"),
            ("dc;asym", "asym;dc"),
            ("sym;asym;dc", "asym;sym;dc"),
            ("dc;sym;asym", "asym;sym;dc"),
            ("decomp;sym;asym", "asym;sym;decomp"),
            ("dc;decomp", "dc;decomp"),
            ("decomp; dc ;sym", "sym;dc;decomp"),
        ] {
            assert_eq!(services(given).written(), written);
            assert_eq!(services(given).check(sixth), Ok(()), "{given}");
            assert!(services(given).are(written) && services(written).are(given), "{given}");
        }
    }

    #[test]
    fn what_the_kernel_refuses_is_refused() {
        refused("", "\"\" is no service");
        refused("sym;", "\"\" is no service");
        refused("Sym", "\"Sym\" is no service; there are asym, sym, dc, decomp, dcc");
        refused("cy", "\"cy\"");
        refused("sym;sym", "sym is there twice");
        refused("dcc;sym", "dcc cannot be combined");
        refused("asym;sym;dc;decomp", "no QAT has more than 3");
    }

    #[test]
    fn hardware_has_limits_of_its_own() {
        for id in [0x4940, 0x4942, 0x4944, 0x4946].map(PciId) {
            assert_eq!(services("sym;dc").check(id), Ok(()));
            assert!(services("decomp").check(id).unwrap_err().contains("sixth generation"));
            assert!(services("asym;sym;dc").check(id).unwrap_err().contains("at most 2"));
        }
        assert_eq!(services("asym;sym;decomp").check(PciId(0x37c8)), Ok(()), "it cannot choose");
    }

    #[test]
    fn other_services_are_other_services() {
        assert!(!services("sym").are("sym;dc"));
        assert!(!services("dc").are(""));
        assert!(!services("dc").are("what is this"));
    }
}
