//! The operator on a real API server that has thousands of nodes: what it costs, and how soon it says what has changed.

mod api;
mod cluster;
mod figures;
mod measure;
mod objects;
mod running;

use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode};

use cluster::Cluster;
use measure::{Bench, Measured};

use crate::figures::{Bar, Figure, table};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Says that this process is the one in the namespaces.
const INSIDE: &str = "BENCH_INSIDE";

/// Measures and prints. It runs again in a network and with processes of its own: the Go implementation's ports cannot be chosen,
/// and all processes end with this one.
pub(crate) fn run(
    operator: &Path,
    kubernetes: &Path,
    reference: Option<&Path>,
    quick: bool,
) -> Result<ExitCode, Box<dyn Error>> {
    if std::env::var_os(INSIDE).is_none() {
        let status = Command::new("unshare")
            .args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-ec", r#"ip link set lo up; "$0" "$@""#])
            .arg(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .env(INSIDE, "1")
            .status()
            .map_err(|error| format!("cannot run unshare: {error}"))?;
        return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(inside(operator, kubernetes, reference, quick));
    done.map(|()| ExitCode::SUCCESS).map_err(|error| -> Box<dyn Error> { error })
}

async fn inside(operator: &Path, kubernetes: &Path, reference: Option<&Path>, quick: bool) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    eprintln!("the API server starts");
    let cluster = Cluster::start(kubernetes, folder.path()).await?;
    cluster.install()?;
    let mut bench = Bench::new(cluster, quick);
    let measured = measure_all(&mut bench, operator, reference).await;
    let (ours, theirs) = measured.map_err(|error| {
        let logs = ["operator", "kube-apiserver"].map(|who| bench.cluster.said(who));
        format!("{error}\n{}", logs.join("\n"))
    })?;
    println!("{}", table(&figures(&ours, theirs.as_ref())));
    Ok(())
}

async fn measure_all(
    bench: &mut Bench,
    operator: &Path,
    reference: Option<&Path>,
) -> Outcome<(Measured, Option<Measured>)> {
    let (few, grown) = bench.fill(operator, &["operator"]).await?;
    let measured = bench.measure(operator, &["operator"]).await?;
    let ours = Measured { few: Some(few), grown: Some(grown), ..measured };
    let theirs = match reference {
        None => None,
        Some(reference) => {
            bench.cluster.allow_all()?;
            Some(bench.measure(reference, &[]).await?)
        }
    };
    Ok((ours, theirs))
}

fn figures(ours: &Measured, theirs: Option<&Measured>) -> Vec<Figure> {
    let figure = |what, unit, bar, value: fn(&Measured) -> f64| Figure {
        what,
        unit,
        bar,
        ours: value(ours),
        reference: theirs.map(value).filter(|value| value.is_finite()),
    };
    let at_most = |bar| Some(Bar::AtMost(bar));
    vec![
        figure(
            "before there are pods: a DaemonSet's status changes: writes for each",
            "",
            at_most(1.0),
            |m| Measured::of(m.few.as_ref(), |it| it.writes) / m.count_of_changes,
        ),
        figure("before there are pods: rounds of these changes, p99", "ms", at_most(50.0), |m| {
            Measured::of(m.few.as_ref(), |it| it.rounds.percentile(99.0))
        }),
        figure("peak memory (RSS) while pods came", "MB", at_most(30.0), |m| {
            Measured::of(m.grown.as_ref(), |it| it.rss_mb)
        }),
        figure("processor time while they came", "ms", None, |m| {
            Measured::of(m.grown.as_ref(), |it| it.cpu_ms)
        }),
        figure("writes while they came", "", None, |m| Measured::of(m.grown.as_ref(), |it| it.writes)),
        figure("start: until all objects were looked at", "ms", None, |m| m.start.time_ms),
        figure("start: processor time", "ms", None, |m| m.start.cpu_ms),
        figure("start: writes", "", None, |m| m.start.writes),
        figure("start: peak memory (RSS)", "MB", at_most(30.0), |m| m.start.rss_mb),
        figure("steady: writes in a minute", "", at_most(0.0), |m| m.steady.writes),
        figure("steady: processor time in a minute", "ms", None, |m| m.steady.cpu_ms),
        figure("status of a DaemonSet changes: writes for each", "", at_most(1.0), |m| {
            m.changes.writes / m.count_of_changes
        }),
        figure("time until the object says so, median", "ms", None, |m| m.latency.percentile(50.0)),
        figure("time until the object says so, p99", "ms", None, |m| m.latency.percentile(99.0)),
        figure("processor time for each", "ms", None, |m| m.changes.cpu_ms / m.count_of_changes),
        figure("the API server's part: answers to writes, median", "ms", None, |m| {
            m.changes.answers.percentile(50.0)
        }),
        figure("the API server's part: answers to writes, p99", "ms", None, |m| {
            m.changes.answers.percentile(99.0)
        }),
        figure("rounds of these changes, median", "ms", None, |m| m.changes.rounds.percentile(50.0)),
        figure("rounds of these changes, p99", "ms", at_most(50.0), |m| m.changes.rounds.percentile(99.0)),
        figure("1,000 pods are ready no more: writes", "", None, |m| m.pods.writes),
        figure("1,000 pods are ready no more: processor time", "ms", None, |m| m.pods.cpu_ms),
        figure("each node is alive: writes", "", at_most(0.0), |m| m.alive.writes),
        figure("each node is alive: processor time", "ms", None, |m| m.alive.cpu_ms),
        figure("all rounds, p99", "ms", at_most(50.0), |m| m.rounds.percentile(99.0)),
        figure("peak memory (RSS)", "MB", at_most(30.0), |m| m.alive.rss_mb),
        figure("memory that is not of files, at the end", "MB", None, |m| m.anonymous_mb),
    ]
}
