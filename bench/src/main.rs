//! Measures the shipped binary, and beside it the Go implementation's GPU plugin if its path is given, on the same
//! simulated node with the same embedded kubelet in the same run.
//!
//! `cargo xtask bench` runs all parts and writes `docs/benchmarks.md`. The reference has fixed paths, so it needs root (a mount
//! namespace of its own).

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod families;
mod figures;
mod hook;
mod measure;
mod operator;
mod process;
mod resources;
mod webhook;

use std::path::Path;
use std::process::{Command, ExitCode};

use figures::{Bar, Figure, table};
use measure::{Measured, Place};

/// Says that this process is the one in the mount namespace, and which folder it works in.
const INSIDE: &str = "BENCH_FOLDER";
const USAGE: &str = "usage: bench [-quick] [-samples=FILE] BINARY [REFERENCE]
       bench [-quick] -families BINARY
       bench [-quick] -resources BINARY
       bench [-quick] -hook BINARY
       bench [-quick] -webhook OPERATOR [WEBHOOK]
       bench [-quick] -operator OPERATOR KUBERNETES [REFERENCE OPERATOR]
BINARY is intel-device-plugins as `cargo xtask build` makes it, REFERENCE the Go implementation's GPU plugin. OPERATOR is
intel-device-plugins-operator, WEBHOOK the Go implementation's SGX admission webhook, REFERENCE OPERATOR its operator, and
KUBERNETES what `tests/cluster/build` makes. FILE gets what plots are made of.";

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut is_given =
        |flag: &str| args.iter().position(|arg| arg == flag).map(|at| args.remove(at)).is_some();
    let (quick, only_families) = (is_given("-quick"), is_given("-families"));
    let only_resources = is_given("-resources");
    let only_hook = is_given("-hook");
    let only_webhook = is_given("-webhook");
    let only_operator = is_given("-operator");
    let is_inside = is_given("-scans");
    let samples = args.iter().position(|arg| arg.starts_with("-samples=")).map(|at| args.remove(at));
    let samples = samples.as_deref().and_then(|flag| flag.strip_prefix("-samples=")).map(Path::new);
    let outcome = match args.as_slice() {
        [] if is_inside => families::scans(quick).map(|()| ExitCode::SUCCESS),
        [binary] if only_families => families(Path::new(binary), quick),
        [binary] if only_resources => resources(Path::new(binary), quick),
        [binary] if only_hook => hook(Path::new(binary), quick),
        [binary] if only_webhook => webhook(Path::new(binary), None, quick),
        [binary, reference] if only_webhook => webhook(Path::new(binary), Some(Path::new(reference)), quick),
        [operator, kubernetes, reference @ ..] if only_operator && reference.len() < 2 => {
            let reference = reference.first().map(Path::new);
            operator::run(Path::new(operator), Path::new(kubernetes), reference, quick)
        }
        [binary] => bench(Path::new(binary), None, samples, quick),
        [_, _] if std::env::var_os(INSIDE).is_none() => enter_namespace(),
        [binary, reference] => bench(Path::new(binary), Some(Path::new(reference)), samples, quick),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs this program again where the paths that the reference has built in are empty folders.
fn enter_namespace() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let script = r#"
        for path in var/lib/kubelet/device-plugins var/run/cdi; do
            mkdir -p "$BENCH_FOLDER/$path" "/$path"
            mount --bind "$BENCH_FOLDER/$path" "/$path"
        done
        exec "$0" "$@""#;
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-e", "-c", script])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, folder.path())
        .status()
        .map_err(|error| format!("cannot run unshare: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Only what is measured of all families.
fn families(binary: &Path, quick: bool) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let temporary = in_memory()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(families::run(binary, temporary.path(), quick))?;
    Ok(ExitCode::SUCCESS)
}

fn resources(binary: &Path, quick: bool) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let temporary = in_memory()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(resources::run(binary, temporary.path(), quick))?;
    Ok(ExitCode::SUCCESS)
}

fn hook(binary: &Path, quick: bool) -> Result<ExitCode, Box<dyn std::error::Error>> {
    hook::run(binary, in_memory()?.path(), quick)?;
    Ok(ExitCode::SUCCESS)
}

fn webhook(
    binary: &Path,
    reference: Option<&Path>,
    quick: bool,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    webhook::run(binary, reference, in_memory()?.path(), quick)?;
    Ok(ExitCode::SUCCESS)
}

/// sysfs and devtmpfs are in memory, so the simulated ones are, too.
fn in_memory() -> std::io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

fn bench(
    binary: &Path,
    reference: Option<&Path>,
    samples: Option<&Path>,
    quick: bool,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let temporary = in_memory()?;
    let place = match reference {
        None => Place::below(temporary.path()),
        Some(_) => Place::of_the_reference(temporary.path()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ours = runtime.block_on(measure::run(binary, &["gpu"], true, &place, quick))?;
    let theirs = match reference {
        None => None,
        Some(reference) => Some(runtime.block_on(measure::run(reference, &[], false, &place, quick))?),
    };
    println!("{}", table(&figures(&ours, theirs.as_ref())));
    if let Some(file) = samples {
        let lines = [("here", Some(&ours)), ("Go", theirs.as_ref())];
        let lines = lines.map(|(who, measured)| measured.map(|it| format!("{who} {}\n", it.allocate.line())));
        std::fs::write(file, lines.into_iter().flatten().collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn figures(ours: &Measured, theirs: Option<&Measured>) -> Vec<Figure> {
    let figure = |what, unit, bar: f64, value: fn(&Measured) -> f64| Figure {
        what,
        unit,
        bar: bar.is_finite().then_some(Bar::AtMost(bar)),
        ours: value(ours),
        reference: theirs.map(value).filter(|value| value.is_finite()),
    };
    vec![
        figure("process start to Register, median", "ms", 15.0, |m| m.register.percentile(50.0)),
        figure("process start to the first list with devices, median", "ms", 20.0, |m| {
            m.first_list.percentile(50.0)
        }),
        figure("GPU added or removed to new list, median", "ms", f64::INFINITY, |m| {
            m.hotplug.percentile(50.0)
        }),
        figure("GPU added or removed to new list, p99", "ms", 50.0, |m| m.hotplug.percentile(99.0)),
        figure("kubelet.sock made anew to Register, p99", "ms", 50.0, |m| m.restart.percentile(99.0)),
        figure("peak memory (RSS), 8 GPUs", "MB", 4.0, |m| m.rss_mb),
        figure("peak memory (RSS), 10,000 shared devices", "MB", 14.0, |m| m.rss_shared_mb),
        figure("processor time while idle, per 30 s", "ms", 5.0, |m| m.idle_cpu_ms),
        figure("lists sent while idle, per 30 s", "", 0.0, |m| m.idle_lists),
        figure("Allocate with CDI, p50", "ms", 0.2, |m| m.allocate.percentile(50.0)),
        figure("Allocate with CDI, p99", "ms", 0.6, |m| m.allocate.percentile(99.0)),
        figure("binary with all families, static and stripped", "MB", 7.0, |m| m.binary_mb),
    ]
}
