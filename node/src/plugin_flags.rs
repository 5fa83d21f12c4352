//! The flag by which plugins are given flags: `'gpu: -shared-dev-num=2'`.

use std::collections::BTreeMap;

use cli::flags::Value;

use crate::families::{self, FAMILIES};

/// Flags of plugins by the family's name.
#[derive(Debug, Default)]
pub(crate) struct PluginFlags(BTreeMap<&'static str, Vec<String>>);

impl PluginFlags {
    /// The flags for a family's plugin.
    pub(crate) fn of(&self, family: &str) -> Vec<String> {
        self.0.get(family).cloned().unwrap_or_default()
    }

    /// Those that were given.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static str, &Vec<String>)> {
        self.0.iter().map(|(family, flags)| (*family, flags))
    }
}

/// Flags and, after them, words that do not count, as a program that `accepts` some of them takes a command line.
pub(crate) fn split_ignored(words: &[String], accepts: impl Fn(&[String]) -> bool) -> (&[String], &[String]) {
    for (number, word) in words.iter().enumerate() {
        let is_flag = word.starts_with('-') && word != "-" && word != "--";
        let (before, after) = words.split_at(number);
        // Else it is the value of the flag before it.
        if !is_flag && accepts(before) {
            return (before, if word == "--" { after.get(1..).unwrap_or_default() } else { after });
        }
    }
    (words, &[])
}

impl Value for PluginFlags {
    fn kind(&self) -> &'static str {
        "flags"
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        let (family, flags) = text.split_once(':').ok_or("expected 'family: flags'")?;
        let Some(family) = families::named(family) else {
            let names: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
            return Err(format!("there is no family {family:?}, only {}", names.join(", ")));
        };
        let flags = flags.split_whitespace().map(str::to_owned);
        self.0.entry(family.name).or_default().extend(flags);
        Ok(())
    }

    fn shown(&self) -> Option<String> {
        None
    }
}
