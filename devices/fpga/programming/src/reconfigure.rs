//! Partial reconfiguration: another function behind a port.
//!
//! Neither driver wants the port released and assigned around it: `FME_PORT_RELEASE` takes the port's device away, for a
//! virtual function to have it, and both drivers disable the port while they program and enable it again by themselves
//! (`fme_pr` of `drivers/fpga/dfl-fme-pr.c` and of `intel-fpga`). What they do not do is to look whether the port is in
//! use, so it is opened exclusively for as long.

use std::time::Duration;

use fpga_bitstream::Bitstream;
use rustix::io::Errno;

use crate::{Error, Fme, Lock, Port};

/// A port whose card nobody else reconfigures: see [`Port::lock`].
#[derive(Debug)]
pub struct LockedPort<'a> {
    port: &'a Port,
    fme: Fme,
    lock: Lock,
}

impl Port {
    /// Whether the bitstream fits the port, without doing anything: what a dry run says.
    pub fn check(&self, bitstream: &Bitstream) -> Result<(), Error> {
        self.fits(&self.fme()?, bitstream).map(drop)
    }

    /// Keeps others from reconfiguring the port's card, until the answer is dropped. While another process does, this waits,
    /// at most as long as said.
    pub fn lock(&self, wait: Duration) -> Result<LockedPort<'_>, Error> {
        let fme = self.fme()?;
        let lock = fme.lock(wait)?;
        Ok(LockedPort { port: self, fme, lock })
    }

    /// The number of the port, if the bitstream fits.
    fn fits(&self, fme: &Fme, bitstream: &Bitstream) -> Result<u32, Error> {
        let number = self.number()?;
        let (card, bitstream) = (fme.interface_of(self)?, bitstream.interface_id());
        if card != bitstream {
            return Err(Error::Interface { fme: fme.name().to_owned(), card, bitstream });
        }
        Ok(number)
    }
}

impl LockedPort<'_> {
    /// Programs the bitstream behind this port, whatever is there, and looks that it is there then.
    ///
    /// Nobody can open the port meanwhile, and it is an error if somebody has it open.
    pub fn reconfigure(&self, bitstream: &Bitstream) -> Result<(), Error> {
        let (port, fme) = (self.port, &self.fme);
        let number = port.fits(fme, bitstream)?;
        let data = bitstream.payload()?;
        let (device, driver) = (port.device(), port.driver());
        let name = || port.name().to_owned();
        let open = device.open(true)?;
        port.forget()?;
        let (result, faults) = driver.program(self.lock.fme(), number, &data);
        match result {
            Ok(()) => {}
            Err(Errno::IO) => {
                let shown = driver.faults(&device.host, fme.folder());
                return Err(Error::Refused { name: name(), faults: shown.unwrap_or(faults) });
            }
            Err(Errno::BUSY) => return Err(Error::InUse { name: name(), node: fme.node() }),
            Err(error) => return Err(Error::request("program", port.name(), error)),
        }
        // The driver resets the port when it is closed, so the function begins anew.
        drop(open);
        let (wanted, found) = (bitstream.afu_id(), port.afu_id()?);
        if found.is_all_ones() {
            return Err(Error::NoAnswer { name: name() });
        }
        if found != wanted {
            return Err(Error::Function { name: name(), wanted, found });
        }
        match bitstream.name() {
            Some(name) => port.remember(&name, found),
            None => Ok(()),
        }
    }
}
