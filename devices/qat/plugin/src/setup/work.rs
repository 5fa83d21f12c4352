//! What is to be written for one physical function.

use std::path::PathBuf;

use device_plugin::error_chain;
use host::{Host, HostError, PciFunction, Plan};

use super::Setup;
use super::config::Given;
use super::physical::Physical;
use super::services::Services;
use crate::bind::{self, Standing};
use crate::generation::{self, GENERATIONS};
use crate::{DpdkDriver, users};

const VFIO: DpdkDriver = DpdkDriver::VfioPci;

/// What is to be written, in this order.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Makes the physical function what it should be: wholly or not at all.
    pub(crate) configure: Plan,
    /// What can be done or not done by itself, and its name in messages.
    pub(crate) others: Vec<(String, Plan)>,
}

impl Work {
    /// All plans in order.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &Plan> {
        std::iter::once(&self.configure).chain(self.others.iter().map(|(_, plan)| plan))
    }

    /// What is to be written for `physical`. The error is why it cannot be made what it should be; `note` is told what stays
    /// as it is and why.
    pub(crate) fn plan(
        setup: &Setup,
        physical: &Physical,
        note: &mut impl FnMut(String),
    ) -> Result<Self, String> {
        let at = physical.address();
        let driver = physical.function.driver().map_err(|error| error_chain(&error))?;
        match driver {
            None => {
                let module = physical.module();
                return Err(format!("{at} has no driver: load its module (`modprobe {module}`)"));
            }
            Some(driver) if GENERATIONS.iter().any(|generation| generation.pf_driver == driver) => {}
            Some(driver) => {
                note(format!("{at} is left alone: it is bound to {driver}, which is no driver for QAT"));
                return Ok(Self::default());
            }
        }
        let mut planner =
            Planner { setup, host: &setup.host, function: &physical.function, work: Self::default() };
        planner.plan(note).map_err(|error| format!("{at}: {error}"))?;
        Ok(planner.work)
    }
}

struct Planner<'a> {
    setup: &'a Setup,
    host: &'a Host,
    function: &'a PciFunction,
    work: Work,
}

/// The error as text.
fn said<T>(found: Result<T, HostError>) -> Result<T, String> {
    found.map_err(|error| error_chain(&error))
}

/// The content of an attribute that not every kernel has.
fn optional(found: Result<String, HostError>) -> Result<Option<String>, String> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error_chain(&error)),
    }
}

