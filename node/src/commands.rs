//! The commands that are of no single family.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use cli::Stop;

use crate::{bundle, doctor, node, plan, record, setup, simulate, top};

/// A command, and what it is for.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Gets the flags.
    pub(crate) main: fn(Vec<OsString>) -> ExitCode,
}

/// All plugins in one process.
pub(crate) const NODE: Command = Command {
    name: "node",
    about: "every family that the node has, with the flags of a file",
    main: node::main,
};

/// In the order of the usage text: before something is installed, while it runs, when something is wrong.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "simulate",
        about: "show what a simulated node offers and what a container is given; needs no hardware and no root",
        main: simulate::main,
    },
    Command {
        name: "setup",
        about: "make QAT, DSA, IAA or DLB ready, as init containers do",
        main: setup::main,
    },
    Command {
        name: "plan",
        about: "show what a configuration would offer on a node, and what that changes",
        main: plan::main,
    },
    Command { name: "top", about: "show which pod has which device, and how busy it is", main: top::main },
    Command {
        name: "doctor",
        about: "check a node: what is wrong, why it matters, and the command that fixes it",
        main: doctor::main,
    },
    Command {
        name: "record",
        about: "write down what plugins read of a node, for simulate, plan and tests",
        main: record::main,
    },
    Command {
        name: "bundle",
        about: "write what to send with a report, without names and secrets",
        main: bundle::main,
    },
];

/// Ends a command whose exit code 2 has a meaning: a wrong flag is 1, as every other error.
pub(crate) fn stopped(stop: &Stop) -> ExitCode {
    let code = stop.report();
    if matches!(stop, Stop::Help { .. }) { code } else { ExitCode::FAILURE }
}

/// Says on standard error why a command ends, in one line.
pub(crate) fn failed(command: &str, error: &dyn Error) -> ExitCode {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{command}: {}", cli::line(&device_plugin::error_chain(error)));
    ExitCode::FAILURE
}
