//! `intel-device-plugins-operator`: what runs beside the API server, in one static binary.
//!
//! What it does is chosen by its first arguments, or by the name it is run by: images have the same binary under the entry points
//! of the Go implementation, such as `intel_sgx_admissionwebhook`.

mod api;
mod certificate;
mod families;
mod operator;
mod options;
mod readers;
mod serve;
mod stand_alone;
mod webhooks;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use webhooks::POD_WEBHOOKS;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
    if program == operator::ENTRY_POINT {
        return operator::main(operator::ENTRY_POINT, args.collect());
    }
    if let Some(webhook) = POD_WEBHOOKS.iter().find(|webhook| webhook.entry_point == program) {
        return stand_alone::main(webhook, webhook.entry_point, args.collect());
    }
    let words: Vec<OsString> = args.collect();
    let word = |number: usize| words.get(number).map(|word| word.to_string_lossy()).unwrap_or_default();
    match (&*word(0), &*word(1)) {
        ("operator", _) => {
            operator::main("intel-device-plugins-operator operator", words.into_iter().skip(1).collect())
        }
        ("webhook", name) => match POD_WEBHOOKS.iter().find(|webhook| webhook.name == name) {
            Some(webhook) => {
                let program = format!("intel-device-plugins-operator webhook {name}");
                stand_alone::main(webhook, &program, words.into_iter().skip(2).collect())
            }
            None => print(&format!("there is no webhook {name:?}\n\n{}", usage()), ExitCode::from(2)),
        },
        ("-h" | "-help" | "--help" | "help", _) => print(&usage(), ExitCode::SUCCESS),
        ("-version" | "--version" | "version", _) => print(&format!("{}\n", cli::VERSION), ExitCode::SUCCESS),
        ("", _) => print(&usage(), ExitCode::from(2)),
        (other, _) => print(&format!("there is no command {other:?}\n\n{}", usage()), ExitCode::from(2)),
    }
}

fn usage() -> String {
    let mut text = String::from(
        "The operator of Intel's device plugins for Kubernetes, and admission webhooks for pods that use Intel hardware.\n\n\
         Usage: intel-device-plugins-operator COMMAND [FLAGS]      (COMMAND -h lists the flags)\n\n\
         Commands, each also run by the entry point's name:\n",
    );
    let mut command =
        |name: &str, about, entry_point| text += &format!("  {name:<14} {about} ({entry_point})\n");
    command("operator", operator::ABOUT, operator::ENTRY_POINT);
    for webhook in POD_WEBHOOKS {
        command(&format!("webhook {}", webhook.name), webhook.about, webhook.entry_point);
    }
    text + &format!("  {:<14} print the version\n", "version")
}

/// Help and errors go where the flag parser sends them too.
fn print(text: &str, code: ExitCode) -> ExitCode {
    // Nobody is left to tell when standard error is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
    code
}
