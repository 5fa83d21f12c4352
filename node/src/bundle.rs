//! `bundle`: what to send with a report, in one archive, without what says whose node it is.

mod sources;

use std::error::Error;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;

use ::doctor::archive::Archive;
use ::doctor::redact::Redactor;
use cli::flags::Value;
use cli::{FlagSet, Stop};

use crate::place::Place;
use crate::table::Table;

/// Of the files in the archive, and of the archive.
const NAME: &str = "intel-device-plugins-bundle";

/// What to collect, and where to put it.
#[derive(Debug)]
struct Options {
    place: Place,
    output: String,
    metrics: String,
    names: Names,
}

/// Words that nobody shall read.
#[derive(Debug, Default)]
struct Names(Vec<String>);

impl Value for Names {
    fn kind(&self) -> &'static str {
        "word"
    }

    fn shown(&self) -> Option<String> {
        None
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        if text.trim().is_empty() {
            return Err("it is empty".to_owned());
        }
        self.0.push(text.to_owned());
        Ok(())
    }
}

impl Options {
    fn parse(args: Vec<OsString>) -> Result<Self, Stop> {
        let mut options = Self {
            place: Place::default(),
            output: format!("{NAME}.tar.gz"),
            metrics: "127.0.0.1:9090".to_owned(),
            // Kubernetes may have another name for the node than it has itself.
            names: Names(std::env::var("NODE_NAME").into_iter().filter(|name| !name.is_empty()).collect()),
        };
        let mut flags = FlagSet::new(
            "intel-device-plugins bundle",
            "Writes one archive of texts to send with a report: what doctor finds, kernel and modules, device nodes, the kubelet's \
             list of devices, CDI files, metrics. Names of hosts, serial numbers, addresses, ids and secrets are taken out. Read \
             it before you send it.",
        );
        flags.string(
            "o",
            &mut options.output,
            "file to write, which must not be there yet; - is standard output",
        );
        options.place.add_flags(&mut flags);
        flags.value(
            "redact",
            &mut options.names,
            "a word to take out too, such as the name of the cluster; repeat it for more",
        );
        flags.string(
            "metrics-address",
            &mut options.metrics,
            "ask the plugin at this address of the node for its metrics; nobody is asked when empty",
        );
        flags.parse_all(args)?;
        Ok(options)
    }
}

/// Runs the command.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    match bundle(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::commands::failed("bundle", &*error),
    }
}

fn bundle(options: &Options) -> Result<(), Box<dyn Error>> {
    let node = options.place.open()?;
    let mut archive = Archive::new(NAME, Redactor::new(&node.host, &options.names.0));
    let mut left_out = Vec::new();
    for (name, text) in sources::all(&node, &options.metrics) {
        match text {
            Ok(text) if name == sources::RECORDING => archive.add_recording(name, &text),
            Ok(text) => archive.add(name, &text),
            Err(why) => left_out.push(format!("{name}: {why}")),
        }
    }
    archive.add("left-out.txt", &(left_out.join("\n") + "\n"));
    let mut table = Table::new(["FILE", "BYTES"]);
    for (name, bytes) in archive.contents() {
        table.row([(*name).to_owned(), bytes.to_string()]);
    }
    let mut lines = table.lines(|_, line| line.to_owned());
    lines.extend(left_out.iter().map(|line| format!("not in it: {line}")));
    let packed = archive.finish()?;
    if options.output == "-" {
        io::stdout().lock().write_all(&packed)?;
        // Standard output has the archive.
        return Ok(writeln!(io::stderr(), "{}", lines.join("\n"))?);
    }
    let fail = |error: io::Error| format!("cannot write {}: {error}", options.output);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&options.output);
    file.and_then(|mut file| file.write_all(&packed)).map_err(fail)?;
    lines.push(format!("{}: {} bytes", options.output, packed.len()));
    Ok(crate::screen::print(&lines)?)
}
