//! The command lines of `setup dsa` and `setup iaa`.

use std::ffi::OsString;

use cli::{FlagSet, LogOptions, Stop};
use host::PciId;

use crate::family::Family;

/// The driver that PCI functions are to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// The kernel's own, which makes work queues of them.
    Idxd,
    /// The one that gives whole functions to virtual machines and user-space drivers.
    VfioPci,
}

/// The flags as they were given.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) dry_run: bool,
    /// Before `/sys` and `/dev`.
    pub(crate) prefix: String,
    /// Where files that say how to configure are.
    pub(crate) config_dir: String,
    /// By which a file for this node is found.
    pub(crate) node_name: String,
    pub(crate) logs: LogOptions,
    driver: String,
    pci_ids: String,
}

impl Options {
    /// Reads the words after the program's name; `environment` is the value of a variable.
    pub(crate) fn parse<I>(
        family: &Family,
        program: &str,
        args: I,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        // As in a shell's `${NAME:-default}`.
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let mut options = Self {
            dry_run: false,
            prefix: String::new(),
            config_dir: "/idxd-init/conf".to_owned(),
            node_name: set("NODE_NAME").unwrap_or_default(),
            logs: LogOptions::default(),
            driver: "idxd".to_owned(),
            pci_ids: family_ids(family).to_owned(),
        };
        if family.has_vfio {
            options.driver = set("DSA_DRIVER").unwrap_or(options.driver);
            options.pci_ids = set("DSA_PCI_IDS").unwrap_or(options.pci_ids);
        }
        let about = format!("Configures and enables the work queues of a node's Intel {}.", title(family));
        let mut flags = FlagSet::new(program, &about);
        flags.bool("dry-run", &mut options.dry_run, "print what would be written, and write nothing");
        flags.string(
            "config-dir",
            &mut options.config_dir,
            "folder with files that say how to configure; without, a built-in one is used",
        );
        flags.string(
            "node-name",
            &mut options.node_name,
            "the node's name, by which a file for this node alone is found; NODE_NAME of the environment is the default",
        );
        if family.has_vfio {
            flags.string(
                "driver",
                &mut options.driver,
                "the driver to bind to: idxd, vfio-pci; DSA_DRIVER of the environment changes the default",
            );
            flags.string(
                "pci-ids",
                &mut options.pci_ids,
                "the PCI devices to bind, with blanks between; DSA_PCI_IDS of the environment changes the default",
            );
        }
        flags.string(
            "prefix",
            &mut options.prefix,
            "folder that holds the /sys and /dev to use, for simulated nodes",
        );
        options.logs.add_flags(&mut flags);
        flags.parse_all(args)?;
        Ok(options)
    }

    /// The driver that `-driver` asks for.
    pub(crate) fn driver(&self) -> Result<Driver, String> {
        match self.driver.as_str() {
            "idxd" => Ok(Driver::Idxd),
            "vfio-pci" => Ok(Driver::VfioPci),
            other => Err(format!("argument error: -driver is {other:?}, not idxd or vfio-pci")),
        }
    }

    /// The PCI devices that `-pci-ids` names.
    pub(crate) fn pci_ids(&self) -> Result<Vec<PciId>, String> {
        let words = self.pci_ids.split([' ', ',', '\t', '\n']).filter(|word| !word.is_empty());
        let id = |word: &str| {
            let digits = word.strip_prefix("0x").unwrap_or(word).to_ascii_lowercase();
            let wrong = || format!("argument error: -pci-ids has {word:?}, which is no id like 0b25");
            format!("0x{digits}").parse().map_err(|_not_an_id| wrong())
        };
        words.map(id).collect()
    }
}

fn family_ids(family: &Family) -> &'static str {
    if family.has_vfio { "0b25 11fb 1212" } else { "0cfe 1216" }
}

fn title(family: &Family) -> String {
    family.name.to_ascii_uppercase()
}

#[cfg(test)]
mod tests;