impl Planner<'_> {
    fn attribute(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/sys/bus/pci/devices/{}/{name}", self.function.address()))
    }

    fn read(&self, name: &str) -> Result<Option<String>, String> {
        optional(self.host.read(self.attribute(name)))
    }

    fn plan(&mut self, note: &mut impl FnMut(String)) -> Result<(), String> {
        let enabled = said(self.function.sriov_numvfs())?;
        let Some(enabled) = enabled else {
            return Err("it cannot have virtual functions; is SR-IOV on in the firmware?".to_owned());
        };
        let is_reconfigured = self.plan_services(enabled, note)?;
        if enabled == 0 || is_reconfigured {
            self.plan_virtual_functions(note)?;
        } else {
            self.note_number(enabled, note);
            self.plan_bindings(note)?;
        }
        self.plan_auto_reset(note)
    }

    /// True: it gets other services, and has no virtual functions then. In any case it is up then.
    fn plan_services(&mut self, enabled: u16, note: &mut impl FnMut(String)) -> Result<bool, String> {
        let (state, services) = (self.attribute("qat/state"), self.attribute("qat/cfg_services"));
        let is_down = self.read("qat/state")?.as_deref() == Some("down");
        if let Some(Given { value: wanted, .. }) = &self.setup.config.services {
            match self.read("qat/cfg_services")? {
                None => note(format!(
                    "{} keeps its services: it has no qat/cfg_services, which QAT since the fourth generation has with \
                     Linux 6.0 or later",
                    self.function.address()
                )),
                Some(current) if wanted.are(&current) => {}
                Some(current) => {
                    if enabled > 0 {
                        self.check_unused(&current, wanted)?;
                    }
                    let former = self.former_functions(enabled)?;
                    let plan = &mut self.work.configure;
                    // Virtual functions go with it (`adf_dev_shutdown`). Their number cannot be 0 before Linux 6.8, and is one
                    // more start of the firmware since.
                    if said(plan.set(self.host, &state, "down"))? {
                        plan.undo_also(former);
                    }
                    said(plan.set(self.host, services, wanted.written()))?;
                    plan.write(&state, "up", Some((state.clone(), "down".to_owned())));
                    return Ok(true);
                }
            }
        }
        if is_down {
            said(self.work.configure.set(self.host, state, "up"))?;
        }
        Ok(false)
    }

    /// Virtual functions go when services change.
    fn check_unused(&self, current: &str, wanted: &Services) -> Result<(), String> {
        let refuse = |function: &PciFunction, why: String| {
            let (at, wanted) = (function.address(), wanted.written());
            format!(
                "services cannot be changed from {current} to {wanted}, for which all virtual functions are made anew: {at}: {why}"
            )
        };
        for function in said(self.function.virtual_functions())? {
            let own = generation::of_vf(said(function.device())?).map(|own| own.vf_driver);
            match said(function.driver())? {
                None => {}
                Some(driver) if Some(driver.as_str()) == own => {}
                Some(driver) => users::check_unused(self.host, &function, self.setup.open)
                    .map_err(|why| refuse(&function, format!("it is bound to {driver}, and {why}")))?,
            }
        }
        Ok(())
    }

    /// Makes all virtual functions, and binds them at once if it is known where they will be.
    fn plan_virtual_functions(&mut self, note: &mut impl FnMut(String)) -> Result<(), String> {
        let at = self.function.address();
        let total = said(self.function.sriov_totalvfs())?.unwrap_or_default();
        let count = match self.setup.num_vfs {
            0 => total,
            asked if asked > total => {
                note(format!("{at} can have {total} virtual functions, not {asked}"));
                total
            }
            asked => asked,
        };
        if count == 0 {
            note(format!("{at} can have no virtual functions"));
            return Ok(());
        }
        let enabling = self.enabling(count)?;
        self.work.configure.extend(enabling);
        match self.function.virtual_addresses(count) {
            Some(addresses) => {
                for address in addresses {
                    self.work.configure.bind_new(address, VFIO.name());
                }
            }
            None => note(format!(
                "{at}: it is not known where its virtual functions will be, so they are bound to {} when they are there",
                VFIO.name()
            )),
        }
        Ok(())
    }

    /// Makes virtual functions, none of which has a driver that it must be taken from again.
    fn enabling(&self, count: u16) -> Result<Plan, String> {
        let (number, state) = (self.attribute("sriov_numvfs"), self.attribute("qat/state"));
        let probe = self.attribute("sriov_drivers_autoprobe");
        let probes = self.read("sriov_drivers_autoprobe")?.filter(|probes| probes != "0");
        let mut plan = Plan::default();
        if probes.is_some() {
            said(plan.set(self.host, &probe, "0"))?;
        }
        if self.host.exists(&state) {
            // On all kernels, which the number 0 is not.
            plan.write(&number, count.to_string(), Some((state.clone(), "down".to_owned())));
            let mut up = Plan::default();
            up.write(state, "up", None);
            plan.undo_also(up);
        } else {
            plan.write(&number, count.to_string(), Some((number.clone(), "0".to_owned())));
        }
        if let Some(probes) = probes {
            plan.write(&probe, probes, Some((probe.clone(), "0".to_owned())));
        }
        Ok(plan)
    }

    /// Brings back the virtual functions that there are now, each on its driver.
    fn former_functions(&self, enabled: u16) -> Result<Plan, String> {
        if enabled == 0 {
            return Ok(Plan::default());
        }
        let mut plan = self.enabling(enabled)?;
        for function in said(self.function.virtual_functions())? {
            let at = function.address().to_string();
            if let Some(driver) = said(function.driver_override())? {
                plan.write(format!("/sys/bus/pci/devices/{at}/driver_override"), driver, None);
            }
            if let Some(driver) = said(function.driver())? {
                plan.write(format!("/sys/bus/pci/drivers/{driver}/bind"), at, None);
            }
        }
        Ok(plan)
    }

    fn note_number(&self, enabled: u16, note: &mut impl FnMut(String)) {
        let asked = self.setup.num_vfs;
        if asked != 0 && asked != enabled {
            let at = self.function.address();
            note(format!(
                "{at} keeps its {enabled} virtual functions, though -num-vfs is {asked}: drivers for QAT may enable all or none"
            ));
        }
    }

    /// Binds virtual functions that are there already.
    fn plan_bindings(&mut self, note: &mut impl FnMut(String)) -> Result<(), String> {
        for function in said(self.function.virtual_functions())? {
            let at = function.address();
            if said(function.driver())?.as_deref() == Some(DpdkDriver::IgbUio.name()) {
                note(format!("{at} is left alone: it is bound to {}", DpdkDriver::IgbUio.name()));
                continue;
            }
            match said(bind::standing(self.host, &function, VFIO, self.setup.open))? {
                Standing::Good => {}
                Standing::Taken(why) => note(format!("{at} is left alone: {why}")),
                Standing::Free => {
                    let mut plan = Plan::default();
                    said(plan.bind(&function, VFIO.name()))?;
                    self.work.others.push((at.to_string(), plan));
                }
            }
        }
        Ok(())
    }

    fn plan_auto_reset(&mut self, note: &mut impl FnMut(String)) -> Result<(), String> {
        let Some(Given { value, .. }) = &self.setup.config.auto_reset else { return Ok(()) };
        let at = self.function.address();
        if self.read("qat/auto_reset")?.is_none() {
            note(format!(
                "{at} is not told whether to reset itself: it has no qat/auto_reset, which QAT since the fourth generation has \
                 with Linux 6.9 or later"
            ));
            return Ok(());
        }
        let mut plan = Plan::default();
        let value = if *value { "on" } else { "off" };
        if said(plan.set(self.host, self.attribute("qat/auto_reset"), value))? {
            self.work.others.push((format!("{at}: auto-reset"), plan));
        }
        Ok(())
    }
}
