//! What was programmed behind a port, where the port cannot tell: all `OpenCL` programs of a board report one and the same
//! function id. It is kept in a file until the node is started again. Programming by other means than this crate shows only
//! if it changes the function's id.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fpga_bitstream::{Id, Name};

use crate::{Error, Port};

/// A file for each port that holds `NAME ID`: what a bitstream is called in the store, and the id that the port reports.
const FOLDER: &str = "/run/intel-fpga";

impl Port {
    /// Whether the bitstream of this name in the store is behind the port.
    pub fn holds(&self, name: &Name) -> Result<bool, Error> {
        let afu = self.afu_id()?;
        if Name::from(afu) == *name {
            return Ok(true);
        }
        match self.device().host.read(self.record()) {
            Ok(text) => Ok(text == line(name, afu)),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// To be called before anything is changed.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        let path = self.record();
        match fs::remove_file(self.device().host.outside(&path)) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                Err(Error::Record { operation: "remove", path, source })
            }
            _ => Ok(()),
        }
    }

    /// Keeps what the port will not be able to tell.
    pub(crate) fn remember(&self, name: &Name, afu: Id) -> Result<(), Error> {
        if Name::from(afu) == *name {
            return Ok(());
        }
        let (host, path) = (&self.device().host, self.record());
        // One that was cut short is no record of anything, so it need not be made at once.
        fs::create_dir_all(host.outside(FOLDER))
            .and_then(|()| fs::write(host.outside(&path), line(name, afu)))
            .map_err(|source| Error::Record { operation: "write", path, source })
    }

    fn record(&self) -> PathBuf {
        Path::new(FOLDER).join(self.name())
    }
}

fn line(name: &Name, afu: Id) -> String {
    format!("{name} {afu}")
}
