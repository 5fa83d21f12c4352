//! The physical functions of a node.

use std::str::FromStr;

use device_plugin::error_chain;
use host::{Host, HostError, PciAddress, PciFunction, PciId, pci};

use super::config::Given;
use super::services::Services;
use crate::generation::INTEL;

/// The PCI device ids of physical functions, and the kernel's modules for them.
const KNOWN: [(PciId, &str); 6] = [
    (PciId(0x37c8), "qat_c62x"),
    (PciId(0x4940), "qat_4xxx"),
    (PciId(0x4942), "qat_4xxx"),
    (PciId(0x4944), "qat_4xxx"),
    (PciId(0x4946), "qat_420xx"),
    (PciId(0x4948), "qat_6xxx"),
];

/// Which functions to prepare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ids(Vec<PciId>);

/// Device ids as in `37c8 4940`; all that are known if there are none.
impl FromStr for Ids {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut ids = Vec::new();
        for word in text.split_whitespace() {
            let digits = word.strip_prefix("0x").unwrap_or(word);
            let id = format!("0x{digits}").parse();
            ids.push(id.ok().ok_or_else(|| format!("{word:?} is no PCI device id such as 4940"))?);
        }
        if ids.is_empty() {
            ids.extend(KNOWN.iter().map(|(id, _)| *id));
        }
        Ok(Self(ids))
    }
}

/// A physical function.
#[derive(Debug)]
pub(crate) struct Physical {
    /// It.
    pub(crate) function: PciFunction,
    /// Its device id.
    pub(crate) id: PciId,
}

/// Those with these ids, sorted. What cannot be looked at is passed over with a warning.
pub(crate) fn find(host: &Host, ids: &Ids) -> Result<Vec<Physical>, HostError> {
    let addresses = match pci::addresses(host) {
        Err(error) if error.is_not_found() => Vec::new(),
        addresses => addresses?,
    };
    let mut found = Vec::new();
    for address in addresses {
        match look(host, address, ids) {
            Ok(physical) => found.extend(physical),
            // It has gone meanwhile.
            Err(error) if error.is_not_found() => {}
            Err(error) => tracing::warn!("{address} is passed over: {}", error_chain(&error)),
        }
    }
    Ok(found)
}

fn look(host: &Host, address: PciAddress, ids: &Ids) -> Result<Option<Physical>, HostError> {
    let function = PciFunction::at(host, address)?;
    let id = function.device()?;
    let is_wanted = ids.0.contains(&id) && function.vendor()? == INTEL;
    Ok(is_wanted.then_some(Physical { function, id }))
}

impl Physical {
    pub(crate) fn address(&self) -> PciAddress {
        self.function.address()
    }

    /// The kernel's module for it, as a hint.
    pub(crate) fn module(&self) -> &'static str {
        KNOWN.iter().find(|(id, _)| *id == self.id).map_or("qat_*", |(_, module)| module)
    }

    /// Whether it can have these services.
    pub(crate) fn check(&self, services: &Given<Services>) -> Result<(), String> {
        let Given { value, place } = services;
        value.check(self.id).map_err(|error| {
            let (written, at, id) = (value.written(), self.address(), self.id);
            format!("{place}: ServicesEnabled={written} does not fit {at} (device id {id}): {error}")
        })
    }

    /// What it is now, for the log.
    pub(crate) fn describe(&self) -> String {
        let count = self.function.virtual_functions().map_or(0, |functions| functions.len());
        format!("{} with {count} virtual functions", self.address())
    }
}
