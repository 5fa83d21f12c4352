//! Makes happen to the shipped binary, again and again, what befalls device plugins in the field, and has an oracle say whether all
//! is right (`oracle` has what that is). `docs/chaos.md` is its page.
//!
//! The binary runs as a process on a simulated node with the embedded kubelet. What is random comes from a seed, which is printed
//! and can be given again; how threads and processes take turns does not.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod cdi;
mod hardware;
mod kubelet;
mod oracle;
mod plugin;
mod race;
mod report;
mod scenarios;
mod traced;
mod world;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::num::ParseIntError;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Instant;

use report::Report;
use scenarios::Scenario;
use world::{Order, Outcome, lock};

/// Says that this process is the one in a mount namespace of its own.
const INSIDE: &str = "CHAOS_INSIDE";

const USAGE: &str = "usage: chaos [-seed N] [-scenario NAME] [-rounds N] [-short] BINARY
BINARY is intel-device-plugins. Without -scenario all run, two at a time on two processors.";

/// What is asked for on the command line.
#[derive(Debug, Default)]
struct Args {
    seed: Option<u64>,
    scenario: Option<Scenario>,
    rounds: Option<usize>,
    short: bool,
    binary: PathBuf,
}

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let outcome = match args.as_slice() {
        [flag, folder] if flag == kubelet::FLAG => {
            kubelet::serve(Path::new(folder)).map(|()| ExitCode::SUCCESS)
        }
        [flag, words @ ..] if flag == traced::FLAG => {
            traced::become_traced(words).map(|()| ExitCode::SUCCESS)
        }
        _ => Args::parse(args).and_then(|args| start(&args)),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("chaos: {error}");
        ExitCode::FAILURE
    })
}

impl Args {
    fn parse(args: Vec<OsString>) -> Outcome<Self> {
        let mut parsed = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().and_then(|value| value.into_string().ok()).ok_or(USAGE);
            match arg.to_str() {
                Some("-seed") => parsed.seed = Some(number("-seed", &value()?)?),
                Some("-rounds") => parsed.rounds = Some(number("-rounds", &value()?)?),
                Some("-scenario") => {
                    let name = value()?;
                    let known = Scenario::ALL.into_iter().find(|scenario| scenario.name() == name);
                    let names = Scenario::ALL.map(Scenario::name).join(", ");
                    parsed.scenario =
                        Some(known.ok_or(format!("there is no scenario {name} among {names}"))?);
                }
                Some("-short") => parsed.short = true,
                Some(flag) if flag.starts_with('-') => return Err(USAGE.into()),
                _ if !parsed.binary.as_os_str().is_empty() => return Err(USAGE.into()),
                _ => parsed.binary = arg.into(),
            }
        }
        if parsed.binary.as_os_str().is_empty() || parsed.rounds == Some(0) {
            return Err(USAGE.into());
        }
        parsed.binary =
            parsed.binary.canonicalize().map_err(|e| format!("{}: {e}", parsed.binary.display()))?;
        Ok(parsed)
    }
}

fn number<N: FromStr<Err = ParseIntError>>(flag: &str, word: &str) -> Outcome<N> {
    Ok(word.parse().map_err(|error| format!("{flag} {word:?}: {error}"))?)
}

/// Goes where mounts harm nobody, and runs what was asked for.
fn start(args: &Args) -> Outcome<ExitCode> {
    if std::env::var_os(INSIDE).is_some() {
        return run(args);
    }
    let namespaces: &[&str] = if rustix::process::geteuid().is_root() {
        &["--mount", "--propagation", "private"]
    } else {
        &["--user", "--map-root-user", "--mount", "--propagation", "private"]
    };
    let status = Command::new("unshare")
        .args(namespaces)
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("cannot run unshare: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(args: &Args) -> Outcome<ExitCode> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let scenarios = args.scenario.map_or_else(|| Scenario::ALL.to_vec(), |scenario| vec![scenario]);
    println!("seed {seed}");
    let lanes = std::thread::available_parallelism()?.get().min(scenarios.len());
    let (waiting, reports) = (Mutex::new(VecDeque::from(scenarios)), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                while let Some(scenario) = { lock(&waiting).pop_front() } {
                    let rounds = args.rounds.unwrap_or_else(|| scenario.rounds(args.short));
                    let order = Order { binary: args.binary.clone(), seed, rounds, short: args.short };
                    let report = one(scenario, &order);
                    lock(&reports).push(report);
                }
            });
        }
    });
    let mut reports = lock(&reports);
    reports.sort_by_key(|report| Scenario::ALL.iter().position(|scenario| *scenario == report.scenario));
    println!("{}", report::table(&reports));
    for report in reports.iter().filter(|report| report.failure.is_some()) {
        let (name, why) = (report.scenario.name(), report.failure.as_deref().unwrap_or_default());
        println!("{name} failed, again with -seed {seed} -scenario {name}: {why}\n");
    }
    let held = reports.iter().all(|report| report.failure.is_none());
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one scenario in a world of its own.
fn one(scenario: Scenario, order: &Order) -> Report {
    eprintln!("{}: {} rounds", scenario.name(), order.rounds);
    let since = Instant::now();
    let mut report = Report::new(scenario, order.rounds);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.map_err(Into::into).and_then(|runtime| {
        runtime.block_on(async {
            let mut world = scenario.world(order)?;
            let done = scenario.run(&mut world).await;
            report.take(&world);
            done.map_err(|error| format!("{error}\n{}", world.describe()).into())
        })
    });
    report.failure = done.err().map(|error: Box<dyn std::error::Error + Send + Sync>| error.to_string());
    report.time = since.elapsed();
    let why = report.failure.as_deref().and_then(|why| why.lines().next());
    let how = why.map_or_else(|| "ok".to_owned(), |why| format!("FAILED: {why}"));
    eprintln!("{}: after {:.1} s {how}", scenario.name(), report.time.as_secs_f64());
    report
}
