//! Chores of the repository, as `cargo xtask COMMAND`: what CI needs to know beyond compiling and testing.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the command line")]

mod bench;
mod book;
mod budget;
mod build;
mod bundle;
mod counts;
mod crates;
mod elf;
mod flags;
mod fuzzing;
mod hash;
mod images;
mod invariants;
mod links;
mod metrics;
mod monitoring;
mod pictures;
mod platform;
mod promql;
mod quotes;
mod reference;
mod release;
mod unsafety;
mod version;
mod workflows;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

const HELP: &str = "\
Usage: cargo xtask COMMAND

  build        build the binaries that are shipped, and print where they are
                 --target T      for this target triple instead of this machine's; can be repeated (docs/images.md#arm64)
  budget       build them and compare size, number of crates and linking with xtask/budget.txt
  bench        measure all that docs/benchmarks.md says, and write it there; takes nine minutes, and ten to twenty more for the operator
                 --reference DIR beside the Go implementation's binaries, which are there
                 --only PART     only this part; can be repeated
                 --without PART  all but this part; can be repeated
                 --quick         few rounds, only to try it; writes to target/bench
                 --output DIR    write there instead
  counts       count instructions of operations that are fixed, and compare with bench/counts.txt (docs/benchmarks.md#instructions);
               needs root and valgrind
                 --update        write them there instead
  images       build them and pack them into images, target/images/NAME.tar each (docs/images.md)
                 --tag TAG       instead of those that manifests and the operator name; can be repeated
                 --registry R    instead of docker.io/intel
                 --target T      as for build; images for several are an index of them
                 --binaries DIR  take the binaries from there, and build none; can be repeated, for several targets
                 --output DIR    instead of target/images
                 --source URL    for the images' labels: where their source can be had
  release      make all of a release, target/dist, and push it (docs/versions.md); the flags of images but --tag, and
                 --dry-run       push nothing
                 --twice         build binaries again of a copy in another place, and compare
                 --helm PROGRAM  instead of the one that tests build, or that is installed
  version      print the version of binaries, images, charts and manifests; with a new one after it, set it
  bundle       make the operator's bundle for Operator Lifecycle Manager, in target/bundle (docs/olm.md)
                 --registry R    of its images, instead of docker.io/intel
                 --digests FILE  name images by the digests that `cargo xtask images` has printed, instead of by version
                 --replaces V    the version that it updates
                 --output DIR    instead of target/bundle
  invariants   check what the architecture promises and the compiler cannot see, and documents: their links, the book's contents,
               the pages of metrics, flags and custom resources; alerts, dashboard and runbooks; lists of unsafe code and of fuzz targets
  reference    write the pages of flags and custom resources
  pictures     draw what docs/pictures says that terminals show
  book         change links of the book while mdBook makes it, which runs this and talks with it (book.toml)
  help         print this text

Each ends with 0 if all is well, with 1 if not, and with 2 if the command line is wrong.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args.as_slice() {
        ["help"] | [.., "-h" | "--help"] => {
            print!("{HELP}");
            Ok(())
        }
        ["build", flags @ ..] => match build::platforms(flags) {
            Ok(platforms) => build::run(&platforms),
            Err(error) => return wrong("build", &error),
        },
        ["bench", flags @ ..] => match bench::Options::parse(flags) {
            Ok(options) => bench::run(&options),
            Err(error) => return wrong("bench", &error),
        },
        ["budget"] => budget::run(),
        ["counts"] => counts::run(false),
        ["counts", "--update"] => counts::run(true),
        ["images", flags @ ..] => match images::Options::parse(flags) {
            Ok(options) => images::run(&options),
            Err(error) => return wrong("images", &error),
        },
        ["release", flags @ ..] => match release::Options::parse(flags) {
            Ok(options) => release::run(&options),
            Err(error) => return wrong("release", &error),
        },
        ["bundle", flags @ ..] => match bundle::Options::parse(flags) {
            Ok(options) => bundle::run(&options),
            Err(error) => return wrong("bundle", &error),
        },
        ["invariants"] => invariants::run(),
        ["pictures"] => pictures::run(),
        ["reference"] => reference::run(),
        ["version"] => version::run(None),
        ["version", new] => version::run(Some(new)),
        ["book"] => book::run(std::io::stdin().lock()).map(|answer| print!("{answer}")),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wrong(command: &str, error: &str) -> ExitCode {
    eprintln!("xtask {command}: {error}");
    ExitCode::from(2)
}

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where cargo builds, and results go.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a command in the root and returns its standard output; its standard error is passed on.
fn output_of(command: &mut Command) -> Result<String, String> {
    let shown = format!("{command:?}");
    let output = command.current_dir(root()).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot run {shown}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{shown}: {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("output of {shown}: {error}"))
}

/// The cargo that runs this program, without what it has told this program: the build script of ring looks at that, so ring and all
/// that is above it would be built anew after each build by hand.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let is_told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(is_told) {
            command.env_remove(name);
        }
    }
    command
}
