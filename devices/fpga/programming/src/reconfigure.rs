//! Partial reconfiguration: another function behind a port.
//!
//! Neither driver wants the port released and assigned around it: `FME_PORT_RELEASE` takes the port's device away, for a
//! virtual function to have it, and both drivers disable the port while they program and enable it again by themselves
//! (`fme_pr` of `drivers/fpga/dfl-fme-pr.c` and of `intel-fpga`). What they do not do is to look whether the port is in
//! use, so it is opened exclusively for as long.

use std::time::Duration;

use rustix::io::Errno;

use crate::ioctl::MOST_BYTES;
use crate::{Error, Fme, Id, Port};

/// What shall be programmed.
#[derive(Debug, Clone, Copy)]
pub struct Bitstream<'a> {
    /// The interface that it was built for.
    pub interface: Id,
    /// The function that the port must have afterwards. That is what was *asked for*; when the file says something else,
    /// the file is the wrong one.
    pub afu: Id,
    /// The raw bitstream, without the header of its file.
    pub data: &'a [u8],
}

/// What [`Port::ensure`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The port had the function already.
    AlreadyThere,
    /// It was programmed.
    Reconfigured,
}

impl Port {
    /// Whether the bitstream fits the port, without doing anything: what a dry run says.
    pub fn check(&self, bitstream: &Bitstream<'_>) -> Result<(), Error> {
        self.fits(&self.fme()?, bitstream).map(drop)
    }

    /// Programs the bitstream behind this port, whatever is there, and looks that it is there then.
    ///
    /// It waits for others who are programming the same card, at most as long as said. Nobody can open the port meanwhile,
    /// and it is an error if somebody has it open.
    pub fn reconfigure(&self, bitstream: &Bitstream<'_>, wait: Duration) -> Result<(), Error> {
        let fme = self.fme()?;
        // Before the wait, which would be for nothing.
        self.fits(&fme, bitstream)?;
        let lock = fme.lock(wait)?;
        self.program(&fme, &lock, bitstream)
    }

    /// As [`reconfigure`](Self::reconfigure), but leaves a port alone that has the function already, also one that got it
    /// while this was waiting.
    pub fn ensure(&self, bitstream: &Bitstream<'_>, wait: Duration) -> Result<Outcome, Error> {
        let fme = self.fme()?;
        self.fits(&fme, bitstream)?;
        let lock = fme.lock(wait)?;
        // A disabled port has none.
        if self.afu_id().is_ok_and(|afu| afu == bitstream.afu) {
            return Ok(Outcome::AlreadyThere);
        }
        self.program(&fme, &lock, bitstream).map(|()| Outcome::Reconfigured)
    }

    /// The number of the port, if the bitstream fits.
    fn fits(&self, fme: &Fme, bitstream: &Bitstream<'_>) -> Result<u32, Error> {
        let bytes = bitstream.data.len();
        if bytes == 0 || bytes > MOST_BYTES {
            return Err(Error::Length { bytes, most: MOST_BYTES });
        }
        let number = self.number()?;
        let card = fme.interface_of(number)?;
        if card != bitstream.interface {
            let (fme, bitstream) = (fme.name().to_owned(), bitstream.interface);
            return Err(Error::Interface { fme, card, bitstream });
        }
        Ok(number)
    }

    fn program(&self, fme: &Fme, lock: &crate::Lock, bitstream: &Bitstream<'_>) -> Result<(), Error> {
        // The card may have been replaced during the wait.
        let number = self.fits(fme, bitstream)?;
        let (device, driver) = (self.device(), self.driver());
        let name = || self.name().to_owned();
        let port = device.open(true)?;
        let (result, faults) = driver.program(lock.fme(), number, bitstream.data);
        match result {
            Ok(()) => {}
            Err(Errno::IO) => {
                let shown = driver.faults(&device.host, fme.folder());
                return Err(Error::Refused { name: name(), faults: shown.unwrap_or(faults) });
            }
            Err(Errno::BUSY) => return Err(Error::InUse { name: name(), node: fme.node() }),
            Err(error) => return Err(Error::request("program", self.name(), error)),
        }
        // The driver resets the port when it is closed, so the function begins anew.
        drop(port);
        let found = self.afu_id()?;
        if found.is_all_ones() {
            return Err(Error::NoAnswer { name: name() });
        }
        if found != bitstream.afu {
            return Err(Error::Function { name: name(), wanted: bitstream.afu, found });
        }
        Ok(())
    }
}
