//! The two kernel drivers, and how they lay out cards in sysfs.

use host::{Host, HostError};

/// A driver of FPGA cards. A card is a folder of a class, with ports, behind which functions are, and a management engine
/// (FME), which programs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// Intel's, of the Open Programmable Acceleration Engine.
    Opae,
    /// The kernel's own, Device Feature List (`Documentation/fpga/dfl.rst`).
    Dfl,
}

impl Driver {
    /// All of them. Both can be loaded, and each card is on one.
    pub(crate) const ALL: [Self; 2] = [Self::Opae, Self::Dfl];

    /// The folder of all cards.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Opae => "/sys/class/fpga",
            Self::Dfl => "/sys/class/fpga_region",
        }
    }

    /// The names of the cards, sorted; `None` where the driver is not loaded.
    pub(crate) fn cards(self, host: &Host) -> Result<Option<Vec<String>>, HostError> {
        let prefix = match self {
            Self::Opae => "intel-fpga-dev.",
            Self::Dfl => "region",
        };
        match host.names(self.class()) {
            Ok(names) => Ok(Some(names.into_iter().filter(|name| is_numbered(name, prefix)).collect())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether an entry of a card's folder is a port.
    pub(crate) fn is_port(self, name: &str) -> bool {
        match self {
            Self::Opae => is_numbered(name, "intel-fpga-port."),
            Self::Dfl => is_numbered(name, "dfl-port."),
        }
    }

    /// Whether an entry of a card's folder is a management engine.
    pub(crate) fn is_engine(self, name: &str) -> bool {
        match self {
            Self::Opae => is_numbered(name, "intel-fpga-fme."),
            Self::Dfl => is_numbered(name, "dfl-fme."),
        }
    }

    /// Where, below its PCI function, a card's folder is.
    pub(crate) fn folder_of_cards(self) -> &'static str {
        match self {
            Self::Opae => "fpga",
            Self::Dfl => "fpga_region",
        }
    }
}

/// Whether the name is the prefix and a number.
pub(crate) fn is_numbered(name: &str, prefix: &str) -> bool {
    let number = name.strip_prefix(prefix).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}
