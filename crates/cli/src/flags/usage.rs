//! The usage text.

use std::fmt::Write as _;

use super::{Flag, FlagSet};

/// Columns of the text. Terminals are at least this wide and log viewers rarely wrap it.
const WIDTH: usize = 100;
const INDENT: &str = "        ";

impl FlagSet<'_> {
    /// What the program is and which flags it takes, by section in the order the sections were begun and by
    /// name inside a section. Ends with a newline.
    pub fn usage(&self) -> String {
        let command = if self.commands.is_empty() { "" } else { " COMMAND" };
        let mut text = format!("Usage: {} [flags]{command}\n", self.program);
        if !self.about.is_empty() {
            text.push('\n');
            wrap(&mut text, "", self.about);
        }
        if !self.commands.is_empty() {
            text.push_str("\nCommands:\n");
            for (name, about) in self.commands {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "  {name}");
                wrap(&mut text, INDENT, about);
            }
        }
        let mut sections: Vec<&str> = Vec::new();
        for flag in &self.flags {
            if !sections.contains(&flag.section) {
                sections.push(flag.section);
            }
        }
        for section in sections {
            let mut flags: Vec<&Flag<'_>> =
                self.flags.iter().filter(|flag| flag.section == section).collect();
            flags.sort_unstable_by_key(|flag| flag.name);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n{section}:");
            for flag in flags {
                flag.describe(&mut text);
            }
        }
        text
    }
}

impl Flag<'_> {
    fn describe(&self, text: &mut String) {
        text.push_str("  -");
        text.push_str(self.name);
        if !self.value.kind().is_empty() {
            text.push(' ');
            text.push_str(self.value.kind());
        }
        text.push('\n');
        match &self.default {
            Some(default) => wrap(text, INDENT, &format!("{} (default {default})", self.help)),
            None => wrap(text, INDENT, self.help),
        }
    }
}

/// Appends the words in lines of [`WIDTH`] columns, each after `indent`.
fn wrap(text: &mut String, indent: &str, words: &str) {
    let mut column = 0;
    for word in words.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            text.push('\n');
            column = 0;
        }
        if column == 0 {
            text.push_str(indent);
            column = indent.len();
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}
