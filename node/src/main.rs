//! `intel-device-plugins`: every device plugin, and a simulated node to try them on, in one static binary.
//!
//! What it does is chosen by its first argument, or by the name it is run by: images have the same binary under the
//! entry points of the Go implementation, such as `intel_gpu_device_plugin`.

mod bundle;
mod commands;
mod doctor;
mod families;
mod hooks;
mod node;
mod place;
mod plan;
mod plugin_flags;
mod record;
mod screen;
mod setup;
mod simulate;
mod table;
mod tools;
mod top;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use commands::{COMMANDS, NODE};
use families::FAMILIES;
use tools::TOOLS;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
    if let Some(family) = FAMILIES.iter().find(|family| family.entry_point == program) {
        return (family.main)(family.entry_point, args.collect());
    }
    if let Some(tool) = TOOLS.iter().find(|tool| tool.entry_point == program) {
        return (tool.main)(tool.entry_point, args.collect());
    }
    let mut rest: Vec<OsString> = args.collect();
    if let Some(code) = setup::of_image(&program, &rest) {
        return code;
    }
    if let Some((tool, rest)) = tools::named(&rest) {
        return (tool.main)(&format!("intel-device-plugins {}", tool.name), rest.to_vec());
    }
    let command = if rest.is_empty() { OsString::new() } else { rest.remove(0) };
    let command = command.to_string_lossy();
    if let Some(family) = FAMILIES.iter().find(|family| family.name == command) {
        return (family.main)(&format!("intel-device-plugins {command}"), rest);
    }
    if let Some(known) = std::iter::once(&NODE).chain(COMMANDS).find(|known| known.name == command) {
        return (known.main)(rest);
    }
    match &*command {
        "-h" | "-help" | "--help" | "help" => print(&usage(), ExitCode::SUCCESS),
        "-version" | "--version" | "version" => print(&format!("{}\n", cli::VERSION), ExitCode::SUCCESS),
        "" => print(&usage(), ExitCode::from(2)),
        other => print(&format!("there is no command {other:?}\n\n{}", usage()), ExitCode::from(2)),
    }
}

fn usage() -> String {
    let mut text = String::from(
        "Device plugins for Intel hardware in Kubernetes.\n\n\
         Usage: intel-device-plugins COMMAND [FLAGS]      (COMMAND -h lists the flags)\n\n\
         Plugins, each also run by the entry point's name:\n",
    );
    for family in FAMILIES {
        text += &format!("  {:<10} {} ({})\n", family.name, family.about, family.entry_point);
    }
    text += &format!("\nAll of them in one process:\n  {:<10} {}\n\nTools:\n", NODE.name, NODE.about);
    for command in COMMANDS {
        text += &format!("  {:<10} {}\n", command.name, command.about);
    }
    text += "  version    print the version\n\n\
        Tools of one family, each also run by the entry point's name:\n";
    for tool in TOOLS {
        text += &format!("  {:<18} {} ({})\n", tool.name, tool.about, tool.entry_point);
    }
    text
}

/// Help and errors go where the flag parser sends them too.
fn print(text: &str, code: ExitCode) -> ExitCode {
    // Nobody is left to tell when standard error is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
    code
}
