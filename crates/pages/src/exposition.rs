//! Metrics in Prometheus' text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).
//!
//! A line that is not right is left out and counted, and the others are read all the same.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// More labels on one sample are not right.
pub const MAX_LABELS: usize = 64;
/// More samples are left out.
pub const MAX_SAMPLES: usize = 100_000;

/// What a text says, by the names of families.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exposition<'a> {
    /// Those that have a type or a sample.
    pub families: BTreeMap<&'a str, Family<'a>>,
    /// How many lines are not right.
    pub skipped: usize,
}

/// What is measured under one name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Family<'a> {
    /// As its `# TYPE` line says.
    pub kind: Kind,
    /// In the order of the text.
    pub samples: Vec<Sample<'a>>,
}

/// The types that a family may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// May be anything.
    Gauge,
    /// Its samples have the names of other families here, with `_bucket`, `_sum` and `_count` at the end.
    Histogram,
    /// The same, but for the samples with `quantile`.
    Summary,
    /// Nothing was said.
    #[default]
    Untyped,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'a> {
    /// Names and values in the order of the text, each name once.
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
    /// May be infinite, or no number.
    pub value: f64,
}

/// Reads all lines of `text`; the last one needs no end.
pub fn parse(text: &[u8]) -> Exposition<'_> {
    let mut exposition = Exposition::default();
    let mut samples = 0;
    for line in text.split(|byte| *byte == b'\n') {
        let read = str::from_utf8(line).ok().and_then(|line| {
            let line = line.trim_matches(BLANKS);
            if let Some(comment) = line.strip_prefix('#') {
                return exposition.comment(comment);
            }
            if line.is_empty() {
                return Some(());
            }
            samples += 1;
            if samples > MAX_SAMPLES {
                return None;
            }
            let (name, sample) = sample(line)?;
            exposition.families.entry(name).or_default().samples.push(sample);
            Some(())
        });
        exposition.skipped += usize::from(read.is_none());
    }
    exposition
}

const BLANKS: [char; 2] = [' ', '\t'];

impl<'a> Exposition<'a> {
    /// Takes a family's type from a line that begins with `#`. A second one, or one behind samples, is not right.
    fn comment(&mut self, comment: &'a str) -> Option<()> {
        let mut words = comment.split(BLANKS).filter(|word| !word.is_empty());
        if words.next() != Some("TYPE") {
            return Some(());
        }
        let (name, kind) = (words.next()?, words.next()?);
        if words.next().is_some() || !is_name(name, true) || self.families.contains_key(name) {
            return None;
        }
        let kind = match kind {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "histogram" => Kind::Histogram,
            "summary" => Kind::Summary,
            "untyped" => Kind::Untyped,
            _ => return None,
        };
        self.families.insert(name, Family { kind, samples: Vec::new() });
        Some(())
    }
}

/// The sample of a line `NAME{LABELS} VALUE TIMESTAMP`, where only the name and the value must be; with the name of its family.
pub fn sample(line: &str) -> Option<(&str, Sample<'_>)> {
    let (name, rest) = line.split_at_checked(line.find(['{', ' ', '\t'])?)?;
    let (labels, rest) = match rest.trim_start_matches(BLANKS).strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let mut words = rest.split(BLANKS).filter(|word| !word.is_empty());
    let value = words.next()?.parse().ok()?;
    // In milliseconds since 1970; the values of now are what is asked for.
    let timestamp = words.next().map(str::parse::<i64>);
    let is_right = is_name(name, true) && !matches!(timestamp, Some(Err(_))) && words.next().is_none();
    is_right.then_some((name, Sample { labels, value }))
}

/// A sample's labels, and the rest of the line.
type Labels<'a> = (Vec<(&'a str, Cow<'a, str>)>, &'a str);

/// What is between `{` and `}`: `NAME="VALUE"` with commas between; one more at the end does not matter.
fn labels(mut rest: &str) -> Option<Labels<'_>> {
    let mut labels: Vec<(&str, Cow<'_, str>)> = Vec::new();
    loop {
        rest = rest.trim_start_matches(BLANKS);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_end_matches(BLANKS);
        let is_taken = name == "__name__" || labels.iter().any(|(other, _)| *other == name);
        if !is_name(name, false) || is_taken || labels.len() == MAX_LABELS {
            return None;
        }
        let (value, after) = quoted(after.trim_start_matches(BLANKS).strip_prefix('"')?)?;
        labels.push((name, value));
        let after = after.trim_start_matches(BLANKS);
        rest = match after.strip_prefix(',') {
            Some(next) => next,
            None if after.starts_with('}') => after,
            None => return None,
        };
    }
}

/// A text up to its closing quote, and what follows. `\"`, `\\` and `\n` stand for a quote, a backslash and a new line.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (plain, mut rest) = text.split_at_checked(text.find(['"', '\\'])?)?;
    let mut value = Cow::Borrowed(plain);
    loop {
        if let Some(after) = rest.strip_prefix('"') {
            return Some((value, after));
        }
        let mut escape = rest.strip_prefix('\\')?.chars();
        value.to_mut().push(match escape.next()? {
            'n' => '\n',
            same @ ('"' | '\\') => same,
            _ => return None,
        });
        let after = escape.as_str();
        let (plain, next) = after.split_at_checked(after.find(['"', '\\'])?)?;
        value.to_mut().push_str(plain);
        rest = next;
    }
}

/// Names of families may have colons.
fn is_name(name: &str, may_have_colons: bool) -> bool {
    let is_first = |b: u8| b.is_ascii_alphabetic() || b == b'_' || (may_have_colons && b == b':');
    name.bytes().next().is_some_and(is_first) && name.bytes().all(|b| is_first(b) || b.is_ascii_digit())
}
