//! The command lines: the flags of the Go implementation (v0.32 to v0.36), checked in its order and with its exit codes.

use std::ffi::OsString;

use cli::plugin::PluginOptions;
use cli::{FlagSet, Stop};

use crate::family::Family;

/// The flags as they were given.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Before `/sys` and `/dev`.
    pub(crate) prefix: String,
    /// What all plugins have.
    pub(crate) common: PluginOptions,
    shared_dev_num: i64,
    driver: String,
}

/// What the flags mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Config {
    /// Work queues are offered.
    Queues {
        /// How many containers may share a shared queue; 1 to 200,000.
        shares: u32,
    },
    /// Whole functions are offered.
    Vfio,
}

const IDXD: &str = "idxd";
const VFIO: &str = "vfio-pci";
/// The kubelet takes lists of up to 4 MiB, which is less than 200,000 devices.
const MAX_SHARES: u32 = 200_000;

impl Options {
    /// Reads the words after the program's name.
    pub(crate) fn parse<I>(family: &Family, program: &str, args: I) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut options = Self {
            prefix: String::new(),
            common: PluginOptions::default(),
            shared_dev_num: 1,
            driver: IDXD.to_owned(),
        };
        let mut flags = FlagSet::new(program, family.about);
        flags.int(
            "shared-dev-num",
            &mut options.shared_dev_num,
            "how many containers may share one shared work queue",
        );
        if family.has_vfio {
            flags.string(
                "driver",
                &mut options.driver,
                "the driver whose devices to offer: idxd (work queues), vfio-pci (whole functions)",
            );
        }
        flags.string(
            "prefix",
            &mut options.prefix,
            "folder that holds the /sys and /dev to use, for simulated nodes",
        );
        options.common.add_flags(&mut flags);
        flags.parse(args)?;
        Ok(options)
    }

    /// What the flags mean; the first thing that is wrong is the error.
    pub(crate) fn check(&self) -> Result<Config, String> {
        let given = self.shared_dev_num;
        let wrong = format!("argument error: -shared-dev-num is {given}, not 1 to {MAX_SHARES}");
        if given < 1 {
            return Err(wrong);
        }
        match self.driver.as_str() {
            IDXD => match u32::try_from(given) {
                Ok(shares @ 1..=MAX_SHARES) => Ok(Config::Queues { shares }),
                _ => Err(wrong),
            },
            VFIO => Ok(Config::Vfio),
            other => Err(format!("argument error: -driver is {other:?}, not {IDXD} or {VFIO}")),
        }
    }

    /// What is accepted but may not do what was meant.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let ignored = self.driver == VFIO && self.shared_dev_num > 1;
        let warning =
            || format!("-shared-dev-num has no effect with -driver={VFIO}: a function has one user");
        ignored.then(warning).into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
