//! The log: a line of JSON for each request, and for each attempt to open a node.
//!
//! `{"node": "dfl-fme.0", "request": "pr", "argument": {...}, "result": 0}`. `result` is what the program gets, or the name of
//! the error: `"EBUSY"`. `argument` holds the fields of the struct by the names of the C header; of a bitstream also
//! `buffer_crc32`, in hexadecimal. To `"open"` belongs `"exclusive"`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use nix::errno::Errno;
use serde_json::{Value, json};

pub(crate) struct Log(File);

impl Log {
    pub(crate) fn append(path: &Path) -> Result<Self, String> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.map(Self).map_err(|error| format!("cannot open the log {}: {error}", path.display()))
    }

    pub(crate) fn write(
        &mut self,
        node: &str,
        request: &str,
        argument: &Value,
        result: Result<i64, Errno>,
    ) -> Result<(), String> {
        let result = match result {
            Ok(value) => json!(value),
            Err(error) => json!(format!("{error:?}")),
        };
        let line = json!({"node": node, "request": request, "argument": argument, "result": result});
        // In one piece, as several emulators may share a log.
        self.0
            .write_all(format!("{line}\n").as_bytes())
            .map_err(|error| format!("cannot write to the log: {error}"))
    }
}
