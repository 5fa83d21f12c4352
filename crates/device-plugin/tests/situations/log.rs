//! What the framework says, for tests to look at and to wait for.

use std::fmt::{Debug, Write as _};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

thread_local! {
    /// A test has a thread of its own, on which all its tasks run.
    static LINES: watch::Sender<Vec<String>> = watch::Sender::default();
}

/// The log of this thread from now on: lines such as `WARN what was said`, no debugging.
pub(super) struct Log(watch::Receiver<Vec<String>>);

impl Log {
    pub(super) fn start() -> Self {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        INSTALLED.get_or_init(|| tracing::subscriber::set_global_default(ToThread).unwrap());
        LINES.with(|lines| {
            lines.send_replace(Vec::new());
            Self(lines.subscribe())
        })
    }

    /// The lines that hold `part`.
    pub(super) fn lines(&self, part: &str) -> Vec<String> {
        self.0.borrow().iter().filter(|line| line.contains(part)).cloned().collect()
    }

    /// How many lines hold `part`.
    pub(super) fn count(&self, part: &str) -> usize {
        self.lines(part).len()
    }

    /// Waits until a line holds `part`.
    pub(super) async fn says(&self, part: &str) {
        let mut lines = self.0.clone();
        let said = lines.wait_for(|lines| lines.iter().any(|line| line.contains(part)));
        let said = tokio::time::timeout(Duration::from_mins(10), said).await.is_ok();
        assert!(said, "nothing said {part:?}:\n{}", self.lines("").join("\n"));
    }
}

struct ToThread;

impl Subscriber for ToThread {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= Level::INFO
            && metadata.target().starts_with("device_plugin")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        // A thread that is ending has no log any more.
        let _ = LINES.try_with(|lines| lines.send_modify(|lines| lines.push(line.0)));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.0, " {value:?}").unwrap();
        }
    }
}
