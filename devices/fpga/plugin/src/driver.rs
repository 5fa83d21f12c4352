//! The two kernel drivers, and how they lay out cards in sysfs.

use host::{Host, HostError};

/// A driver of FPGA cards. A card is a folder of a class, with ports, behind which functions are, and a management engine
/// (FME), which programs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// The kernel's own, Device Feature List (`Documentation/fpga/dfl.rst`).
    Dfl,
    /// Intel's, of the Open Programmable Acceleration Engine.
    Opae,
}

impl Driver {
    /// The driver that is loaded; Intel's if both are.
    pub(crate) fn find(host: &Host) -> Option<Self> {
        [Self::Opae, Self::Dfl].into_iter().find(|driver| host.exists(driver.class()))
    }

    /// The folder of all cards.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Dfl => "/sys/class/fpga_region",
            Self::Opae => "/sys/class/fpga",
        }
    }

    /// The names of the cards, sorted.
    pub(crate) fn cards(self, host: &Host) -> Result<Vec<String>, HostError> {
        let prefix = match self {
            Self::Dfl => "region",
            Self::Opae => "intel-fpga-dev.",
        };
        let names = host.names(self.class())?;
        Ok(names.into_iter().filter(|name| is_numbered(name, prefix)).collect())
    }

    /// Whether an entry of a card's folder is a port.
    pub(crate) fn is_port(self, name: &str) -> bool {
        match self {
            Self::Dfl => is_numbered(name, "dfl-port."),
            Self::Opae => is_numbered(name, "intel-fpga-port."),
        }
    }

    /// Whether an entry of a card's folder is a management engine.
    pub(crate) fn is_engine(self, name: &str) -> bool {
        match self {
            Self::Dfl => is_numbered(name, "dfl-fme."),
            Self::Opae => is_numbered(name, "intel-fpga-fme."),
        }
    }

    /// Where, below its PCI function, a card's folder is.
    pub(crate) fn folder_of_cards(self) -> &'static str {
        match self {
            Self::Dfl => "fpga_region",
            Self::Opae => "fpga",
        }
    }
}

/// Whether the name is the prefix and a number.
pub(crate) fn is_numbered(name: &str, prefix: &str) -> bool {
    let number = name.strip_prefix(prefix).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}
