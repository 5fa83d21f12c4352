//! Labels of a node, in the order in which they are written.

use crate::{MAX_VALUE, chunks};

/// No name of a label is longer, in bytes, without what stands before its `/`.
const MAX_NAME: usize = 63;
/// What stands before the `/` is a domain's name.
const MAX_NAMESPACE: usize = 253;
/// Of what cannot be a label, so many characters are shown.
const MAX_SHOWN: usize = 100;

/// What cannot be a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// See <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>.
    #[error(
        "{0:?} is no key of a label: DOMAIN/NAME, a name of up to 63 letters, digits and inner '-', '_', '.'"
    )]
    Key(String),
    /// See the same page.
    #[error("{value:?} is no value for the label {key}: up to 63 letters, digits and inner '-', '_', '.'")]
    Value {
        /// The label's key.
        key: String,
        /// What it was to be.
        value: String,
    },
    /// A node has one value for a key.
    #[error("there is a label {0} already")]
    Twice(String),
    /// It would be longer than a label.
    #[error("{0:?} cannot be cut into labels: a long stretch of it has no letter and no digit")]
    Uncut(String),
    /// Chunks must have room for at least one byte of the text.
    #[error("chunks of {max} bytes are too short")]
    NoRoom {
        /// The longest that was allowed.
        max: usize,
    },
}

impl LabelError {
    pub(crate) fn uncut(text: &str) -> Self {
        Self::Uncut(shown(text))
    }
}

/// Labels that are right by Kubernetes' rules, each key once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    lines: Vec<(String, String)>,
}

impl Labels {
    /// Adds a label behind the others.
    pub fn insert(&mut self, key: &str, value: &str) -> Result<(), LabelError> {
        if !is_key(key) {
            return Err(LabelError::Key(shown(key)));
        }
        if !value.is_empty() && !is_name(value, MAX_VALUE) {
            return Err(LabelError::Value { key: key.to_owned(), value: shown(value) });
        }
        if self.lines.iter().any(|(other, _)| other == key) {
            return Err(LabelError::Twice(key.to_owned()));
        }
        self.lines.push((key.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Adds a text of any length: what fits under `key`, the rest under `key` with 2, 3 and so on at its end, in
    /// [`chunks`]. After an error no label was added.
    pub fn insert_chunks(&mut self, key: &str, text: &str) -> Result<(), LabelError> {
        let before = self.lines.len();
        let chunks = chunks(text, MAX_VALUE)?;
        let added = (1..).zip(&chunks).try_for_each(|(number, chunk)| match number {
            1 => self.insert(key, chunk),
            number => self.insert(&format!("{key}{number}"), chunk),
        });
        if added.is_err() {
            self.lines.truncate(before);
        }
        added
    }

    /// Keys and values, as they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The lines of a file with them, each ended.
    pub fn text(&self) -> String {
        self.lines.iter().fold(String::new(), |text, (key, value)| text + key + "=" + value + "\n")
    }
}

fn is_key(key: &str) -> bool {
    let (namespace, name) = key.split_once('/').unwrap_or_default();
    namespace.len() <= MAX_NAMESPACE && namespace.split('.').all(is_part_of_domain) && is_name(name, MAX_NAME)
}

fn is_part_of_domain(part: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    part.bytes().all(inner) && ends_well(part)
}

fn is_name(text: &str, max: usize) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    text.len() <= max && text.bytes().all(inner) && ends_well(text)
}

/// Whether it is not empty, and begins and ends with a letter or digit.
fn ends_well(text: &str) -> bool {
    let is_alphanumeric = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    is_alphanumeric(text.as_bytes().first()) && is_alphanumeric(text.as_bytes().last())
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}
