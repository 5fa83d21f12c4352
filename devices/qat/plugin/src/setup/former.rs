//! What a physical function was before it was written to, so that an error says what is not as it was.

use std::collections::BTreeMap;

use host::{Host, PciFunction};

use super::services::Services;

const ATTRIBUTES: [&str; 4] = ["qat/state", "qat/cfg_services", "sriov_numvfs", "sriov_drivers_autoprobe"];

/// What can be seen of it: attributes by name, virtual functions by address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Former(BTreeMap<String, String>);

impl Former {
    /// What it is now. What cannot be read is left out.
    pub(crate) fn of(host: &Host, function: &PciFunction) -> Self {
        let read = |name: &&str| {
            let value = host.read(function.folder().join(name)).ok()?;
            // The kernel may show equal services in another order.
            let services = value.parse().map(|services: Services| services.written());
            Some(((*name).to_owned(), services.unwrap_or(value)))
        };
        let mut seen: BTreeMap<String, String> = ATTRIBUTES.iter().filter_map(read).collect();
        for function in function.virtual_functions().unwrap_or_default() {
            let driver = function.driver().ok().flatten().unwrap_or_else(|| "no driver".to_owned());
            let only = function.driver_override().ok().flatten();
            let only = only.map(|only| format!(" (driver_override {only})")).unwrap_or_default();
            seen.insert(function.address().to_string(), format!("on {driver}{only}"));
        }
        Self(seen)
    }

    /// What is not so any more.
    pub(crate) fn lost(&self, now: &Self) -> Vec<String> {
        let lost = self.0.iter().filter_map(|(what, was)| match now.0.get(what) {
            Some(is) if is == was => None,
            Some(is) => Some(format!("{what} is {is}, and was {was}")),
            None => Some(format!("{what} is gone, and was {was}")),
        });
        let new = now.0.iter().filter(|(what, _)| !self.0.contains_key(*what));
        lost.chain(new.map(|(what, is)| format!("{what} is {is}, and was not there"))).collect()
    }
}
