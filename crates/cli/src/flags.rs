//! Command lines in the syntax of Go's [`flag`](https://pkg.go.dev/flag) package.
//!
//! Manifests, Helm charts and the operator of existing clusters pass flags in this syntax, so it is kept to
//! the letter: `-name value`, `-name=value` and the same with two dashes; a switch takes its value only after
//! `=`; parsing ends at `--` or at the first word that is no flag; the last of several settings wins.

mod duration;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;
mod usage;
mod value;

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use crate::escape::quoted;
pub use value::Value;

/// The flags that a program understands, each bound to the variable it sets.
///
/// A variable's value at the time its flag is added is the default.
///
/// ```
/// let mut shares = 1;
/// let mut flags = cli::FlagSet::new("plugin", "Shares devices among containers.");
/// flags.int("shared-dev-num", &mut shares, "how many containers may share one device");
/// let rest = flags.parse(["-shared-dev-num=3", "word"])?;
/// assert_eq!(shares, 3);
/// assert_eq!(rest, ["word"]);
/// # Ok::<(), cli::Stop>(())
/// ```
pub struct FlagSet<'a> {
    program: &'a str,
    about: &'a str,
    section: &'a str,
    /// Names and what they do.
    commands: &'a [(&'a str, &'a str)],
    flags: Vec<Flag<'a>>,
}

struct Flag<'a> {
    name: &'a str,
    help: &'a str,
    section: &'a str,
    default: Option<String>,
    value: &'a mut dyn Value,
}

impl<'a> FlagSet<'a> {
    /// No flags yet but `-h` and `-help`. `about` is one sentence for the top of the usage text.
    pub fn new(program: &'a str, about: &'a str) -> Self {
        Self { program, about, section: "Flags", commands: &[], flags: Vec::new() }
    }

    /// Puts the flags added from now on under this heading of the usage text and returns the heading that was
    /// in force, to go back to.
    pub fn section(&mut self, title: &'a str) -> &'a str {
        std::mem::replace(&mut self.section, title)
    }

    /// Says in the usage text that one of these commands follows, each with what it does. Reading it from the words that
    /// [`FlagSet::parse`] returns is up to the caller.
    pub fn commands(&mut self, commands: &'a [(&'a str, &'a str)]) {
        self.commands = commands;
    }

    /// Adds a switch: `-name`, `-name=true`, `-name=false` and Go's short forms of the two.
    pub fn bool(&mut self, name: &'a str, target: &'a mut bool, help: &'a str) {
        self.value(name, target, help);
    }

    /// Adds an integer: decimal, `0x`, `0o`, `0b` or a leading `0` for octal, `_` between digits.
    pub fn int(&mut self, name: &'a str, target: &'a mut i64, help: &'a str) {
        self.value(name, target, help);
    }

    /// Adds an integer that is not negative and carries no sign, written as for [`FlagSet::int`].
    pub fn uint(&mut self, name: &'a str, target: &'a mut u64, help: &'a str) {
        self.value(name, target, help);
    }

    /// Adds a text, taken as it is.
    pub fn string(&mut self, name: &'a str, target: &'a mut String, help: &'a str) {
        self.value(name, target, help);
    }

    /// Adds a length of time such as `300ms` or `1h30m`; negative ones are refused.
    pub fn duration(&mut self, name: &'a str, target: &'a mut Duration, help: &'a str) {
        self.value(name, target, help);
    }

    /// Adds a flag of any type that can read itself from a word.
    pub fn value(&mut self, name: &'a str, target: &'a mut dyn Value, help: &'a str) {
        debug_assert!(self.flags.iter().all(|flag| flag.name != name), "flag -{name} is added twice");
        self.flags.push(Flag { name, help, section: self.section, default: target.shown(), value: target });
    }

    /// The names of the flags, as they were added.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.flags.iter().map(|flag| flag.name)
    }

