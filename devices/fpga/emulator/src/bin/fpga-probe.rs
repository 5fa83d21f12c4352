//! Asks FPGA drivers for one thing, through `fpga-programming`: the program that the tests run under the emulator.
//!
//! `fpga-probe ROOT COMMAND..`; the answer is on stdout, an error with its causes on stderr, and the exit status is 1 then.
//! `fpga-probe hook` and `fpga-probe tool` are the shipped hook and tool.

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use fpga_bitstream::{Bitstream, Id, Name, writer};
use fpga_programming::{Fme, Port, fmes, ports};
use host::Host;

const USAGE: &str = "usage: fpga-probe ROOT list | fme NODE | port NODE | reset PORT | release FME N | assign FME N | \
                     check|reconfigure|ensure PORT INTERFACE AFU FILE SECONDS";

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool on the command line")]
fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().skip(1).collect();
    for (name, main) in
        [("hook", fpga_hook::main as fn(&str, Vec<OsString>) -> ExitCode), ("tool", fpga_tool::main)]
    {
        if args.first().is_some_and(|arg| arg == name) {
            return main(name, args.split_off(1));
        }
    }
    let args: Vec<String> = args.into_iter().filter_map(|arg| arg.into_string().ok()).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // In a thread of its own, so that the tests see that the emulator follows those.
    match std::thread::scope(|scope| scope.spawn(|| answer(&args)).join())
        .unwrap_or_else(|_| Err(USAGE.into()))
    {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let errors = std::iter::successors(Some(&*error as &dyn Error), |error| (*error).source());
            eprintln!("{}", errors.map(ToString::to_string).collect::<Vec<_>>().join(": "));
            ExitCode::FAILURE
        }
    }
}

type Answer = Result<String, Box<dyn Error + Send + Sync>>;

fn answer(args: &[&str]) -> Answer {
    let (root, command) = args.split_first().ok_or(USAGE)?;
    let host = &Host::at(root)?;
    match command {
        ["list"] => Ok([fmes(host)?, ports(host)?].concat().join(" ")),
        ["fme", node] => about_fme(&Fme::find(host, node)?),
        ["port", node] => about_port(&Port::find(host, node)?),
        ["reset", node] => {
            Port::find(host, node)?.reset()?;
            Ok("reset".to_owned())
        }
        ["release", node, port] => {
            Fme::find(host, node)?.release(port.parse()?, Duration::ZERO)?;
            Ok("released".to_owned())
        }
        ["assign", node, port] => {
            Fme::find(host, node)?.assign(port.parse()?, Duration::ZERO)?;
            Ok("assigned".to_owned())
        }
        [how, node, interface, afu, file, seconds] => {
            let wait = Duration::from_secs(seconds.parse()?);
            program(how, &Port::find(host, node)?, interface.parse()?, afu.parse()?, file, wait)
        }
        _ => Err(USAGE.into()),
    }
}

fn about_fme(fme: &Fme) -> Answer {
    let ports: Vec<String> = fme.ports()?.iter().map(|port| port.name().to_owned()).collect();
    Ok(format!(
        "{} {} {} on {}: interface {}, API version {}, extension {}, ports {} of {}, socket {:?}, bitstream {:?} {:?}",
        fme.driver().name(),
        fme.name(),
        fme.node().display(),
        fme.function().address(),
        fme.interface_id()?,
        fme.api_version()?,
        fme.check_extension()?,
        ports.join(" "),
        fme.ports_num()?,
        fme.socket_id()?,
        fme.bitstream_id()?,
        fme.bitstream_metadata()?,
    ))
}

fn about_port(port: &Port) -> Answer {
    let info = port.info()?;
    let regions: Result<Vec<_>, _> = (0..info.regions).map(|index| port.region(index)).collect();
    Ok(format!(
        "{} {} {} on {}: of {}, number {}, virtual {}, interface {}, function {}, API version {}, extension {}, {info:?}, {:?}",
        port.driver().name(),
        port.name(),
        port.node().display(),
        port.function().address(),
        port.fme()?.name(),
        port.number()?,
        port.is_virtual()?,
        port.interface_id()?,
        port.afu_id()?,
        port.api_version()?,
        port.check_extension()?,
        regions?,
    ))
}

/// Programs a bitstream with these ids, whose payload is the file.
fn program(how: &str, port: &Port, interface: Id, afu: Id, file: &str, wait: Duration) -> Answer {
    let gbs = format!("{file}.{}.gbs", std::process::id());
    std::fs::write(&gbs, writer::gbs(interface, afu, &std::fs::read(file)?))?;
    let bitstream = Bitstream::open(gbs)?;
    // As the tool does: what does not fit need not wait.
    port.check(&bitstream)?;
    match how {
        "check" => {}
        "reconfigure" => port.lock(wait)?.reconfigure(&bitstream)?,
        "ensure" => {
            let locked = port.lock(wait)?;
            if port.holds(&Name::from(afu)).unwrap_or_default() {
                return Ok("already there".to_owned());
            }
            locked.reconfigure(&bitstream)?;
        }
        _ => return Err(USAGE.into()),
    }
    Ok(format!("{how}: done"))
}
