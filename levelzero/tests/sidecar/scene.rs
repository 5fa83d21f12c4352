//! A sidecar that runs with the fake driver.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::PATIENCE;
use crate::client::Client;

/// By which library the sidecar comes to the driver.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Loader {
    /// Debian's; that of bookworm is of before Sysman had calls of its own to begin with.
    Debian,
    /// The driver in a loader's place, with all calls of newer ones.
    Newer,
}

impl Loader {
    /// The call that makes Sysman ready.
    pub(crate) fn init(self) -> &'static str {
        match self {
            Loader::Debian if !debians().is_some_and(|path| has_own_sysman(&path)) => "zeInit",
            _ => "zesInit",
        }
    }
}

/// The loaders that are there. Debian's is to be where tests run for everyone.
pub(crate) fn loaders() -> Vec<Loader> {
    if debians().is_some() {
        return vec![Loader::Debian, Loader::Newer];
    }
    assert!(std::env::var_os("CI").is_none(), "libze1 is not installed: run tests/cluster/install");
    eprintln!("not tested with Debian's loader: libze1 is not installed (tests/cluster/install)");
    vec![Loader::Newer]
}

fn debians() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    folders.iter().map(|folder| Path::new(folder).join("libze_loader.so.1")).find(|path| path.exists())
}

fn has_own_sysman(library: &Path) -> bool {
    fs::read(library).unwrap().windows(9).any(|name| name == b"\0zesInit\0")
}

/// A folder with the driver's state, and what runs with it.
pub(crate) struct Scene {
    folder: TempDir,
    loader: Loader,
}

impl Scene {
    pub(crate) fn new(loader: Loader, state: &str) -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap(), loader };
        symlink(driver(), scene.path("libze_loader.so.1")).unwrap();
        mknodat(CWD, scene.path("state.gate"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        scene.driver_is(state);
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes what the driver has and does.
    pub(crate) fn driver_is(&self, state: &str) {
        // At once, for the driver may be reading it.
        fs::write(self.path("new"), state).unwrap();
        fs::rename(self.path("new"), self.path("state")).unwrap();
    }

    /// Lets the call that hangs come back; waits until there is one.
    pub(crate) fn release(&self) {
        OpenOptions::new().write(true).open(self.path("state.gate")).unwrap();
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_intel_gpu_levelzero"));
        command.arg("-socket").arg(self.path("socket")).env("FAKE_ZE", self.path("state"));
        match self.loader {
            Loader::Debian => command.env("ZE_ENABLE_ALT_DRIVERS", driver()).env("ZES_ENABLE_SYSMAN", "1"),
            Loader::Newer => command.env("LD_LIBRARY_PATH", self.folder.path()),
        };
        command
    }

    /// A sidecar that is ready, and a client of it.
    pub(crate) fn start(&self) -> (Sidecar, Client) {
        let mut sidecar = Sidecar::spawn(self.command());
        sidecar.wait_for("Level Zero is ready");
        (sidecar, Client::of(&self.path("socket")))
    }
}

/// The fake driver's library, which is built with the tests.
pub(crate) fn driver() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let path = program.parent().unwrap().join("libfake_levelzero_driver.so");
    assert!(path.exists(), "{} is not built", path.display());
    path
}

pub(crate) struct Sidecar {
    child: Child,
    lines: Receiver<String>,
}

impl Sidecar {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// Waits for a line of the log with this text and returns it.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("the log has no {text:?}: {error}"));
            eprintln!("{line}");
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn terminate(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
