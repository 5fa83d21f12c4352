//! What is said of a device or a file: lines for people and scripts, or the same as JSON.

use std::io::{self, Write};

use serde_json::{Map, Value};

/// Facts in their order, under a heading.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    heading: &'static str,
    /// Where the colons are.
    width: usize,
    lines: Vec<(&'static str, String)>,
    document: Map<String, Value>,
}

impl Facts {
    pub(crate) fn new(heading: &'static str, width: usize) -> Self {
        Self { heading, width, ..Self::default() }
    }

    /// Adds a fact: its label in lines, its key in JSON.
    pub(crate) fn add(&mut self, label: &'static str, key: &str, value: impl Into<Value>) {
        let value = value.into();
        let line = match &value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        self.add_as(label, line, key, value);
    }

    /// Adds one that is written otherwise in lines.
    pub(crate) fn add_as(&mut self, label: &'static str, line: String, key: &str, value: impl Into<Value>) {
        self.lines.push((label, line));
        match (self.document.get_mut(key), value.into()) {
            // One of many.
            (Some(Value::Array(all)), Value::Array(more)) => all.extend(more),
            (_, value) => _ = self.document.insert(key.to_owned(), value),
        }
    }

    pub(crate) fn print(&self, json: bool, out: &mut impl Write) -> io::Result<()> {
        if json {
            return print_json(&self.document.clone().into(), out);
        }
        if !self.heading.is_empty() {
            writeln!(out, "{}", self.heading)?;
        }
        for (label, value) in &self.lines {
            writeln!(out, "{label:width$}: {value}", width = self.width)?;
        }
        Ok(())
    }
}

/// One document a line, for readers of many.
pub(crate) fn print_json(document: &Value, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{document}")
}
