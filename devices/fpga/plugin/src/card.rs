//! A card's ports and its management engine.

use std::path::PathBuf;

use device_plugin::error_chain;
use fpga_programming::Driver;
use fpga_programming::sysfs::{self, Found};
use host::{Host, HostError, PciFunction, number_of};

/// A port: the way to the function that is programmed behind it.
#[derive(Debug)]
pub(crate) struct Port {
    /// `dfl-port.0`; its node has the same name.
    pub(crate) name: String,
    /// Below `/sys/devices`.
    folder: PathBuf,
    /// The PCI function that it belongs to: the card's, or a virtual one of it.
    pub(crate) function: PciFunction,
    pub(crate) engine: Engine,
}

/// A management engine.
#[derive(Debug)]
pub(crate) struct Engine {
    driver: &'static dyn Driver,
    /// `dfl-fme.0`; its node has the same name.
    pub(crate) name: String,
    /// Below `/sys/devices`.
    folder: PathBuf,
}

/// The folder of all cards on a driver.
pub(crate) fn class(driver: &dyn Driver) -> String {
    format!("/sys/class/{}", driver.cards())
}

/// The names of the cards on a driver, sorted; `None` where it is not loaded.
pub(crate) fn names(host: &Host, driver: &dyn Driver) -> Result<Option<Vec<String>>, HostError> {
    match host.names(class(driver)) {
        Ok(mut names) => {
            names.retain(|name| number_of(name, driver.card_prefix()).is_some());
            Ok(Some(names))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

impl Port {
    /// The port `name` of the card `card`.
    pub(crate) fn find(
        host: &Host,
        driver: &'static dyn Driver,
        card: &str,
        name: &str,
    ) -> Result<Self, String> {
        let text = |error: HostError| error_chain(&error);
        host.device_number(format!("/dev/{name}")).map_err(text)?;
        let folder = host.resolve(format!("{}/{card}/{name}", class(driver))).map_err(text)?;
        let found = || {
            let function = sysfs::card_of(host, &folder)?;
            let engine = sysfs::fme_folder(host, driver, &function)?;
            Ok::<_, fpga_programming::Error>((function, engine))
        };
        let (function, engine) = found().map_err(|error| error_chain(&error))?;
        let engine = Engine {
            driver,
            name: engine.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            folder: engine,
        };
        Ok(Self { name: name.to_owned(), folder, function, engine })
    }

    /// The id of the function that is programmed now. Reading it fails while the port is disabled.
    pub(crate) fn function_id(&self, host: &Host) -> Result<Found, String> {
        Found::read(host, self.folder.join("afu_id")).map_err(|error| error_chain(&error))
    }
}

impl Engine {
    /// The id of the interface between the card and what can be programmed behind `port`, or without one behind any of its
    /// ports.
    pub(crate) fn interface(&self, host: &Host, port: Option<&Port>) -> Result<Found, String> {
        let port = port.map(|port| port.folder.as_path());
        sysfs::interface(host, self.driver, &self.folder, port).map_err(|error| error_chain(&error))
    }
}
