//! The command line.

use std::ffi::OsString;

use cli::{FlagSet, Stop};
use fpga_bitstream::Store;

/// What can be done, and how the usage text says it.
pub(crate) const COMMANDS: &[(&str, &str)] = &[
    ("info", "what a bitstream file is (-b)"),
    ("install", "copies a bitstream file into the store of this node, where the hook finds it (-b, -force)"),
    ("list", "the names of all management engines (FME) and ports"),
    ("list-fme", "the names of all management engines"),
    ("list-port", "the names of all ports"),
    ("fpgainfo", "what a management engine or a port is (-d, -afu); also as fmeinfo and portinfo"),
    ("pr", "programs a bitstream file behind a port: partial reconfiguration (-b, -d)"),
    (
        "release",
        "takes a port from a management engine's function, for a virtual function to have it (-d, -p)",
    ),
    ("assign", "gives a released port back (-d, -p)"),
];

/// What was asked for.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) command: String,
    pub(crate) bitstream: String,
    pub(crate) device: String,
    /// What a port must have; anything when empty.
    pub(crate) function: String,
    pub(crate) port: u64,
    pub(crate) dry_run: bool,
    pub(crate) force: bool,
    pub(crate) quiet: bool,
    pub(crate) json: bool,
    pub(crate) version: bool,
    /// The folder of bitstreams.
    pub(crate) store: String,
    /// Before `/sys`, `/dev` and the store.
    pub(crate) prefix: String,
}

impl Options {
    /// Flags may stand before the command and after it. As in the Go implementation further words are ignored.
    pub(crate) fn parse(program: &str, args: Vec<OsString>) -> Result<Self, Stop> {
        let mut options = Self { store: Store::DEFAULT.to_owned(), ..Self::default() };
        let mut words = options.flags(program).parse(args)?;
        while !words.is_empty() {
            let word = words.remove(0);
            if options.command.is_empty() {
                options.command = word;
            }
            words = options.flags(program).parse(words)?;
        }
        Ok(options)
    }

    /// The usage text, for a command line without a command.
    pub(crate) fn usage(program: &str) -> String {
        Self { store: Store::DEFAULT.to_owned(), ..Self::default() }.flags(program).usage()
    }

    fn flags<'a>(&'a mut self, program: &'a str) -> FlagSet<'a> {
        let mut flags = FlagSet::new(
            program,
            "Looks at FPGAs and bitstream files, and programs the ones with the others.",
        );
        flags.commands(COMMANDS);
        flags.string("b", &mut self.bitstream, "bitstream file, .gbs or .aocx");
        flags.string("d", &mut self.device, "device: a node's name, such as dfl-port.0, or its path");
        flags.string(
            "afu",
            &mut self.function,
            "fail if the port has not this function: its id, or the hash of an OpenCL program",
        );
        flags.uint("p", &mut self.port, "number of the port on its card");
        flags.bool(
            "dry-run",
            &mut self.dry_run,
            "check everything and say what would be done, but change nothing; opens no device",
        );
        flags.bool("force", &mut self.force, "replace a file that is in the store already");
        flags.bool("q", &mut self.quiet, "say less");
        flags.bool("json", &mut self.json, "print one JSON document instead of lines");
        flags.bool("version", &mut self.version, "print the version");
        flags.string("store", &mut self.store, "folder of bitstreams");
        flags.string(
            "prefix",
            &mut self.prefix,
            "folder that holds the /sys, /dev and store to use, for simulated nodes",
        );
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, Stop> {
        Options::parse("fpga_tool", line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn flags_may_stand_before_and_after_the_command() {
        let expected = parse("-b file.gbs -q -d dfl-port.0 -dry-run pr").unwrap();
        assert_eq!(expected.command, "pr");
        assert!(expected.quiet && expected.dry_run);
        for line in
            ["pr -b file.gbs -q -d dfl-port.0 -dry-run", "-q -dry-run pr -b file.gbs word -d dfl-port.0"]
        {
            assert_eq!(parse(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn wrong_flags_are_refused_also_after_the_command() {
        for line in ["-x info", "info -x", "info word -x", "-p -1 release", "release -p 0x"] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
