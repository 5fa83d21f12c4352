//! An accelerator of the node, as sysfs shows it.

use device_plugin::error_chain;
use host::{Host, HostError};

use super::attributes::{Attribute, Name, Part, number_of};
use crate::accelerator::{BUS, ENABLED};
use crate::family::Family;

/// An accelerator to be configured. It holds no values: each is read when it is asked for.
#[derive(Debug)]
pub(crate) struct Accelerator<'a> {
    pub(crate) host: &'a Host,
    pub(crate) name: Name,
}

impl<'a> Accelerator<'a> {
    /// Those of a family that the node has, by their numbers.
    pub(crate) fn all(host: &'a Host, family: &Family) -> Result<Vec<Self>, String> {
        let names = match host.names(BUS) {
            Ok(names) => names,
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => return Err(error_chain(&error)),
        };
        let mut found: Vec<Self> = names
            .into_iter()
            .filter_map(|device| {
                let index = number_of(device.strip_prefix(family.device)?)?;
                Some(Self { host, name: Name { device, index } })
            })
            .collect();
        found.sort_by_key(|accelerator| accelerator.name.index);
        Ok(found)
    }

    fn optional<T>(&self, read: Result<T, HostError>) -> Result<Option<T>, String> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(format!("{}: {}", self.name, error_chain(&error))),
        }
    }

    fn read(&self, part: Part, attribute: &str) -> Result<Option<String>, String> {
        self.optional(self.host.read(format!("{}/{attribute}", self.name.folder(part))))
    }

    /// The attribute's file; by the name of this kernel.
    pub(crate) fn path(&self, part: Part, attribute: &Attribute) -> String {
        let folder = self.name.folder(part);
        let path = format!("{folder}/{}", attribute.name);
        match attribute.former_name.map(|name| format!("{folder}/{name}")) {
            Some(former) if !self.host.exists(&path) && self.host.exists(&former) => former,
            _ => path,
        }
    }

    /// What an attribute holds; `None` if this kernel or device has no such attribute.
    pub(crate) fn value(&self, part: Part, attribute: &Attribute) -> Result<Option<String>, String> {
        self.optional(self.host.read(self.path(part, attribute)))
    }

    /// The most read buffers that groups with a limit have together; `None` if there is no such limit.
    pub(crate) fn read_buffer_limit(&self) -> Result<Option<String>, String> {
        match Part::Device.attribute("read_buffer_limit") {
            Some(attribute) => self.value(Part::Device, attribute),
            None => Ok(None),
        }
    }

    /// A number that the device says of itself; `None` if it says nothing.
    pub(crate) fn number(&self, attribute: &str) -> Result<Option<u64>, String> {
        let Some(text) = self.read(Part::Device, attribute)? else { return Ok(None) };
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        let what = || format!("{}: {attribute} is {text:?}, which is no number", self.name);
        number.map(Some).map_err(|_not_a_number| what())
    }

    /// The most read buffers that there are, by either name; `None` for other limits that are not there.
    pub(crate) fn limit(&self, attribute: &str) -> Result<Option<u64>, String> {
        match self.number(attribute)? {
            None if attribute == "max_read_buffers" => self.number("max_tokens"),
            number => Ok(number),
        }
    }

    /// A limit that every kernel shows.
    pub(crate) fn count(&self, attribute: &str) -> Result<u32, String> {
        let count =
            self.number(attribute)?.ok_or_else(|| format!("{}: there is no {attribute}", self.name))?;
        u32::try_from(count).map_err(|_too_many| format!("{}: {attribute} is {count}", self.name))
    }

    /// All that can be configured, in the order of writing.
    pub(crate) fn parts(&self) -> Result<Vec<Part>, String> {
        /// The most that the registers have room for (`drivers/dma/idxd/registers.h`).
        const MOST: u32 = 256;
        let numbers = |limit| self.count(limit).map(|count| 0..count.min(MOST));
        let groups = numbers("max_groups")?.map(Part::Group);
        let engines = numbers("max_engines")?.map(Part::Engine);
        let queues = numbers("max_work_queues")?.map(Part::Queue);
        let parts = [Part::Device].into_iter().chain(groups).chain(engines).chain(queues);
        Ok(parts.filter(|part| self.host.exists(self.name.folder(*part))).collect())
    }

    /// `enabled`, `disabled` or `halted`.
    pub(crate) fn state(&self) -> Result<String, String> {
        self.read(Part::Device, "state")?.ok_or_else(|| format!("{}: there is no state", self.name))
    }

    /// Whether the configuration is not the firmware's.
    pub(crate) fn is_configurable(&self) -> Result<bool, String> {
        Ok(self.number("configurable")? != Some(0))
    }

    pub(crate) fn queue_is_enabled(&self, number: u32) -> Result<bool, String> {
        Ok(self.read(Part::Queue(number), "state")?.is_some_and(|state| state == ENABLED))
    }

    /// The driver that a queue is bound to, if the kernel shows it.
    pub(crate) fn bound(&self, number: u32) -> Result<Option<String>, String> {
        let link = format!("{}/driver", self.name.folder(Part::Queue(number)));
        self.optional(self.host.link_name(link))
    }

    /// The driver that an enabled queue is bound to.
    pub(crate) fn driver_of(&self, number: u32) -> Result<String, String> {
        if let Some(driver) = self.bound(number)? {
            return Ok(driver);
        }
        let queue = Part::Queue(number);
        let name = self.read(queue, "driver_name")?.filter(|name| !name.is_empty());
        let kind = self.read(queue, "type")?.unwrap_or_default();
        Ok(name.unwrap_or_else(|| driver_for(&kind).to_owned()))
    }

    /// The first queue that is in use, and by how many.
    pub(crate) fn busy(&self) -> Result<Option<(String, u64)>, String> {
        for part in self.parts()? {
            if !matches!(part, Part::Queue(_)) {
                continue;
            }
            let Some(text) = self.read(part, "clients")? else { continue };
            let queue = self.name.part(part);
            match text.parse() {
                Ok(0) => {}
                Ok(clients) => return Ok(Some((queue, clients))),
                Err(_) => return Err(format!("{queue}: clients is {text:?}, which is no number")),
            }
        }
        Ok(None)
    }

    /// Whether the kernel lets traffic classes be set; else they are what the hardware needs.
    pub(crate) fn has_traffic_classes(&self) -> Result<bool, String> {
        const VERSION_2: u64 = 0x200;
        let version = self.number("version")?.unwrap_or_default();
        // The parameter came with the rule that version 2 must not be set either.
        let told = self.optional(self.host.read("/sys/module/idxd/parameters/tc_override"))?;
        Ok(match told.as_deref() {
            Some("Y") => true,
            Some(_) => version > VERSION_2,
            None => version >= VERSION_2,
        })
    }
}

/// The driver for a queue of this type, unless another is named.
pub(crate) fn driver_for(kind: &str) -> &str {
    if kind == "kernel" { "dmaengine" } else { kind }
}
