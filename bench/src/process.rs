//! A plugin's process under measurement.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A plugin that runs; ended when dropped.
pub(crate) struct Plugin {
    child: Child,
    /// Just before the process was made.
    pub(crate) started: Instant,
}

impl Plugin {
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
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number =
            line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
        number.ok_or_else(|| io::Error::other("no VmHWM in /proc/PID/status"))
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

impl Drop for Plugin {
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
