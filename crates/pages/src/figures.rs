//! Figures in Prometheus' text format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

/// Upper bounds of a histogram's buckets, in seconds.
const BOUNDS: [f64; 13] = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

/// Samples grouped by metric, as the format wants them; metrics are sorted by name.
#[derive(Debug, Default)]
pub struct Figures {
    metrics: BTreeMap<&'static str, Metric>,
}

#[derive(Debug)]
struct Metric {
    kind: &'static str,
    help: &'static str,
    samples: String,
}

/// A label and its value, which may be any text.
pub type Label<'a> = (&'static str, &'a str);

impl Figures {
    /// What only ever grows while the process runs.
    pub fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[Label<'_>],
        value: impl fmt::Display,
    ) {
        self.metric(name, "counter", help).sample(name, "", labels, value);
    }

    /// What goes up and down.
    pub fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[Label<'_>],
        value: impl fmt::Display,
    ) {
        self.metric(name, "gauge", help).sample(name, "", labels, value);
    }

    /// How long something took, in seconds.
    pub fn histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[Label<'_>],
        durations: &Histogram,
    ) {
        let metric = self.metric(name, "histogram", help);
        let bounds = BOUNDS.iter().map(f64::to_string).zip(durations.within);
        for (bound, count) in bounds.chain([("+Inf".to_owned(), durations.count)]) {
            metric.sample(name, "_bucket", &[labels, &[("le", &bound)]].concat(), count);
        }
        metric.sample(name, "_sum", labels, durations.sum);
        metric.sample(name, "_count", labels, durations.count);
    }

    /// The page.
    pub fn finish(self) -> String {
        let mut page = String::new();
        for (name, Metric { kind, help, samples }) in self.metrics {
            page.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}"));
        }
        page
    }

    /// A metric is on the page from here on, be it without samples.
    fn metric(&mut self, name: &'static str, kind: &'static str, help: &'static str) -> &mut Metric {
        self.metrics.entry(name).or_insert(Metric { kind, help, samples: String::new() })
    }
}

impl Metric {
    fn sample(&mut self, name: &str, suffix: &str, labels: &[Label<'_>], value: impl fmt::Display) {
        let out = &mut self.samples;
        out.push_str(name);
        out.push_str(suffix);
        for (index, (label, text)) in labels.iter().enumerate() {
            out.push(if index == 0 { '{' } else { ',' });
            out.push_str(label);
            out.push_str("=\"");
            escape(out, text);
            out.push('"');
        }
        if !labels.is_empty() {
            out.push('}');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(out, " {value}");
    }
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// Durations, counted by how long they are: from a tenth of a millisecond to a second.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    within: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    /// Counts one.
    pub fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.count += 1;
        self.sum += seconds;
        for (within, bound) in self.within.iter_mut().zip(BOUNDS) {
            *within += u64::from(seconds <= bound);
        }
    }
}
