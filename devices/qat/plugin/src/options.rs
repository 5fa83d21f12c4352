//! The command line: the flags of the Go implementation (v0.32 to v0.36), checked in its order and with its exit codes.

use std::ffi::OsString;

use cli::flags::Value;
use cli::plugin::PluginOptions;
use cli::{FlagSet, Stop};

use crate::generation::{GENERATIONS, Generation};

/// The flags as they were given.
#[derive(Debug, Clone)]
pub struct Options {
    /// Before `/sys` and `/dev`.
    pub prefix: String,
    /// What all plugins have.
    pub common: PluginOptions,
    dpdk_driver: String,
    kernel_vf_drivers: String,
    allocation_policy: GivenText,
    max_num_devices: i64,
}

/// What the flags mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The driver through which containers use virtual functions.
    pub dpdk_driver: DpdkDriver,
    /// Whose virtual functions are offered, in the order given, each once.
    pub(crate) generations: Vec<&'static Generation>,
    /// Which free virtual functions are handed out.
    pub policy: Policy,
    /// At most this many virtual functions are offered.
    pub max_devices: usize,
}

/// A driver that lets a program in user space use a PCI function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DpdkDriver {
    /// `vfio-pci`, of the kernel.
    VfioPci,
    /// `igb_uio`, of DPDK.
    IgbUio,
}

/// Which free virtual functions are handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The first ones.
    None,
    /// Of the physical function that has most free ones.
    Balanced,
    /// Of one physical function until it is full.
    Packed,
}

impl DpdkDriver {
    /// Its name below `/sys/bus/pci/drivers`.
    pub fn name(self) -> &'static str {
        match self {
            Self::VfioPci => "vfio-pci",
            Self::IgbUio => "igb_uio",
        }
    }
}

/// A text of which is known whether it was given: an empty one is not the same as none.
#[derive(Debug, Clone, Default)]
struct GivenText(Option<String>);

impl Value for GivenText {
    fn kind(&self) -> &'static str {
        "string"
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        self.0 = Some(word.to_owned());
        Ok(())
    }

    fn shown(&self) -> Option<String> {
        None
    }
}

impl Options {
    /// Reads the words after the program's name.
    pub fn parse<I>(program: &str, args: I) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut options = Self {
            prefix: String::new(),
            common: PluginOptions::default(),
            dpdk_driver: DpdkDriver::VfioPci.name().to_owned(),
            kernel_vf_drivers: "4xxxvf,420xxvf".to_owned(),
            allocation_policy: GivenText::default(),
            max_num_devices: 64,
        };
        let mut flags =
            FlagSet::new(program, "Offers the virtual functions of a node's Intel QAT to Kubernetes.");
        flags.string(
            "dpdk-driver",
            &mut options.dpdk_driver,
            "the driver through which containers use virtual functions: vfio-pci or igb_uio; they are bound to it",
        );
        flags.string(
            "kernel-vf-drivers",
            &mut options.kernel_vf_drivers,
            "which virtual functions to offer, by the kernel's drivers for them: dh895xccvf, c4xxxvf, c3xxxvf, 4xxxvf, 420xxvf, \
             6xxxvf, c6xxvf, d15xxvf, with commas between",
        );
        flags.value(
            "allocation-policy",
            &mut options.allocation_policy,
            "which free virtual functions to hand out: balanced (of the least used physical function) or packed (of one physical \
             function until it is full); the first ones when not given",
        );
        flags.int(
            "max-num-devices",
            &mut options.max_num_devices,
            "how many virtual functions to offer at most",
        );
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
    pub fn check(&self) -> Result<Config, String> {
        let drivers = [DpdkDriver::VfioPci, DpdkDriver::IgbUio];
        let given = &self.dpdk_driver;
        let dpdk_driver = drivers.into_iter().find(|driver| driver.name() == given);
        let dpdk_driver =
            dpdk_driver.ok_or_else(|| format!("-dpdk-driver is {given:?}, not vfio-pci or igb_uio"))?;
        let generations = generations(&self.kernel_vf_drivers)?;
        let policy = match self.allocation_policy.0.as_deref() {
            None => Policy::None,
            Some("balanced") => Policy::Balanced,
            Some("packed") => Policy::Packed,
            Some(other) => {
                return Err(format!(
                    "-allocation-policy is {other:?}, not balanced or packed; leave it out for none"
                ));
            }
        };
        let given = self.max_num_devices;
        let max_devices = usize::try_from(given).ok();
        let max_devices =
            max_devices.ok_or_else(|| format!("-max-num-devices is {given}, which is less than 0"))?;
        Ok(Config { dpdk_driver, generations, policy, max_devices })
    }
}

/// Those of a comma list of drivers for virtual functions.
fn generations(list: &str) -> Result<Vec<&'static Generation>, String> {
    let mut generations: Vec<&Generation> = Vec::new();
    for driver in list.split(',') {
        let Some(generation) = GENERATIONS.iter().find(|generation| generation.vf_driver == driver) else {
            let known = GENERATIONS.iter().map(|generation| generation.vf_driver);
            let nearest = cli::nearest(driver, known.clone());
            let hint = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
            let known = known.collect::<Vec<_>>().join(", ");
            return Err(format!("-kernel-vf-drivers has {driver:?}, which is none of {known}{hint}"));
        };
        if !generations.contains(&generation) {
            generations.push(generation);
        }
    }
    Ok(generations)
}

#[cfg(test)]
mod tests;
