//! klog's severities.

/// How bad it is, from least to worst, as klog numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Info,
    Warning,
    Error,
    Fatal,
}

impl Severity {
    pub(super) const ALL: [Severity; 4] =
        [Severity::Info, Severity::Warning, Severity::Error, Severity::Fatal];

    pub(super) fn name(self) -> &'static str {
        match self {
            Severity::Info => "INFO",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        }
    }

    /// A name in any case, or a number; klog takes any, so what is beyond the ends counts as the end.
    pub(super) fn from_word(word: &str) -> Option<Severity> {
        if let Some(severity) = Self::ALL.into_iter().find(|each| each.name().eq_ignore_ascii_case(word)) {
            return Some(severity);
        }
        Some(match word.parse::<i32>().ok()? {
            ..=0 => Severity::Info,
            1 => Severity::Warning,
            2 => Severity::Error,
            3.. => Severity::Fatal,
        })
    }
}

impl From<&tracing::Level> for Severity {
    fn from(level: &tracing::Level) -> Self {
        match *level {
            tracing::Level::ERROR => Severity::Error,
            tracing::Level::WARN => Severity::Warning,
            _ => Severity::Info,
        }
    }
}
