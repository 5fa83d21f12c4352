//! Attributes that hold one value of a known form.

use std::path::Path;
use std::str::FromStr;

use crate::{Host, HostError};

/// A text that is not of the form it should have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct ParseError {
    text: String,
    expected: &'static str,
}

impl ParseError {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        /// Enough to recognise it in a log; it may be a whole file.
        const SHOWN: usize = 60;
        let text = match text.char_indices().nth(SHOWN) {
            None => text.to_owned(),
            Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        };
        Self { text, expected }
    }
}

impl Host {
    /// The value in a small file. The error names the path, what it holds, and what was `expected` there, with its
    /// article: "a number of functions".
    pub fn parse<T: FromStr>(&self, path: impl AsRef<Path>, expected: &'static str) -> Result<T, HostError> {
        let path = path.as_ref();
        let text = self.read(path)?;
        text.parse()
            .ok()
            .ok_or_else(|| HostError::invalid(path, ParseError::new(&text, expected).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use crate::PciId;
    use crate::tree::Tree;

    #[test]
    fn an_error_names_the_path_and_the_value() {
        let tree = Tree::new();
        tree.file("/count", "many\n").file("/long", "é".repeat(1000)).file("/id", "0x8086\n");
        let host = tree.host();
        assert_eq!(host.parse::<PciId>("/id", "an id").unwrap(), PciId(0x8086));
        let error = host.parse::<u16>("/count", "a number of functions").unwrap_err();
        assert_eq!(error.to_string(), "cannot understand /count");
        assert_eq!(error.source.to_string(), "\"many\" is not a number of functions");
        let error = host.parse::<u16>("/long", "a number of functions").unwrap_err();
        assert_eq!(
            error.source.to_string(),
            format!("\"{}...\" is not a number of functions", "é".repeat(60))
        );
        assert!(host.parse::<u16>("/none", "a number").unwrap_err().is_not_found());
    }
}