    /// Sets the variables from the words after the program's name and returns the words after the flags.
    ///
    /// # Errors
    /// [`Stop`] when help is asked for or a word is wrong. Flags before that word have been set by then.
    pub fn parse<I>(mut self, args: I) -> Result<Vec<String>, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        self.read(args.into_iter().map(Into::into)).map_err(|end| self.stop(end))
    }

    /// As [`FlagSet::parse`], for what a person types: a word that is no flag is wrong, as those after it would not count.
    ///
    /// # Errors
    /// As of [`FlagSet::parse`].
    pub fn parse_all<I>(mut self, args: I) -> Result<(), Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let rest = self.read(args.into_iter().map(Into::into)).and_then(|rest| match rest.first() {
            None => Ok(()),
            Some(word) => Err(End::Invalid(format!("{} is no flag", quoted(word)))),
        });
        rest.map_err(|end| self.stop(end))
    }

    fn stop(&self, end: End) -> Stop {
        match end {
            End::Help => Stop::Help { usage: self.usage() },
            End::Invalid(message) => Stop::Invalid { message, usage: self.usage() },
        }
    }

    fn read(&mut self, mut words: impl Iterator<Item = OsString>) -> Result<Vec<String>, End> {
        let mut rest = Vec::new();
        while let Some(word) = words.next() {
            let word = text(word)?;
            let Some(flag) = word.strip_prefix('-').filter(|flag| !flag.is_empty()) else {
                rest.push(word);
                break;
            };
            let flag = flag.strip_prefix('-').unwrap_or(flag);
            if flag.is_empty() {
                break;
            }
            if flag.starts_with(['-', '=']) {
                return Err(End::Invalid(format!("bad flag syntax: {word}")));
            }
            match flag.split_once('=') {
                Some((name, value)) => self.set(name, Some(value), &mut words)?,
                None => self.set(flag, None, &mut words)?,
            }
        }
        for word in words {
            rest.push(text(word)?);
        }
        Ok(rest)
    }

    /// Sets one flag, with a value from after its `=` or else, but for a switch, from the next word.
    fn set(
        &mut self,
        name: &str,
        value: Option<&str>,
        words: &mut impl Iterator<Item = OsString>,
    ) -> Result<(), End> {
        let Some(flag) = self.flags.iter_mut().find(|flag| flag.name == name) else {
            return Err(self.unknown(name));
        };
        let is_switch = flag.value.is_switch();
        let value = match value {
            Some(value) => value.to_owned(),
            None if is_switch => "true".to_owned(),
            None => match words.next() {
                Some(word) => text(word)?,
                None => return Err(End::Invalid(format!("flag needs an argument: -{name}"))),
            },
        };
        flag.value.set(&value).map_err(|reason| {
            let value = quoted(&value);
            End::Invalid(if is_switch {
                format!("invalid boolean value {value} for -{name}: {reason}")
            } else {
                format!("invalid value {value} for flag -{name}: {reason}")
            })
        })
    }

    fn unknown(&self, name: &str) -> End {
        if name == "h" || name == "help" {
            return End::Help;
        }
        let mut message = format!("flag provided but not defined: -{name}");
        if let Some(nearest) = suggest::nearest(name, self.flags.iter().map(|flag| flag.name)) {
            message += "\ndid you mean -";
            message += nearest;
            message += "?";
        }
        End::Invalid(message)
    }
}

/// A [`Stop`] that has no usage text yet.
enum End {
    Help,
    Invalid(String),
}

fn text(word: OsString) -> Result<String, End> {
    word.into_string()
        .map_err(|word| End::Invalid(format!("argument is not UTF-8: {}", quoted(&word.to_string_lossy()))))
}

/// Why a program should end before doing anything: its usage text was asked for, or its command line is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// `-h` or `-help`.
    Help {
        /// The usage text.
        usage: String,
    },
    /// A word that cannot be understood.
    Invalid {
        /// What is wrong, worded as by Go's `flag`.
        message: String,
        /// The usage text.
        usage: String,
    },
}

impl Stop {
    /// The exit code that Go's `flag` uses: 0 after help, else 2.
    pub fn exit_code(&self) -> u8 {
        match self {
            Stop::Help { .. } => 0,
            Stop::Invalid { .. } => 2,
        }
    }

    /// What is wrong, without the usage text: for flags that do not come from a command line.
    pub fn in_short(&self) -> String {
        match self {
            Stop::Help { .. } => "help is only given on the command line".to_owned(),
            Stop::Invalid { message, .. } => message.replace('\n', "; "),
        }
    }

    /// Prints the whole text to standard error, where Go prints it, and returns the exit code for `main`.
    pub fn report(&self) -> ExitCode {
        // Nobody is left to tell when standard error is closed.
        let _ = io::stderr().lock().write_all(self.to_string().as_bytes());
        ExitCode::from(self.exit_code())
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Help { usage } => f.write_str(usage),
            Stop::Invalid { message, usage } => write!(f, "{message}\n{usage}"),
        }
    }
}

impl Error for Stop {}
