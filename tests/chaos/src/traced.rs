//! The plugin as a traced process (`ptrace(2)`): killed at a chosen system call, or with another time of day than the machine.
//!
//! What a killed process leaves behind is what its system calls did. So to kill it before each of them in turn is to kill it in
//! every state that anybody could tell from another, at every await point and between them.
//!
//! The time of day is changed for this process alone, in the answers of the kernel. So that the kernel is asked at all, and not the
//! code that it maps into each process (vDSO), the program starts without knowing of that.

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the registers of system calls are those of x86-64");

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::world::Outcome;

/// How this program is told to become the traced one.
pub(crate) const FLAG: &str = "-traced";

/// In the auxiliary vector (`elf.h`): where the vDSO is, and an entry that nobody reads.
const SYSINFO_EHDR: u64 = 33;
const IGNORE: u64 = 1;

/// What the tracing thread is to do, and what it has seen.
#[derive(Debug, Default)]
struct Orders {
    /// System calls that began since the last [`Traced::count`].
    calls: AtomicU64,
    /// At which of them the process is to be killed; 0 for none.
    kill_at: AtomicU64,
    /// Whether that happened.
    killed: AtomicBool,
    /// Seconds between the machine's time of day and the process's.
    ahead: AtomicI64,
    /// How often the process asked for the time of day.
    asked: AtomicU64,
}

/// A traced process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Traced {
    pid: Pid,
    orders: Arc<Orders>,
    thread: Option<JoinHandle<Result<WaitStatus, String>>>,
}

/// What the process started with [`FLAG`] does.
pub(crate) fn become_traced(words: &[OsString]) -> Outcome<()> {
    let (program, args) = words.split_first().ok_or("no program to trace")?;
    ptrace::traceme()?;
    Err(Command::new(program).args(args).exec().into())
}

impl Traced {
    pub(crate) fn start(words: &[String], log: &Path) -> Outcome<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let orders = Arc::<Orders>::default();
        let (sender, started) = mpsc::channel();
        let (words, obeyed) = (words.to_vec(), Arc::clone(&orders));
        // Who traces a process is a thread, and all that it asks for must come from there.
        let thread = std::thread::spawn(move || {
            let mut command = Command::new("/proc/self/exe");
            command.arg(FLAG).args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let child = command.spawn().map_err(|error| error.to_string())?;
            let pid = Pid::from_raw(i32::try_from(child.id()).map_err(|error| error.to_string())?);
            let _ = sender.send(pid);
            follow(pid, &obeyed)
        });
        Ok(Self { pid: started.recv()?, orders, thread: Some(thread) })
    }

    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// Counts system calls anew.
    pub(crate) fn count(&self) {
        self.orders.calls.store(0, Ordering::SeqCst);
    }

    pub(crate) fn counted(&self) -> u64 {
        self.orders.calls.load(Ordering::SeqCst)
    }

    /// Counts anew, and kills the process before it does what it asks for with that system call.
    pub(crate) fn kill_at(&self, call: u64) {
        self.count();
        self.orders.kill_at.store(call, Ordering::SeqCst);
    }

    /// Puts its time of day ahead, or back.
    pub(crate) fn set_clock(&self, seconds_ahead: i64) {
        self.orders.ahead.store(seconds_ahead, Ordering::SeqCst);
    }

    /// How often it asked for the time of day.
    pub(crate) fn asked_for_time(&self) -> u64 {
        self.orders.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Fails when it has ended.
    pub(crate) fn check_alive(&self) -> Result<(), String> {
        if self.is_over() { Err("the plugin ended by itself".to_owned()) } else { Ok(()) }
    }

    /// Ends it as the kubelet does, and checks that it says that all went well.
    pub(crate) fn end(mut self) -> Outcome<()> {
        kill(self.pid, Signal::SIGTERM)?;
        match self.join()? {
            WaitStatus::Exited(_, 0) => Ok(()),
            status => Err(format!("after SIGTERM the plugin ended with {status:?}").into()),
        }
    }

    /// Kills it if that has not happened yet, and waits until it is gone. Whether it was killed at the chosen system call.
    pub(crate) fn kill(mut self) -> Outcome<bool> {
        // It may be ending just now.
        let _ = kill(self.pid, Signal::SIGKILL);
        self.join()?;
        Ok(self.orders.killed.load(Ordering::SeqCst))
    }

    fn join(&mut self) -> Outcome<WaitStatus> {
        let thread = self.thread.take().ok_or("the process was waited for already")?;
        let ended = thread.join().ok().ok_or("the tracing thread panicked")?;
        Ok(ended?)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if self.thread.is_some() {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = self.join();
        }
    }
}

