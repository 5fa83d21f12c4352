//! Gives virtual functions the driver through which containers use them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use device_plugin::error_chain;
use host::plan::PlanError;
use host::{Host, HostError, PciAddress, PciFunction, Plan};

use crate::functions::VirtualFunction;
use crate::users::{self, Open};
use crate::{DpdkDriver, generation};

/// What is tried again at once, fails again at once, and each try makes events that lead here again.
const AFTER_FAILURE: Duration = Duration::from_mins(1);
/// Somebody else may want the function on another driver as much as we do.
const AFTER_SUCCESS: Duration = Duration::from_secs(5);

/// Binds virtual functions, and remembers what it tried.
#[derive(Debug)]
pub(crate) struct Binder {
    driver: DpdkDriver,
    open: Open,
    /// Of functions that are there still.
    attempts: BTreeMap<PciAddress, Attempt>,
}

#[derive(Debug)]
struct Attempt {
    at: Instant,
    failure: Option<String>,
}

/// What is to be done with a virtual function.
pub(crate) enum Standing {
    /// It has the driver, or is going.
    Good,
    /// It has none, or its own kernel driver, or a user-space driver through which nobody uses it.
    Free,
    /// It is somebody else's.
    Taken(String),
}

impl Attempt {
    fn is_recent(&self, now: Instant) -> bool {
        let pause = if self.failure.is_some() { AFTER_FAILURE } else { AFTER_SUCCESS };
        now.duration_since(self.at) < pause
    }
}

impl Binder {
    pub(crate) fn new(driver: DpdkDriver) -> Self {
        Self { driver, open: users::open, attempts: BTreeMap::new() }
    }

    /// Binds those that can be bound. The answer is which could not, and why.
    pub(crate) fn bind(&mut self, host: &Host, functions: &[VirtualFunction], now: Instant) -> Vec<String> {
        let present: BTreeSet<PciAddress> = functions.iter().map(|vf| vf.function.address()).collect();
        self.attempts.retain(|address, _| present.contains(address));
        let Standings { good, free, mut warnings } = standings(host, functions, self.driver, self.open);
        for address in good {
            self.forget_failure(address);
        }
        warnings.extend(free.into_iter().filter_map(|vf| self.try_to_bind(host, &vf.function, now)));
        warnings
    }

    /// Somebody else has bound it.
    fn forget_failure(&mut self, address: PciAddress) {
        if self.attempts.get(&address).is_some_and(|attempt| attempt.failure.is_some()) {
            self.attempts.remove(&address);
        }
    }

    /// Binds a function, unless that was tried a moment ago. The answer is why it is not bound.
    fn try_to_bind(&mut self, host: &Host, function: &PciFunction, now: Instant) -> Option<String> {
        let address = function.address();
        let attempt = match self.attempts.get(&address) {
            Some(attempt) if attempt.is_recent(now) => attempt,
            _ => {
                let failure = bind(host, function, self.driver.name()).err().filter(|_| {
                    // It went while it was bound.
                    host.exists(function.folder())
                });
                let attempt = Attempt { at: now, failure };
                self.attempts.entry(address).insert_entry(attempt).into_mut()
            }
        };
        let driver = self.driver.name();
        let why = attempt.failure.as_ref()?;
        Some(format!("{address} is left out: it cannot be bound to {driver}: {why}"))
    }
}

/// What is to be done with all of them.
#[derive(Default)]
pub(crate) struct Standings<'a> {
    good: Vec<PciAddress>,
    /// Those that can be bound now.
    pub(crate) free: Vec<&'a VirtualFunction>,
    /// Which cannot, and why.
    pub(crate) warnings: Vec<String>,
}

