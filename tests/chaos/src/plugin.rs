//! The shipped binary as a process.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::oracle::Usage;

/// SIGTERM should take a second; a busy machine may take longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A plugin that runs; killed when dropped.
#[derive(Debug)]
pub(crate) struct Plugin {
    child: Child,
}

/// `program` with its arguments as containers run it: root without any capability, so that permissions count. Others have
/// none anyway.
pub(crate) fn without_capabilities(program: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    if rustix::process::geteuid().is_root() {
        let wrapper = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"];
        words.extend(wrapper.map(str::to_owned));
    }
    words.extend_from_slice(program);
    words
}

impl Plugin {
    /// Starts it; its log goes to the end of `log`.
    pub(crate) fn start(words: &[String], log: &Path) -> io::Result<Self> {
        let (program, args) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let log = fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Ok(Self { child: command.spawn()? })
    }

    /// Fails when it has ended, which it never does by itself.
    pub(crate) fn check_alive(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("the plugin ended by itself: {status}")),
            Err(error) => Err(format!("the plugin cannot be waited for: {error}")),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it like the kubelet does, and checks that it says that all went well.
    pub(crate) fn end(mut self) -> Result<(), String> {
        self.signal(Signal::TERM);
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            match self.child.try_wait().map_err(|error| error.to_string())? {
                None => std::thread::sleep(Duration::from_millis(2)),
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("after SIGTERM the plugin ended with {status}")),
            }
        }
        Err(format!("the plugin did not end within {PATIENCE:?} after SIGTERM"))
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    /// Stands still until [`go_on`](Self::go_on), as on a node that has no time for it.
    pub(crate) fn stand_still(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        // A process that has ended and was not waited for keeps its number.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process uses, by `/proc`.
pub(crate) fn usage(pid: u32) -> io::Result<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number =
            line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
        number.ok_or_else(|| io::Error::other(format!("no {name} in /proc/PID/status")))
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    let descriptors = u64::try_from(descriptors).unwrap_or(u64::MAX);
    Ok(Usage { kib: number("VmRSS:")?, threads: number("Threads:")?, descriptors })
}
