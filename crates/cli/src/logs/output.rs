//! Where lines go: standard error, files, or both.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::LogError;
use super::severity::Severity;
use crate::time::Utc;

/// klog's limit for files that no flag limits, in MiB.
const DEFAULT_MAX_MIB: u64 = 1800;

/// klog's flags on where to log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of klog's")]
pub(super) struct Destination {
    pub(super) to_stderr: bool,
    pub(super) also_to_stderr: bool,
    pub(super) also_to_stderr_threshold: Severity,
    pub(super) stderr_threshold: Severity,
    pub(super) legacy_threshold: bool,
    pub(super) file: String,
    pub(super) file_max_mib: u64,
    pub(super) directory: String,
    pub(super) one_output: bool,
}

impl Default for Destination {
    fn default() -> Self {
        Self {
            to_stderr: true,
            also_to_stderr: false,
            also_to_stderr_threshold: Severity::Info,
            stderr_threshold: Severity::Error,
            legacy_threshold: true,
            file: String::new(),
            file_max_mib: DEFAULT_MAX_MIB,
            directory: String::new(),
            one_output: false,
        }
    }
}

impl Destination {
    fn shows(&self, severity: Severity) -> bool {
        if self.to_stderr {
            self.legacy_threshold || severity >= self.stderr_threshold
        } else if self.also_to_stderr {
            severity >= self.also_to_stderr_threshold
        } else {
            severity >= self.stderr_threshold
        }
    }

    fn open(&self, severity: Severity) -> Result<LogFile, LogError> {
        if !self.file.is_empty() {
            return LogFile::open(PathBuf::from(&self.file), self.file_max_mib);
        }
        let name = file_name(severity);
        if !self.directory.is_empty()
            && let Ok(file) = create_in(Path::new(&self.directory), &name, severity)
        {
            return Ok(file);
        }
        // klog, too, falls back to this folder when the given one is missing or read-only.
        create_in(&env::temp_dir(), &name, severity)
    }
}

/// The open ends of a [`Destination`].
pub(super) struct Output {
    destination: Destination,
    stderr: Box<dyn Write + Send>,
    /// With `-log_file` just that, as the lowest severity's; else one for each severity that came up.
    files: BTreeMap<Severity, LogFile>,
}

impl Output {
    /// Opens the file that takes every line, so that a bad path is found at start.
    pub(super) fn open(destination: &Destination) -> Result<Self, LogError> {
        let mut output = Self::to(destination, Box::new(io::stderr()));
        if !destination.to_stderr {
            output.file(Severity::Info)?;
        }
        Ok(output)
    }

    /// Standard error alone, which needs no opening.
    pub(super) fn stderr() -> Self {
        Self::to(&Destination::default(), Box::new(io::stderr()))
    }

    /// With another end in the place of standard error.
    pub(super) fn to(destination: &Destination, stderr: Box<dyn Write + Send>) -> Self {
        Self { destination: destination.clone(), stderr, files: BTreeMap::new() }
    }

    /// Writes one line, in one system call for each place it goes to. A line that a file does not take, because
    /// the disk is full, say, goes to standard error.
    pub(super) fn write(&mut self, severity: Severity, line: &str) {
        let in_files = self.destination.to_stderr || self.write_to_files(severity, line);
        if !in_files || self.destination.shows(severity) {
            // Nobody is left to tell when standard error is closed.
            let _ = self.stderr.write_all(line.as_bytes());
        }
    }

    /// Whether all of the line's files have taken it.
    fn write_to_files(&mut self, severity: Severity, line: &str) -> bool {
        let files = if !self.destination.file.is_empty() {
            Severity::Info..=Severity::Info
        } else if self.destination.one_output {
            severity..=severity
        } else {
            Severity::Info..=severity
        };
        let mut all = true;
        for file in Severity::ALL.into_iter().filter(|each| files.contains(each)) {
            all &= self.file(file).is_ok_and(|file| file.write(line).is_ok());
        }
        all
    }

    fn file(&mut self, severity: Severity) -> Result<&mut LogFile, LogError> {
        match self.files.entry(severity) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(self.destination.open(severity)?)),
        }
    }
}

/// Opens a severity's file and points the link of that severity to it.
fn create_in(folder: &Path, name: &str, severity: Severity) -> Result<LogFile, LogError> {
    let file = LogFile::open(folder.join(name), DEFAULT_MAX_MIB)?;
    let link = folder.join(format!("{}.{}", program(), severity.name()));
    // The link is a convenience; klog goes on without it, too.
    let _ = fs::remove_file(&link);
    let _ = symlink(name, &link);
    Ok(file)
}

/// klog's name for the file: program, machine, user, severity, time, process.
fn file_name(severity: Severity) -> String {
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let machine = machine.trim().split('.').next().filter(|name| !name.is_empty()).unwrap_or("unknownhost");
    let user = env::var("USER").unwrap_or_default();
    let user = if user.is_empty() || user.contains('/') { "unknownuser" } else { &user };
    let Utc { year, month, day, hour, minute, second, .. } = Utc::from(SystemTime::now());
    format!(
        "{}.{machine}.{user}.log.{}.{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}.{}",
        program(),
        severity.name(),
        std::process::id()
    )
}

fn program() -> String {
    let path = env::args_os().next().unwrap_or_default();
    Path::new(&path)
        .file_name()
        .map_or_else(|| "unknown".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// A file that is emptied when it is full, as klog does with `-log_file`.
struct LogFile {
    file: File,
    size: u64,
    limit: u64,
}

impl LogFile {
    /// Goes on after what is in the file. The limit is in MiB, 0 for none.
    fn open(path: PathBuf, max_mib: u64) -> Result<Self, LogError> {
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        let sized = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        match sized {
            Ok((size, file)) => {
                let limit = if max_mib == 0 { u64::MAX } else { max_mib.saturating_mul(1024 * 1024) };
                Ok(Self { file, size, limit })
            }
            Err(source) => Err(LogError::Open { path, source }),
        }
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let length = line.len() as u64;
        if self.size.saturating_add(length) > self.limit {
            self.file.set_len(0)?;
            self.size = 0;
        }
        self.file.write_all(line.as_bytes())?;
        self.size += length;
        Ok(())
    }
}