/// What is to be done with virtual functions that are to have `driver`.
pub(crate) fn standings<'a>(
    host: &Host,
    functions: &'a [VirtualFunction],
    driver: DpdkDriver,
    open: Open,
) -> Standings<'a> {
    let mut standings = Standings::default();
    for vf in functions {
        let address = vf.function.address();
        match standing(host, &vf.function, driver, open) {
            Ok(Standing::Good) => standings.good.push(address),
            Ok(Standing::Free) => standings.free.push(vf),
            Ok(Standing::Taken(why)) => standings.warnings.push(format!("{address} is left alone: {why}")),
            Err(_) if !host.exists(vf.function.folder()) => {}
            Err(error) => {
                standings.warnings.push(format!("{address} is left out: {}", error_chain(&error)));
            }
        }
    }
    let driver = driver.name();
    let count = standings.free.len();
    if count > 0 && !host.exists(Path::new("/sys/bus/pci/drivers").join(driver)) {
        standings.free.clear();
        standings.warnings.push(format!(
            "{count} virtual functions are left out: the driver {driver} is not loaded; run `modprobe {driver}` on the node"
        ));
    }
    standings
}

/// What is to be done with a virtual function that is to have `driver`.
pub(crate) fn standing(
    host: &Host,
    function: &PciFunction,
    driver: DpdkDriver,
    open: Open,
) -> Result<Standing, HostError> {
    let (wanted, bound) = (driver.name(), function.driver()?);
    if bound.as_deref() == Some(wanted) {
        return Ok(Standing::Good);
    }
    let own = generation::of_vf(function.device()?).map(|generation| generation.vf_driver);
    let is_own = |driver: &str| Some(driver) == own;
    Ok(match bound.as_deref() {
        Some(driver) if is_own(driver) => Standing::Free,
        Some(driver) if driver == DpdkDriver::VfioPci.name() => {
            match users::check_unused(host, function, open) {
                Ok(()) => Standing::Free,
                Err(why) => Standing::Taken(format!("it is bound to {driver}, and {why}")),
            }
        }
        // Who uses it cannot be seen, but what was bound for the plugin has followed its flag.
        Some(driver) if driver == DpdkDriver::IgbUio.name() => Standing::Free,
        Some(driver) => Standing::Taken(format!("it is bound to {driver}; unbind it to have it offered")),
        None => match function.driver_override()? {
            Some(driver) if driver != wanted && !is_own(&driver) => Standing::Taken(format!(
                "its driver_override says that it is for {driver}; empty that to have it offered"
            )),
            _ => Standing::Free,
        },
    })
}

/// Binds a function and looks whether it is bound then.
fn bind(host: &Host, function: &PciFunction, driver: &str) -> Result<(), String> {
    let mut plan = Plan::default();
    plan.bind(function, driver).map_err(|error| error_chain(&error))?;
    let address = function.address();
    match plan.apply(host, |step| tracing::info!("binding {address}: {step}")) {
        Err(error) if is_override_refused(&error) => {
            // In a container that has /sys read-only but for /sys/bus/pci. A driver that was told of the device id, or of
            // this function, takes it all the same.
            let plan = bind_as_it_is(function, driver).map_err(|error| error_chain(&error))?;
            plan.apply(host, |step| tracing::info!("binding {address}: {step}")).map_err(|second| {
                format!(
                    "{}; and without that: {}; prepare the node with `setup qat`, or mount /sys/devices writable",
                    error_chain(&error),
                    error_chain(&second)
                )
            })?;
        }
        applied => applied.map_err(|error| error_chain(&error))?,
    }
    match function.driver() {
        Ok(Some(bound)) if bound == driver => Ok(()),
        Ok(Some(bound)) => Err(format!("it is bound to {bound} now, though the kernel refused nothing")),
        Ok(None) => Err("it has no driver, though the kernel refused nothing".to_owned()),
        Err(error) => Err(error_chain(&error)),
    }
}

fn is_override_refused(error: &PlanError) -> bool {
    let kinds = [ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied];
    error.source.path.ends_with("driver_override") && kinds.contains(&error.source.source.kind())
}

fn bind_as_it_is(function: &PciFunction, driver: &str) -> Result<Plan, HostError> {
    let address = function.address().to_string();
    let file =
        |driver: &str, name: &str| -> PathBuf { Path::new("/sys/bus/pci/drivers").join(driver).join(name) };
    let mut plan = Plan::default();
    if let Some(bound) = function.driver()? {
        plan.write(file(&bound, "unbind"), &address, Some((file(&bound, "bind"), address.clone())));
    }
    plan.write(file(driver, "bind"), &address, Some((file(driver, "unbind"), address.clone())));
    Ok(plan)
}

#[cfg(test)]
mod tests;
