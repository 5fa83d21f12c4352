//! The logging flags.

use confine::{Access, Rules};

use super::filter::{Filter, Verbosity, VerbosityByFile};
use super::line::{Format, Style};
use super::output::Destination;
use super::severity::Severity;
use crate::flags::{FlagSet, Value};

/// What to log, how and where. The default is klog's: text on standard error, no debug messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    pub(super) filter: Filter,
    pub(super) style: Style,
    pub(super) destination: Destination,
    ignored: Ignored,
}

/// Flags that change nothing here; they are accepted because existing manifests may set them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ignored {
    /// klog prints the stack of the goroutine.
    backtrace_at: BacktraceAt,
    /// klog opens each log file with a few lines on the format; such lines are not written here.
    skip_log_headers: bool,
}

impl LogOptions {
    /// Adds klog's flags and `-logging-format`, under a heading of their own.
    pub fn add_flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        let previous = flags.section("Logging flags");
        self.filter.add_flags(flags);
        self.style.add_flags(flags);
        self.destination.add_flags(flags);
        self.ignored.add_flags(flags);
        flags.section(previous);
    }
}

impl LogOptions {
    /// What the log needs once it was started: with files for each severity, those of the others are made with their first lines.
    pub(crate) fn add_rules(&self, rules: &mut Rules) {
        let Destination { to_stderr, file, directory, .. } = &self.destination;
        if !to_stderr && file.is_empty() {
            rules.allow(directory, Access::Keep).allow(std::env::temp_dir(), Access::Keep);
            rules.allow("/proc/sys/kernel/hostname", Access::Read);
        }
    }
}

impl Filter {
    fn add_flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.value(
            "v",
            &mut self.verbosity,
            "verbosity: 2 adds debug messages, 4 also traces, 6 also those of libraries",
        );
        flags.value(
            "vmodule",
            &mut self.by_file,
            "higher verbosity for some source files, as in watch=4,pci*=2; names are without .rs",
        );
    }
}

impl Style {
    fn add_flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.value(
            "logging-format",
            &mut self.format,
            "text for klog's lines, json for one JSON object per line",
        );
        flags.bool(
            "skip_headers",
            &mut self.skip_headers,
            "leave time, severity and source out of text lines",
        );
        flags.bool(
            "add_dir_header",
            &mut self.add_dir_header,
            "name the source file's folder, too, in the header of a line",
        );
    }
}

impl Destination {
    fn add_flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.bool("logtostderr", &mut self.to_stderr, "log to standard error and to no file");
        flags.bool(
            "alsologtostderr",
            &mut self.also_to_stderr,
            "with -logtostderr=false, log to standard error besides the files",
        );
        flags.value(
            "alsologtostderrthreshold",
            &mut self.also_to_stderr_threshold,
            "lowest severity that -alsologtostderr sends to standard error: \
             INFO, WARNING, ERROR, FATAL or 0 to 3",
        );
        flags.value(
            "stderrthreshold",
            &mut self.stderr_threshold,
            "with -logtostderr=false and without -alsologtostderr, lowest severity that goes to standard error \
             besides the files",
        );
        flags.bool(
            "legacy_stderr_threshold_behavior",
            &mut self.legacy_threshold,
            "ignore -stderrthreshold while -logtostderr is on; false to honour it",
        );
        flags.string("log_file", &mut self.file, "with -logtostderr=false, the one file to log to");
        flags.uint(
            "log_file_max_size",
            &mut self.file_max_mib,
            "size in MiB at which -log_file is emptied and begun anew; 0 for no limit",
        );
        flags.string(
            "log_dir",
            &mut self.directory,
            "with -logtostderr=false and no -log_file, the folder for one file per severity; \
             without it that is the folder for temporary files",
        );
        flags.bool(
            "one_output",
            &mut self.one_output,
            "with files per severity, write a line to its own severity's file only, not also to the lower ones",
        );
    }
}

impl Ignored {
    fn add_flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.value("log_backtrace_at", &mut self.backtrace_at, "accepted for compatibility, without effect");
        flags.bool(
            "skip_log_headers",
            &mut self.skip_log_headers,
            "accepted for compatibility, without effect: log files have no header",
        );
    }
}

impl Value for Severity {
    fn kind(&self) -> &'static str {
        "severity"
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        *self = Severity::from_word(word).ok_or("expected INFO, WARNING, ERROR, FATAL or a number")?;
        Ok(())
    }

    fn shown(&self) -> Option<String> {
        Some(self.name().to_owned())
    }
}

impl Value for Verbosity {
    fn kind(&self) -> &'static str {
        "level"
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        self.0 = word.parse().ok().ok_or("expected a decimal number")?;
        Ok(())
    }

    fn shown(&self) -> Option<String> {
        (self.0 != 0).then(|| self.0.to_string())
    }
}

impl Value for VerbosityByFile {
    fn kind(&self) -> &'static str {
        "file=level,..."
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        *self = VerbosityByFile::from_word(word)?;
        Ok(())
    }

    fn shown(&self) -> Option<String> {
        None
    }
}

impl Value for Format {
    fn kind(&self) -> &'static str {
        "format"
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        *self = match word {
            "text" => Format::Text,
            "json" => Format::Json,
            _ => return Err("expected text or json".to_owned()),
        };
        Ok(())
    }

    fn shown(&self) -> Option<String> {
        Some(match self {
            Format::Text => "text".to_owned(),
            Format::Json => "json".to_owned(),
        })
    }
}

/// The value of `-log_backtrace_at`, checked and forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct BacktraceAt;

impl Value for BacktraceAt {
    fn kind(&self) -> &'static str {
        "file:line"
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        let line = word.rsplit_once(':').and_then(|(_, line)| line.parse::<u32>().ok());
        if word.is_empty() || line.is_some_and(|line| line > 0) {
            return Ok(());
        }
        Err("expected a source file and a line, as in file:234".to_owned())
    }

    fn shown(&self) -> Option<String> {
        None
    }
}
