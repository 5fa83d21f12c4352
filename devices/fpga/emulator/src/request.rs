//! The requests of both drivers, and their arguments as they are in the program's memory.

use nix::errno::Errno;
use serde_json::{Map, Value, json};

use crate::memory::Memory;
use crate::node::{Driver, Node};

/// The names of requests, as in the log.
pub(crate) const NAMES: [&str; 8] =
    ["version", "extension", "reset", "info", "region", "pr", "release", "assign"];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Version,
    Extension,
    Reset,
    Info,
    Region,
    Pr,
    Release,
    Assign,
}

/// The struct of a request.
#[derive(Debug)]
pub(crate) struct Argument {
    fields: &'static [(&'static str, usize)],
    bytes: Vec<u8>,
}

impl Request {
    /// What a number means on a node; nothing where the driver would not know it (`include/uapi/linux/fpga-dfl.h`, and
    /// `intel-fpga.h` of the other driver).
    pub(crate) fn of(number: u32, node: &Node) -> Option<Self> {
        let move_port = match node.driver {
            Driver::Dfl => [0x4004_b681, 0x4004_b682],
            Driver::Intel => [0xb581, 0xb582],
        };
        let magic = match node.driver {
            Driver::Dfl => 0xb600,
            Driver::Intel => 0xb500,
        };
        let request = match number {
            number if number == magic => Self::Version,
            number if number == magic | 0x01 => Self::Extension,
            number if number == magic | 0x40 && node.is_port => Self::Reset,
            number if number == magic | 0x41 && node.is_port => Self::Info,
            number if number == magic | 0x42 && node.is_port => Self::Region,
            number if number == magic | 0x80 && !node.is_port => Self::Pr,
            number if number == move_port[0] && !node.is_port => Self::Release,
            number if number == move_port[1] && !node.is_port => Self::Assign,
            _ => return None,
        };
        Some(request)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Extension => "extension",
            Self::Reset => "reset",
            Self::Info => "info",
            Self::Region => "region",
            Self::Pr => "pr",
            Self::Release => "release",
            Self::Assign => "assign",
        }
    }

    /// The fields of the struct, with their sizes.
    fn fields(self, driver: Driver) -> &'static [(&'static str, usize)] {
        match (self, driver) {
            (Self::Version | Self::Extension | Self::Reset, _) => &[],
            (Self::Info, Driver::Dfl) => &[("argsz", 4), ("flags", 4), ("num_regions", 4), ("num_umsgs", 4)],
            (Self::Info, Driver::Intel) => &[
                ("argsz", 4),
                ("flags", 4),
                ("capability", 4),
                ("num_regions", 4),
                ("num_umsgs", 4),
                ("num_uafu_irqs", 4),
            ],
            (Self::Region, _) => {
                &[("argsz", 4), ("flags", 4), ("index", 4), ("padding", 4), ("size", 8), ("offset", 8)]
            }
            (Self::Pr, Driver::Dfl) => {
                &[("argsz", 4), ("flags", 4), ("port_id", 4), ("buffer_size", 4), ("buffer_address", 8)]
            }
            (Self::Pr, Driver::Intel) => &[
                ("argsz", 4),
                ("flags", 4),
                ("port_id", 4),
                ("buffer_size", 4),
                ("buffer_address", 8),
                ("status", 8),
            ],
            (Self::Release | Self::Assign, Driver::Dfl) => &[("port_id", 4)],
            (Self::Release | Self::Assign, Driver::Intel) => &[("argsz", 4), ("flags", 4), ("port_id", 4)],
        }
    }

    /// The struct at an address.
    pub(crate) fn argument(self, driver: Driver, memory: &Memory, address: u64) -> Result<Argument, Errno> {
        let fields = self.fields(driver);
        let size = fields.iter().map(|(_, size)| size).sum();
        Ok(Argument { fields, bytes: memory.read(address, size)? })
    }
}

impl Argument {
    fn range(&self, field: &str) -> std::ops::Range<usize> {
        let before = self.fields.iter().take_while(|(name, _)| *name != field).map(|(_, size)| size).sum();
        let size = self.fields.iter().find(|(name, _)| *name == field).map_or(0, |(_, size)| *size);
        before..before + size
    }

    /// The value of a field; 0 if there is none of that name.
    pub(crate) fn get(&self, field: &str) -> u64 {
        let bytes = self.bytes.get(self.range(field)).unwrap_or_default();
        bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    /// Sets a field, if there is one of that name.
    pub(crate) fn set(&mut self, field: &str, value: u64) {
        let range = self.range(field);
        for (place, byte) in self.bytes.get_mut(range).into_iter().flatten().zip(value.to_le_bytes()) {
            *place = byte;
        }
    }

    /// Whether the program told the size that the struct has, and no flags, as all requests want it.
    pub(crate) fn is_sound(&self) -> bool {
        let has_size = self.fields.first().is_some_and(|(name, _)| *name == "argsz");
        !has_size || (self.get("argsz") >= self.bytes.len() as u64 && self.get("flags") == 0)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The fields, for the log. An address is different each time, so it is left out.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let fields = self.fields.iter().filter(|(name, _)| *name != "buffer_address");
        fields.map(|(name, _)| ((*name).to_owned(), json!(self.get(name)))).collect()
    }
}
