//! What the environment says.

/// The environment's part in the labels. All are 0 where it says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// `GPU_MEMORY_OVERRIDE`: the bytes of a GPU whose driver does not say how many it has.
    pub memory_override: u64,
    /// `GPU_MEMORY_RESERVED`: bytes of each GPU that are not for workloads. Not taken from the override.
    pub memory_reserved: u64,
    /// `GPU_PCI_GROUPING_LEVEL`: GPUs below the same folder are a group; so many folders deep it is, the first being the PCI
    /// root (`pci0000:00`). No groups if 0.
    pub pci_grouping_level: u64,
}

impl Settings {
    /// Reads the variables. As ever, one that is no decimal number counts for none; here that is a warning.
    pub fn read(variable: impl Fn(&str) -> Option<String>, warn: &mut impl FnMut(String)) -> Self {
        let mut number = |name: &str| {
            let text = variable(name).filter(|text| !text.is_empty())?;
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = is_number.then(|| text.parse().ok()).flatten();
            if number.is_none() {
                warn(format!("{name} is {text:?}, which is no decimal number: it is ignored"));
            }
            number
        };
        Self {
            memory_override: number("GPU_MEMORY_OVERRIDE").unwrap_or(0),
            memory_reserved: number("GPU_MEMORY_RESERVED").unwrap_or(0),
            pci_grouping_level: number("GPU_PCI_GROUPING_LEVEL").unwrap_or(0),
        }
    }
}
