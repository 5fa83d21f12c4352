//! `setup`: makes devices ready to be offered, once after the node has booted: what init containers run.

use std::ffi::OsString;
use std::process::ExitCode;

/// How the devices of one family are made ready.
struct Setup {
    name: &'static str,
    about: &'static str,
    /// Gets the name for its usage text and the flags.
    main: fn(&str, Vec<OsString>) -> ExitCode,
}

const SETUPS: &[Setup] = &[
    Setup { name: "qat", about: "services, virtual functions, their driver", main: qat_plugin::setup },
    Setup { name: "dsa", about: "work queues, or VFIO", main: idxd_plugin::setup::dsa },
    Setup { name: "iaa", about: "work queues", main: idxd_plugin::setup::iaa },
    Setup { name: "dlb", about: "a virtual function", main: dlb_plugin::setup },
];

const QAT_IMAGE: &str = "intel-qat-initcontainer";
const IDXD_IMAGE: &str = "intel-idxd-config-initcontainer";
const DLB_IMAGE: &str = "intel-dlb-initcontainer";

/// Runs the command.
pub(crate) fn main(mut args: Vec<OsString>) -> ExitCode {
    if args.is_empty() {
        return crate::print(&usage(), ExitCode::from(2));
    }
    let family = args.remove(0);
    match &*family.to_string_lossy() {
        "-h" | "-help" | "--help" | "help" => crate::print(&usage(), ExitCode::SUCCESS),
        name => match SETUPS.iter().find(|setup| setup.name == name) {
            Some(setup) => (setup.main)(&format!("intel-device-plugins setup {name}"), args),
            None => crate::print(&format!("there is no setup of {name:?}\n\n{}", usage()), ExitCode::from(2)),
        },
    }
}

/// Runs what an image of this name runs; `None` if it is none of those.
pub(crate) fn of_image(program: &str, args: &[OsString]) -> Option<ExitCode> {
    let family = match program {
        QAT_IMAGE => "qat".to_owned(),
        DLB_IMAGE => "dlb".to_owned(),
        // One image for both, as in the Go implementation.
        IDXD_IMAGE => match std::env::var("DEVICE_TYPE") {
            Ok(family) if !family.is_empty() => family,
            _ => "dsa".to_owned(),
        },
        _ => return None,
    };
    if program == IDXD_IMAGE && !["dsa", "iaa"].contains(&family.as_str()) {
        return Some(cli::fatal(format!("DEVICE_TYPE is {family:?}, not dsa or iaa")));
    }
    let setup = SETUPS.iter().find(|setup| setup.name == family)?;
    Some((setup.main)(program, args.to_vec()))
}

fn usage() -> String {
    let mut text = String::from(
        "Makes devices ready to be offered. Run it as root on the node, or in a privileged init container; -dry-run shows what \
         it would do.\n\nUsage: intel-device-plugins setup FAMILY [FLAGS]      (FAMILY -h lists the flags)\n\nFamilies:\n",
    );
    for Setup { name, about, .. } in SETUPS {
        text += &format!("  {name:<10} {about}\n");
    }
    text
}
