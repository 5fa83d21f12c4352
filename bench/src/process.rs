//! A process under measurement.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A program that runs; ended when dropped.
pub(crate) struct Process {
    child: Child,
    /// Just before the process was made.
    pub(crate) started: Instant,
}

impl Process {
    /// Starts `binary` with `args`; its log goes to `log`.
    pub(crate) fn start(binary: &Path, args: &[String], log: &Path) -> io::Result<Self> {
        let mut command = Command::new(binary);
        command.args(args);
        Self::run(command, log)
    }

    /// Starts `command`; its log goes to `log`.
    pub(crate) fn run(mut command: Command, log: &Path) -> io::Result<Self> {
        let log = fs::OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let started = Instant::now();
        Ok(Self { child: command.spawn()?, started })
    }

    /// The most memory that it had so far, in KiB (`VmHWM` of `/proc/PID/status`).
    pub(crate) fn peak_rss_kib(&self) -> io::Result<f64> {
        self.status("VmHWM:")
    }

    /// The memory that is not of files, in KiB, now (`RssAnon`).
    pub(crate) fn anonymous_rss_kib(&self) -> io::Result<f64> {
        self.status("RssAnon:")
    }

    fn status(&self, name: &str) -> io::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number =
            line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
        number.ok_or_else(|| io::Error::other(format!("no {name} in /proc/PID/status")))
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// The processor time of all its threads so far (`/proc/PID/task/*/schedstat`, nanoseconds). Threads that ended
    /// are not in it.
    pub(crate) fn cpu_time(&self) -> io::Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds +=
                text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()).map(Pid::from_raw)
            && let Some(pid) = pid
        {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
