//! The embedded kubelet in a process of its own, which can be made to stand still.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use simulator::kubelet::{Kubelet, Options};
use tokio::sync::watch;

use crate::oracle::{Lists, differences, lists};
use crate::world::Outcome;

/// How this program is told to be the kubelet.
pub(crate) const FLAG: &str = "-kubelet";

/// Is a kubelet until its standard input ends. Prints its lists whenever they may have changed, in JSON, a line each time.
#[expect(clippy::print_stdout, reason = "it is what the other process reads")]
pub(crate) fn serve(folder: &Path) -> Outcome<()> {
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let kubelet = Kubelet::start(folder, Options::default())?;
        let mut state = kubelet.subscribe();
        loop {
            let now = lists(&state.borrow_and_update());
            println!("{}", serde_json::to_string(&now)?);
            state.changed().await?;
        }
    })
}

/// Such a process; killed when dropped.
#[derive(Debug)]
pub(crate) struct KubeletProcess {
    child: Child,
    lists: watch::Receiver<Lists>,
}

impl KubeletProcess {
    pub(crate) fn start(folder: &Path) -> Outcome<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg(FLAG).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or("no output of the kubelet")?;
        let (sender, lists) = watch::channel(Lists::new());
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(lists) = serde_json::from_str(&line) {
                    sender.send_replace(lists);
                }
            }
        });
        Ok(Self { child, lists })
    }

    /// Stands still until [`go_on`](Self::go_on), whatever it is doing.
    pub(crate) fn stand_still(&self) -> Outcome<()> {
        self.signal(Signal::STOP)
    }

    pub(crate) fn go_on(&self) -> Outcome<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Outcome<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.ok_or("no process number")?, signal)?)
    }

    /// Waits until it knows what is expected.
    pub(crate) async fn agree(&mut self, expected: &Lists, patience: Duration) -> Outcome<()> {
        let agreed = tokio::time::timeout(patience, self.lists.wait_for(|found| found == expected));
        if agreed.await.is_ok_and(|agreed| agreed.is_ok()) {
            return Ok(());
        }
        let found = self.lists.borrow().clone();
        Err(format!("not right within {patience:?}:\n{}", differences(&found, expected)).into())
    }
}

impl Drop for KubeletProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
