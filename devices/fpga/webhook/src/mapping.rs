//! What one object means.

use std::fmt;

use fpga_bitstream::{Id, Name};
use fpga_plugin::name;
use kube::Resource;

use crate::types::{AcceleratorFunction, FpgaRegion};

/// Of a wrong text in an object, so many characters are kept.
const MAX_SHOWN: usize = 80;

/// What a pod gets that asks for a readable name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// A port that has the function already.
    Function {
        /// Of the card.
        interface: Id,
        /// What is behind the port.
        function: Id,
    },
    /// A region, in which the function is programmed before the container starts.
    Programmed {
        /// Of the region.
        interface: Id,
        /// The bitstream's name in the node's store.
        function: Name,
    },
    /// A region, with which the container may do everything.
    Region {
        /// Of the region.
        interface: Id,
    },
}

/// The mode that a node must be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Functions that are in their cards already.
    Af,
    /// Regions that are programmed for the container.
    Region,
    /// Regions that the container programs.
    RegionDevel,
}

/// Which custom resource an object is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Functions, in both modes.
    AcceleratorFunction,
    /// Regions for development.
    FpgaRegion,
}

/// An object that gives a name a meaning.
pub trait Object: Resource<DynamicType = ()> {
    /// Which of the two it is.
    const KIND: Kind;

    /// What it means, or why it cannot mean anything.
    fn mapping(&self) -> Result<Mapping, String>;
}

impl Mapping {
    /// The name of the nodes' resource, without `fpga.intel.com/`.
    pub fn target(&self) -> String {
        match self {
            Self::Function { interface, function } => name::function(*interface, *function),
            Self::Programmed { interface, .. } | Self::Region { interface } => name::region(*interface),
        }
    }

    /// The mode of the nodes that can have it.
    pub fn mode(&self) -> Mode {
        match self {
            Self::Function { .. } => Mode::Af,
            Self::Programmed { .. } => Mode::Region,
            Self::Region { .. } => Mode::RegionDevel,
        }
    }
}

impl Object for AcceleratorFunction {
    const KIND: Kind = Kind::AcceleratorFunction;

    fn mapping(&self) -> Result<Mapping, String> {
        let spec = &self.spec;
        let interface = interface(&spec.interface_id)?;
        match spec.mode.as_str() {
            "af" => match spec.afu_id.parse() {
                Ok(function) => Ok(Mapping::Function { interface, function }),
                Err(error) => Err(format!("spec.afuId {error}, as cards report in mode af")),
            },
            "region" => match spec.afu_id.parse() {
                Ok(function) => Ok(Mapping::Programmed { interface, function }),
                Err(error) => Err(format!("spec.afuId {error}")),
            },
            mode => {
                let mode: String = mode.chars().take(MAX_SHOWN).collect();
                Err(format!("spec.mode is {mode:?}: write af or region"))
            }
        }
    }
}

impl Object for FpgaRegion {
    const KIND: Kind = Kind::FpgaRegion;

    fn mapping(&self) -> Result<Mapping, String> {
        Ok(Mapping::Region { interface: interface(&self.spec.interface_id)? })
    }
}

fn interface(text: &str) -> Result<Id, String> {
    text.parse().map_err(|error| format!("spec.interfaceId {error}"))
}

/// A name that nodes have for what they offer. A pod that asks for it means that, whatever objects there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Real {
    /// `af-...`
    Function,
    /// `region-...`
    Region(Id),
}

impl Real {
    /// None if a node cannot have such a name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        if let Some(digits) = name.strip_prefix("region-") {
            return digits.parse().ok().filter(|id| name::region(*id) == name).map(Self::Region);
        }
        let is_function = name.starts_with("af-") && name.split('.').map(str::len).eq([6, 3, 43]);
        is_function.then_some(Self::Function)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Af => "af",
            Self::Region => "region",
            Self::RegionDevel => "regiondevel",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AcceleratorFunction => "AcceleratorFunction",
            Self::FpgaRegion => "FpgaRegion",
        })
    }
}
