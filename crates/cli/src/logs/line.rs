//! One event as one line.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::time::SystemTime;

use device_plugin::error_chain;
use tracing::Event;
use tracing::field::{Field, Visit};

use super::severity::Severity;
use crate::escape::Escape;
use crate::time::Utc;

/// How lines look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) format: Format,
    pub(super) skip_headers: bool,
    pub(super) add_dir_header: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Text,
    Json,
}

/// Where, when and how bad.
pub(super) struct Header<'a> {
    pub(super) severity: Severity,
    /// The word that JSON has for the severity; it knows more of them.
    pub(super) level: &'static str,
    pub(super) time: SystemTime,
    pub(super) process: u32,
    pub(super) file: &'a str,
    pub(super) line: u32,
}

/// What the line says.
pub(super) enum Content<'a> {
    Event(&'a Event<'a>),
    Message(&'a dyn fmt::Display),
}

impl Style {
    /// Appends the line, with a line break at its end and none before. Fails never: a value that refuses to be
    /// shown is cut short.
    pub(super) fn write(&self, out: &mut String, header: &Header<'_>, content: &Content<'_>) -> fmt::Result {
        let source = if self.add_dir_header { with_folder(header.file) } else { file_name(header.file) };
        let Utc { year, month, day, hour, minute, second, microsecond } = Utc::from(header.time);
        match self.format {
            Format::Text => {
                if !self.skip_headers {
                    let letter = header.severity.name().get(..1).unwrap_or_default();
                    write!(
                        out,
                        "{letter}{month:02}{day:02} {hour:02}:{minute:02}:{second:02}.{microsecond:06} \
                         {:>7} {source}:{}] ",
                        header.process, header.line
                    )?;
                }
                self.write_message(out, content);
            }
            Format::Json => {
                write!(
                    out,
                    "{{\"ts\":\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.\
                     {microsecond:06}Z\",\"level\":\"{}\",\"caller\":\"",
                    header.level
                )?;
                write!(Escape::inside_quotes(out), "{source}:{}", header.line)?;
                out.push_str("\",\"msg\":\"");
                self.write_message(out, content);
                out.push('"');
            }
        }
        if let Content::Event(event) = content {
            event.record(&mut Fields { out, format: self.format });
        }
        if self.format == Format::Json {
            out.push('}');
        }
        out.push('\n');
        Ok(())
    }

    fn write_message(&self, out: &mut String, content: &Content<'_>) {
        let mut out = match self.format {
            Format::Text => Escape::bare(out),
            Format::Json => Escape::inside_quotes(out),
        };
        match content {
            Content::Event(event) => event.record(&mut Message { out }),
            Content::Message(message) => {
                let _ = write!(out, "{message}");
            }
        }
    }
}

/// Writes the message of an event; it is the field of that name.
struct Message<'a> {
    out: Escape<'a>,
}

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.out, "{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// Writes the fields of an event but for its message.
struct Fields<'a> {
    out: &'a mut String,
    format: Format,
}

impl Fields<'_> {
    fn bare(&mut self, field: &Field, value: impl fmt::Display) {
        if self.name(field) {
            let _ = write!(self.out, "{value}");
        }
    }

    fn quoted(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.name(field) {
            self.out.push('"');
            let _ = Escape::inside_quotes(self.out).write_fmt(value);
            self.out.push('"');
        }
    }

    /// Whether there is a value to write after the name.
    fn name(&mut self, field: &Field) -> bool {
        let name = field.name();
        if name == "message" {
            return false;
        }
        let _ = match self.format {
            Format::Text => write!(self.out, " {name}="),
            // A name stands once in an object.
            Format::Json if matches!(name, "ts" | "level" | "caller" | "msg") => {
                write!(self.out, ",\"field.{name}\":")
            }
            Format::Json => write!(self.out, ",\"{name}\":"),
        };
        true
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.quoted(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.quoted(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.quoted(field, format_args!("{}", error_chain(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for the others.
        if value.is_finite() {
            self.bare(field, value);
        } else {
            self.quoted(field, format_args!("{value}"));
        }
    }
}

/// The part of a path after its last slash.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The last two parts of a path.
fn with_folder(path: &str) -> &str {
    let folder_end = path.len() - file_name(path).len();
    let folder = path.get(..folder_end.saturating_sub(1)).unwrap_or_default();
    path.get(folder.len() - file_name(folder).len()..).unwrap_or(path)
}
