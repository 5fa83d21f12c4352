//! An operator that runs, and what it does in a while.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use client::Server;
use http_body_util::Full;
use hyper::Request;

use super::Outcome;
use super::cluster::{Cluster, NAMESPACE};
use super::figures::Rounds;
use crate::figures::Samples;
use crate::process::Process;

/// Where both implementations show their figures, and look for a certificate in the folder for temporary files.
const METRICS_PORT: u16 = 8080;
const CERTIFICATES: &str = "k8s-webhook-server/serving-certs";
/// Generous: a guard against hanging.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// What an operator did in a while.
#[derive(Debug, Default)]
pub(crate) struct While {
    pub(crate) time_ms: f64,
    /// How many requests wrote something.
    pub(crate) writes: f64,
    /// How long the server took for each of them, in milliseconds.
    pub(crate) answers: Samples,
    pub(crate) cpu_ms: f64,
    pub(crate) rounds: Rounds,
    /// The most until its end, since the process began.
    pub(crate) rss_mb: f64,
}

/// An operator that runs.
pub(crate) struct Operator<'a> {
    pub(crate) process: Process,
    cluster: &'a Cluster,
    began: Began,
}

/// How it was when a while began.
struct Began {
    at: Instant,
    writes: usize,
    cpu: Duration,
    rounds: Rounds,
}

impl<'a> Operator<'a> {
    /// Starts it, with the words `command` before its flags, and waits for its figures.
    pub(crate) async fn start(program: &Path, command: &[&str], cluster: &'a Cluster) -> Outcome<Self> {
        eprintln!("{} starts", program.display());
        certificate(&cluster.folder.join(CERTIFICATES))?;
        let mut line = Command::new(program);
        line.args(command).arg("-kubeconfig").arg(cluster.kubeconfig()?);
        line.env("DEVICEPLUGIN_NAMESPACE", NAMESPACE).env("TMPDIR", &cluster.folder);
        let writes = cluster.writes()?.len();
        let process = Process::run(line, &cluster.folder.join("operator.log"))?;
        let began = Began { at: process.started, writes, cpu: Duration::ZERO, rounds: Rounds::default() };
        let mut operator = Self { process, cluster, began };
        while operator.rounds().await.is_err() {
            operator.wait(operator.began.at, "figures").await?;
        }
        Ok(operator)
    }

    /// A moment; an error if it has ended, or all took too long.
    pub(crate) async fn wait(&mut self, begun: Instant, what: &str) -> Outcome<()> {
        self.check()?;
        if begun.elapsed() > PATIENCE {
            return Err(format!("there are no {what} after {PATIENCE:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(())
    }

    pub(crate) fn check(&mut self) -> Outcome<()> {
        match self.process.ended()? {
            None => Ok(()),
            Some(status) => Err(format!("the operator has ended: {status}").into()),
        }
    }

    pub(crate) async fn rounds(&self) -> Outcome<Rounds> {
        let server = Server { host: "127.0.0.1".to_owned(), port: METRICS_PORT, tls: None };
        let request = Request::get("/metrics").body(Full::default())?;
        let answer = client::ask(&server, request, 8 << 20).await;
        let (_, page) = answer
            .map_err(|failure| format!("cannot {} the operator: {}", failure.operation, failure.source))?;
        Rounds::of(std::str::from_utf8(&page)?)
    }

    /// What it did since the last end, and since its start the first time.
    pub(crate) async fn end_of(&mut self, what: &str) -> Outcome<While> {
        self.check()?;
        let all = self.cluster.writes()?;
        let mut answers = Samples::default();
        all.iter().skip(self.began.writes).for_each(|took| answers.add(*took));
        let now = Began {
            at: Instant::now(),
            writes: all.len(),
            cpu: self.process.cpu_time()?,
            rounds: self.rounds().await?,
        };
        let done = While {
            time_ms: (now.at - self.began.at).as_secs_f64() * 1e3,
            writes: f64::from(u32::try_from(answers.len())?),
            answers,
            cpu_ms: now.cpu.saturating_sub(self.began.cpu).as_secs_f64() * 1e3,
            rounds: now.rounds.since(&self.began.rounds),
            rss_mb: self.process.peak_rss_kib()? / 1024.0,
        };
        self.began = now;
        eprintln!(
            "  {what}: {} writes, {:.1} ms, {} rounds (p99 {} ms), {:.1} MB at most, {:.1} MB of them not of files",
            done.writes,
            done.cpu_ms,
            done.rounds.count(),
            done.rounds.percentile(99.0),
            done.rss_mb,
            self.process.anonymous_rss_kib()? / 1024.0
        );
        Ok(done)
    }
}

/// Makes the certificate of webhooks that nobody asks.
fn certificate(folder: &Path) -> Outcome<()> {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join("tls.crt"), certificate.cert.pem())?;
    fs::write(folder.join("tls.key"), certificate.signing_key.serialize_pem())?;
    Ok(())
}
