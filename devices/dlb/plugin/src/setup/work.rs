//! What is to be written for one physical function.

use std::collections::BTreeSet;
use std::path::PathBuf;

use device_plugin::error_chain;
use host::{Host, HostError, PciAddress, PciFunction, Plan};

use super::resources::{self, Wanted};
use crate::balancer;

/// The driver, which calls itself so in all its versions.
pub(crate) const DRIVER: &str = "dlb2";
pub(crate) const DRIVERS: &str = "/sys/bus/pci/drivers/dlb2";

/// What is wanted of each physical function.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) host: &'a Host,
    pub(crate) physical: &'a PciFunction,
    pub(crate) num_vfs: u16,
    pub(crate) wanted: &'a Wanted,
}

/// The error as text.
fn said<T>(found: Result<T, HostError>) -> Result<T, String> {
    found.map_err(|error| error_chain(&error))
}

impl Work<'_> {
    /// What is to be written now. Where the kernel does not say where virtual functions will be, that is only to enable
    /// them, and the rest is to be planned when they are there. `note` is told what stays as it is and why.
    pub(crate) fn plan(&self, note: &mut dyn FnMut(String)) -> Result<Plan, String> {
        match said(self.physical.sriov_numvfs())?.unwrap_or_default() {
            0 => self.plan_fresh(note),
            enabled => self.plan_rest(enabled, note),
        }
    }

    /// The write that disables its virtual functions.
    pub(crate) fn plan_none(&self) -> Plan {
        let mut plan = Plan::default();
        plan.write(self.attribute("sriov_numvfs"), "0", None);
        plan
    }

    fn attribute(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/sys/bus/pci/devices/{}/{name}", self.physical.address()))
    }

    /// Whether the kernel gives new virtual functions a driver by itself; `None` before Linux 4.12, which always does. It
    /// lets nobody bind them while it does not (`pci_device_can_probe`).
    fn probes(&self) -> Result<Option<bool>, String> {
        match self.host.read(self.attribute("sriov_drivers_autoprobe")) {
            Ok(probes) => Ok(Some(probes != "0")),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error_chain(&error)),
        }
    }

    fn set_probing(&self, plan: &mut Plan, probes: bool) {
        let (path, word) = (self.attribute("sriov_drivers_autoprobe"), |on| if on { "1" } else { "0" });
        plan.write(path.clone(), word(probes), Some((path, word(!probes).to_owned())));
    }

    fn plan_fresh(&self, note: &mut dyn FnMut(String)) -> Result<Plan, String> {
        let count = self.num_vfs;
        let total = said(self.physical.sriov_totalvfs())?.unwrap_or_default();
        if count > total {
            return Err(format!("it can have {total} virtual functions, not {count}"));
        }
        if let Some((used @ 1.., all)) = said(resources::domains_in_use(self.host, self.physical))? {
            return Err(format!(
                "a program uses it, {used} of its {all} scheduling domains are taken: virtual functions would need them"
            ));
        }
        let mut plan = Plan::default();
        // A virtual function can be given something only while it has no driver.
        let probes = self.probes()?;
        if probes == Some(true) {
            self.set_probing(&mut plan, false);
        }
        let number = self.attribute("sriov_numvfs");
        plan.write(number.clone(), count.to_string(), Some((number, "0".to_owned())));
        if probes.is_some() {
            self.set_probing(&mut plan, true);
        }
        let known = self.physical.virtual_addresses(count).filter(|_| probes.is_some());
        if let Some(addresses) = known {
            let shares = said(self.wanted.shares(self.host, self.physical, count))?;
            for (number, address) in (0..count).zip(addresses) {
                self.give(&mut plan, number, &shares);
                bind(&mut plan, address);
            }
        } else {
            let unknown = "it is not known where its virtual functions will be";
            note(format!("{unknown}: they are given resources when they are there"));
        }
        if probes == Some(false) {
            self.set_probing(&mut plan, false);
        }
        Ok(plan)
    }

    /// Gives the virtual functions that are there what they lack: resources, the driver.
    fn plan_rest(&self, enabled: u16, note: &mut dyn FnMut(String)) -> Result<Plan, String> {
        if enabled != self.num_vfs {
            note(format!(
                "it keeps its {enabled} virtual functions, which may be in use, though -num-vfs is {}",
                self.num_vfs
            ));
        }
        let auxiliary = self.auxiliary(enabled)?;
        let shares = said(self.wanted.shares(self.host, self.physical, enabled))?;
        let mut plan = Plan::default();
        for number in 0..enabled {
            let function = said(self.physical.virtual_function(number.into()))?;
            let at = function.address();
            let is_bound = match said(function.driver())?.as_deref() {
                None => false,
                Some(DRIVER) => true,
                Some(other) => {
                    note(format!("{at} is left alone: it is bound to {other}"));
                    continue;
                }
            };
            if auxiliary.contains(&number) {
                note(format!("{at} is left alone: it serves another virtual function"));
                continue;
            }
            let given = said(balancer::given(self.host, self.physical, number))?;
            if given.is_none() {
                note(format!("{at}: the driver does not tell what resources it has"));
            }
            // Nobody can use one that has nothing, so it can be taken from its driver.
            let lacks_all = given == Some(0);
            if is_bound && lacks_all {
                let (bind, unbind) = (format!("{DRIVERS}/bind"), format!("{DRIVERS}/unbind"));
                plan.write(unbind, at.to_string(), Some((bind.into(), at.to_string())));
            }
            if lacks_all {
                self.give(&mut plan, number, &shares);
            }
            if lacks_all || !is_bound {
                bind(&mut plan, at);
            }
        }
        if plan.is_empty() || self.probes()? != Some(false) {
            return Ok(plan);
        }
        let mut whole = Plan::default();
        self.set_probing(&mut whole, true);
        whole.extend(plan);
        self.set_probing(&mut whole, false);
        Ok(whole)
    }

    /// The numbers of virtual functions that only lend their interrupts to another; these have no resources.
    fn auxiliary(&self, enabled: u16) -> Result<BTreeSet<u16>, String> {
        let mut auxiliary = BTreeSet::new();
        for number in 0..enabled {
            let file = self.physical.folder().join(format!("vf{number}_resources/aux_vf_ids"));
            match self.host.read(&file) {
                Ok(numbers) => auxiliary.extend(auxiliary_of(&numbers)),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error_chain(&error)),
            }
        }
        Ok(auxiliary)
    }

    fn give(&self, plan: &mut Plan, number: u16, shares: &[(&str, u64)]) {
        for (name, share) in shares {
            let path = self.attribute(&format!("vf{number}_resources/{name}"));
            plan.write(path.clone(), share.to_string(), Some((path, "0".to_owned())));
        }
    }
}

fn bind(plan: &mut Plan, address: PciAddress) {
    let (bind, unbind) = (format!("{DRIVERS}/bind"), format!("{DRIVERS}/unbind"));
    plan.write(bind, address.to_string(), Some((unbind.into(), address.to_string())));
}

/// The numbers of an `aux_vf_ids`: `1,2`. What is no number of a function is passed over.
fn auxiliary_of(text: &str) -> impl Iterator<Item = u16> {
    text.split(',').filter_map(|word| word.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_breaks_the_list_of_auxiliary_functions(text in "\\PC{0,40}|[0-9, -]{0,40}") {
            prop_assert!(auxiliary_of(&text).count() <= text.split(',').count());
        }

        #[test]
        fn every_auxiliary_function_is_found(numbers in prop::collection::vec(any::<u16>(), 0..16), rest in "(,-1)?(,)?") {
            let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            let text = words.join(",") + &rest;
            prop_assert_eq!(auxiliary_of(&text).collect::<Vec<_>>(), numbers);
        }
    }
}
