//! `pr`, `release` and `assign`: what changes a card.

use std::io::{self, Write};

use fpga_bitstream::Bitstream;
use fpga_programming::{Fme, Port};
use host::Host;
use serde_json::{Value, json};

use crate::facts::print_json;
use crate::options::Options;
use crate::{Outcome, WAIT};

/// What is behind a port, as far as it can be read.
struct Behind {
    interface: String,
    function: String,
}

impl Behind {
    fn of(port: &Port) -> Self {
        let text = |id: Result<fpga_bitstream::Id, _>| id.map(|id| id.to_string()).unwrap_or_default();
        Self { interface: text(port.interface_id()), function: text(port.afu_id()) }
    }

    fn print(&self, when: &str, out: &mut impl Write) -> io::Result<()> {
        let (interface, function) = (cli::quoted(&self.interface), cli::quoted(&self.function));
        writeln!(out, "{when}: Interface ID: {interface} AFU ID: {function}")
    }

    fn json(&self) -> Value {
        json!({"interface": self.interface, "function": self.function})
    }
}

/// Programs a file behind a port, whatever is there.
pub(crate) fn program(host: &Host, options: &Options, out: &mut impl Write) -> Outcome {
    let port = Port::find(host, &options.device)?;
    let bitstream = Bitstream::open(&options.bitstream)?;
    let before = Behind::of(&port);
    let says = !options.json && !options.quiet;
    if says {
        before.print("Before", out)?;
        let (file, device) = (cli::quoted(&options.bitstream), cli::quoted(&options.device));
        write!(out, "Programming {file} to port {device}: ")?;
        // It takes seconds.
        out.flush()?;
    }
    // What does not fit need not wait.
    let mut result = port.check(&bitstream);
    if !options.dry_run {
        result = result.and_then(|()| port.lock(WAIT)?.reconfigure(&bitstream));
    }
    let after = Behind::of(&port);
    if says {
        writeln!(out, "{}", if result.is_ok() { "OK" } else { "FAILED" })?;
        after.print("After ", out)?;
    }
    if options.json {
        let document = json!({
            "file": options.bitstream,
            "port": port.name(),
            "before": before.json(),
            "after": after.json(),
            "ok": result.is_ok(),
            "dryRun": options.dry_run,
        });
        print_json(&document, out)?;
    }
    Ok(result?)
}

/// Takes a port from the card's physical function, or gives it back.
pub(crate) fn hand_over(host: &Host, options: &Options, out: &mut impl Write) -> Outcome {
    let fme = Fme::find(host, &options.device)?;
    let Ok(port) = u32::try_from(options.port) else {
        return Err(
            format!("-p {} is no port: ports are numbered from 0 to {}", options.port, u32::MAX).into()
        );
    };
    if options.dry_run {
        let count = fme.ports_num()?;
        if port >= count {
            return Err(format!("{} has no port {port}: it has {count}, numbered from 0", fme.name()).into());
        }
        if !options.json && !options.quiet {
            writeln!(out, "Dry-run: would {} port {port} of {}", options.command, fme.name())?;
        }
    } else if options.command == "release" {
        fme.release(port, WAIT)?;
    } else {
        fme.assign(port, WAIT)?;
    }
    if options.json {
        let document = json!({
            "fme": fme.name(),
            "port": port,
            "command": options.command,
            "dryRun": options.dry_run,
        });
        print_json(&document, out)?;
    }
    Ok(())
}
