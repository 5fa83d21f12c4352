//! What `tracing` hands the events to.

use std::fmt;
use std::mem;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::filter::Filter;
use super::line::{Content, Header, Style};
use super::output::Output;
use super::severity::Severity;
use super::{LogError, LogOptions};

/// A buffer that held a longer line is given back to the system.
const KEPT_BYTES: usize = 4096;

/// Writes events, ignores spans.
///
/// A subscriber of its own, and no layer of `tracing-subscriber`: without spans nothing is left to keep track
/// of, and the process stays small.
pub(super) struct Logger {
    filter: Filter,
    style: Style,
    clock: fn() -> SystemTime,
    process: u32,
    /// Memory for the next line.
    buffer: Mutex<String>,
    output: Mutex<Output>,
}

impl Logger {
    pub(super) fn open(options: &LogOptions) -> Result<Self, LogError> {
        Ok(Self::new(options, SystemTime::now, std::process::id(), Output::open(&options.destination)?))
    }

    pub(super) fn new(options: &LogOptions, clock: fn() -> SystemTime, process: u32, output: Output) -> Self {
        Self {
            filter: options.filter.clone(),
            style: options.style.clone(),
            clock,
            process,
            buffer: Mutex::default(),
            output: Mutex::new(output),
        }
    }

    pub(super) fn fatal(&self, source: &Location<'_>, message: &dyn fmt::Display) {
        let place = (Some(source.file()), Some(source.line()));
        self.write(Severity::Fatal, "fatal", place, &Content::Message(message));
    }

    fn write(
        &self,
        severity: Severity,
        level: &'static str,
        (file, line): (Option<&str>, Option<u32>),
        content: &Content<'_>,
    ) {
        let header = Header {
            severity,
            level,
            time: (self.clock)(),
            process: self.process,
            file: file.unwrap_or("???"),
            line: line.unwrap_or_default(),
        };
        // No lock is held while the event is formatted, because showing a value may log something in turn.
        let mut buffer = mem::take(&mut *lock(&self.buffer));
        buffer.clear();
        // Writing to a string cannot fail.
        let _ = self.style.write(&mut buffer, &header, content);
        lock(&self.output).write(severity, &buffer);
        if buffer.capacity() <= KEPT_BYTES {
            *lock(&self.buffer) = buffer;
        }
    }
}

/// A panic elsewhere must not silence the log, and neither value can be left half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Subscriber for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.shows(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.lowest())
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let place = (metadata.file(), metadata.line());
        self.write(Severity::from(metadata.level()), level, place, &Content::Event(event));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Writes a fatal line to the log of the process, or to standard error while there is none.
pub(crate) fn fatal(source: &Location<'_>, message: &dyn fmt::Display) {
    tracing::dispatcher::get_default(|dispatch| match dispatch.downcast_ref::<Logger>() {
        Some(logger) => logger.fatal(source, message),
        None => Logger::new(&LogOptions::default(), SystemTime::now, std::process::id(), Output::stderr())
            .fatal(source, message),
    });
}
