//! `info` and `install`: bitstream files and the store.

use std::io::Write;

use fpga_bitstream::{Bitstream, Error, Replace, Store};
use serde_json::{Map, Value, json};

use crate::Outcome;
use crate::facts::{Facts, print_json};
use crate::options::Options;

/// Where the Go implementation has its colons.
const WIDTH: usize = 22;

/// Says what the file is and where it belongs.
pub(crate) fn info(store: &Store, options: &Options, out: &mut impl Write) -> Outcome {
    let bitstream = Bitstream::open(&options.bitstream)?;
    let path = match store.path_of(&bitstream) {
        Ok(path) => path.to_string_lossy().into_owned(),
        // Without a hash it has no place.
        Err(Error::Nameless(_)) => String::new(),
        Err(error) => return Err(error.into()),
    };
    let name = bitstream.name().map(|name| name.to_string()).unwrap_or_default();
    let mut facts = Facts::new("", WIDTH);
    for (label, key, value) in [
        ("Bitstream file", "file", options.bitstream.clone()),
        ("Interface UUID", "interface", bitstream.interface_id().to_string()),
        ("Accelerator Type UUID", "function", bitstream.afu_id().to_string()),
        ("Unique UUID", "name", name),
        ("Installation Path", "path", path),
    ] {
        facts.add_as(label, cli::quoted(&value), key, value);
    }
    let extra = bitstream.extra();
    if options.json && !options.quiet {
        let extra: Map<String, Value> =
            extra.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into())).collect();
        facts.add_as("", String::new(), "extra", extra);
    }
    facts.print(options.json, out)?;
    if !options.json && !options.quiet {
        writeln!(out, "Extra:")?;
        for (key, value) in extra {
            writeln!(out, "\t{key} : {}", cli::quoted(&value))?;
        }
    }
    Ok(())
}

/// Copies the file to where the hook finds it.
pub(crate) fn install(store: &Store, options: &Options, out: &mut impl Write) -> Outcome {
    let bitstream = Bitstream::open(&options.bitstream)?;
    let path = store.path_of(&bitstream)?;
    if !options.json && !options.quiet {
        let (from, to) = (cli::quoted(&options.bitstream), cli::quoted(&path.to_string_lossy()));
        writeln!(out, "Installing bitstream {from} as {to}")?;
        if options.dry_run {
            writeln!(out, "Dry-run: no copying performed")?;
        }
    }
    if !options.dry_run {
        let replace = if options.force { Replace::Existing } else { Replace::Never };
        store.install(&bitstream, replace).map_err(|error| match error {
            Error::Exists(path) => format!(
                "destination file {} already exist. Use --force to overwrite it",
                cli::quoted(&path.to_string_lossy())
            )
            .into(),
            error => Box::<dyn std::error::Error>::from(error),
        })?;
    }
    if options.json {
        let document = json!({"file": options.bitstream, "path": path, "dryRun": options.dry_run});
        print_json(&document, out)?;
    }
    Ok(())
}