/// Follows the process and its threads from one system call to the next, until it has ended.
fn follow(process: Pid, orders: &Orders) -> Result<WaitStatus, String> {
    // Whether each thread is in a system call.
    let mut threads: HashMap<Pid, bool> = HashMap::new();
    loop {
        // Not those that other threads of this program have started.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let status = match waitpid(None, Some(flags)) {
            Err(Errno::EINTR) => continue,
            status => status.map_err(|error| format!("cannot wait for the plugin: {error}"))?,
        };
        match status {
            WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _) if pid == process => {
                return Ok(status);
            }
            WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _) => drop(threads.remove(&pid)),
            WaitStatus::Stopped(pid, signal) if threads.contains_key(&pid) => resume(pid, Some(signal))?,
            WaitStatus::Stopped(pid, _) => {
                // The first stop of each is the tracing's own.
                threads.insert(pid, false);
                if pid == process {
                    let options = Options::PTRACE_O_TRACESYSGOOD
                        | Options::PTRACE_O_TRACECLONE
                        | Options::PTRACE_O_TRACEEXEC
                        | Options::PTRACE_O_EXITKILL;
                    gone(ptrace::setoptions(pid, options))?;
                    hide_vdso(pid)?;
                }
                resume(pid, None)?;
            }
            WaitStatus::PtraceEvent(pid, _, event) => {
                if event == libc::PTRACE_EVENT_EXEC {
                    threads.insert(pid, true);
                    hide_vdso(pid)?;
                }
                resume(pid, None)?;
            }
            WaitStatus::PtraceSyscall(pid) => {
                let ends = threads.insert(pid, false).unwrap_or_default();
                if ends {
                    change_time(pid, orders)?;
                } else {
                    threads.insert(pid, true);
                    let call = orders.calls.fetch_add(1, Ordering::SeqCst) + 1;
                    if call == orders.kill_at.load(Ordering::SeqCst) {
                        orders.killed.store(true, Ordering::SeqCst);
                        gone(kill(process, Signal::SIGKILL))?;
                        continue;
                    }
                }
                resume(pid, None)?;
            }
            WaitStatus::Continued(_) | WaitStatus::StillAlive => {}
        }
    }
}

/// At the end of a system call: if it was for the time of day, its answer is changed.
fn change_time(thread: Pid, orders: &Orders) -> Result<(), String> {
    let Some(registers) = gone(ptrace::getregs(thread))? else { return Ok(()) };
    // Both structures begin with the seconds.
    let address = match registers.orig_rax.cast_signed() {
        libc::SYS_clock_gettime if is_time_of_day(registers.rdi) => registers.rsi,
        libc::SYS_gettimeofday => registers.rdi,
        _ => return Ok(()),
    };
    if registers.rax != 0 || address == 0 {
        return Ok(());
    }
    orders.asked.fetch_add(1, Ordering::SeqCst);
    let failed = |error: std::io::Error| format!("cannot change the plugin's time: {error}");
    let memory = memory(thread).map_err(failed)?;
    let mut seconds = [0; 8];
    memory.read_exact_at(&mut seconds, address).map_err(failed)?;
    let seconds = i64::from_le_bytes(seconds).saturating_add(orders.ahead.load(Ordering::SeqCst)).max(0);
    memory.write_all_at(&seconds.to_le_bytes(), address).map_err(failed)
}

fn is_time_of_day(clock: u64) -> bool {
    [libc::CLOCK_REALTIME, libc::CLOCK_REALTIME_COARSE]
        .iter()
        .any(|known| u64::from(known.unsigned_abs()) == clock)
}

/// A program that was just loaded has on its stack: the number of its arguments, their addresses, 0, those of its environment, 0, and
/// pairs of numbers that the kernel tells it.
fn hide_vdso(process: Pid) -> Result<(), String> {
    let Some(registers) = gone(ptrace::getregs(process))? else { return Ok(()) };
    let failed = |error: std::io::Error| format!("cannot read the plugin's stack: {error}");
    let memory = memory(process).map_err(failed)?;
    let word = |address: u64| {
        let mut bytes = [0; 8];
        memory.read_exact_at(&mut bytes, address).map(|()| u64::from_le_bytes(bytes)).map_err(failed)
    };
    let mut address = registers.rsp + 8 * (word(registers.rsp)? + 2);
    while word(address)? != 0 {
        address += 8;
    }
    address += 8;
    loop {
        match word(address)? {
            0 => return Ok(()),
            SYSINFO_EHDR => return memory.write_all_at(&IGNORE.to_le_bytes(), address).map_err(failed),
            _ => address += 16,
        }
    }
}

fn memory(thread: Pid) -> std::io::Result<fs::File> {
    OpenOptions::new().read(true).write(true).open(format!("/proc/{thread}/mem"))
}

fn resume(thread: Pid, signal: Option<Signal>) -> Result<(), String> {
    gone(ptrace::syscall(thread, signal)).map(drop)
}

/// A thread may be killed at any time; its end is told by the next wait.
fn gone<T>(result: nix::Result<T>) -> Result<Option<T>, String> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::ESRCH) => Ok(None),
        Err(error) => Err(format!("cannot trace the plugin: {error}")),
    }
}
