//! Faults that are wanted.
//!
//! - `REQUEST=ERROR`: that request fails: `pr=EBUSY`, `release=EBUSY`, `version=EINVAL`. The names of requests are those in
//!   the log.
//! - `status=BITS`: programming fails with `EIO`, and these bits (decimal, or hexadecimal with `0x`) are in the error
//!   register.
//! - `afu=ID`: the port has that function after it was programmed, whatever the bitstream says.
//! - `hold=FIFO`: programming goes on when somebody has opened that named pipe for writing and closed it again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::request::NAMES;

/// What shall go wrong, in every request of that kind.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) errors: BTreeMap<String, Errno>,
    pub(crate) status: Option<u64>,
    pub(crate) afu: Option<String>,
    pub(crate) hold: Option<PathBuf>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: &str) -> Result<(), String> {
        let bad = || format!("-fault {fault}: not REQUEST=ERROR, status=BITS, afu=ID or hold=FIFO");
        let (name, value) = fault.split_once('=').ok_or_else(bad)?;
        match name {
            "status" => {
                let bits = match value.strip_prefix("0x") {
                    Some(digits) => u64::from_str_radix(digits, 16),
                    None => value.parse(),
                };
                self.status = Some(bits.ok().ok_or_else(bad)?);
            }
            "afu" => self.afu = Some(value.to_owned()),
            "hold" => self.hold = Some(value.into()),
            name if NAMES.contains(&name) => {
                // Linux has no higher ones.
                let error = (1..134).map(Errno::from_raw).find(|error| format!("{error:?}") == value);
                self.errors.insert(name.to_owned(), error.ok_or_else(bad)?);
            }
            _ => return Err(bad()),
        }
        Ok(())
    }
}
