//! Follows a program and all that it starts from one system call to the next (`ptrace(2)`), and answers those that are about
//! FPGA nodes.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;

use nix::errno::Errno;
use nix::libc::{self, user_regs_struct};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::kernel::Kernel;
use crate::log::Log;
use crate::memory::Memory;
use crate::node::Nodes;
use crate::request::Request;

/// `RESOLVE_IN_ROOT` of `openat2(2)`.
const IN_ROOT: u64 = 0x10;

/// Room for a path, and for what a function may keep below the stack (128 bytes, by the ABI of x86-64).
const BELOW_STACK: u64 = 4096;

/// `AT_FDCWD`, which like any number that is no file descriptor stands for the current folder.
const HERE: u32 = u32::MAX;

pub(crate) struct Tracer {
    kernel: Kernel,
    nodes: Nodes,
    log: Log,
    threads: HashMap<Pid, Call>,
}

/// Where a thread is.
enum Call {
    /// Outside of any system call.
    None,
    /// In one that the kernel does.
    Real,
    /// In one that the kernel does with another path; this was in its registers.
    Redirected(user_regs_struct),
    /// In one that is answered here.
    Answered(Result<i64, Errno>),
}

impl Tracer {
    pub(crate) fn new(kernel: Kernel, nodes: Nodes, log: Log) -> Self {
        Self { kernel, nodes, log, threads: HashMap::new() }
    }

    /// Follows a child that has said that it will be traced, until it and all that it has started have ended. Gives its exit
    /// status.
    pub(crate) fn follow(mut self, child: u32) -> Result<u8, String> {
        let child = Pid::from_raw(i32::try_from(child).map_err(|error| error.to_string())?);
        let mut code = 0;
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Err(Errno::ECHILD) => return Ok(code),
                Err(Errno::EINTR) => continue,
                status => status.map_err(|error| format!("cannot wait for the program: {error}"))?,
            };
            match status {
                WaitStatus::Exited(pid, status) => {
                    self.threads.remove(&pid);
                    if pid == child {
                        code = u8::try_from(status & 0xff).unwrap_or(u8::MAX);
                    }
                }
                WaitStatus::Signaled(pid, signal, _) => {
                    self.threads.remove(&pid);
                    if pid == child {
                        code = u8::try_from(128 + signal as i32).unwrap_or(u8::MAX);
                    }
                }
                WaitStatus::Stopped(pid, signal) => self.signalled(pid, child, signal)?,
                WaitStatus::PtraceSyscall(pid) => {
                    self.system_call(pid)?;
                    resume(pid, None)?;
                }
                WaitStatus::PtraceEvent(pid, _, event) => {
                    if event == libc::PTRACE_EVENT_EXEC {
                        // Whatever thread asked for it goes on as the first one, which may have been anywhere.
                        self.threads.insert(pid, Call::Real);
                    }
                    resume(pid, None)?;
                }
                WaitStatus::Continued(_) | WaitStatus::StillAlive => {}
            }
        }
    }

    fn signalled(&mut self, thread: Pid, child: Pid, signal: Signal) -> Result<(), String> {
        if self.threads.contains_key(&thread) {
            return resume(thread, Some(signal));
        }
        // The first stop of each is the tracing's own.
        self.threads.insert(thread, Call::None);
        if thread == child {
            let options = Options::PTRACE_O_TRACESYSGOOD
                | Options::PTRACE_O_TRACECLONE
                | Options::PTRACE_O_TRACEFORK
                | Options::PTRACE_O_TRACEVFORK
                | Options::PTRACE_O_TRACEEXEC
                | Options::PTRACE_O_EXITKILL;
            gone(ptrace::setoptions(thread, options))?;
        }
        resume(thread, None)
    }

    /// A thread begins or ends a system call.
    fn system_call(&mut self, thread: Pid) -> Result<(), String> {
        let Some(mut registers) = gone(ptrace::getregs(thread))? else { return Ok(()) };
        match self.threads.insert(thread, Call::None) {
            Some(Call::Answered(answer)) => {
                let value = answer.unwrap_or_else(|error| -i64::from(error as i32));
                registers.rax = value.cast_unsigned();
                gone(ptrace::setregs(thread, registers))?;
            }
            Some(Call::Redirected(before)) => {
                // Programs count on their registers being as they were.
                registers.rdi = before.rdi;
                registers.rsi = before.rsi;
                gone(ptrace::setregs(thread, registers))?;
            }
            Some(Call::Real) => {}
            Some(Call::None) | None => {
                let call = self.begin(thread, registers)?;
                if matches!(call, Call::Answered(_)) {
                    // No system call has this number, so the kernel does nothing.
                    registers.orig_rax = u64::MAX;
                    gone(ptrace::setregs(thread, registers))?;
                }
                self.threads.insert(thread, call);
            }
        }
        Ok(())
    }

    fn begin(&mut self, thread: Pid, registers: user_regs_struct) -> Result<Call, String> {
        let user_regs_struct { rdi, rsi, rdx, .. } = registers;
        match registers.orig_rax.cast_signed() {
            libc::SYS_ioctl => self.ioctl(thread, rdi, low(rsi), rdx),
            libc::SYS_open => self.open(thread, registers, HERE, rdi, false, rsi),
            libc::SYS_openat => self.open(thread, registers, low(rdi), rsi, false, rdx),
            libc::SYS_openat2 => {
                let how =
                    Memory::of(thread).and_then(|memory| Ok((memory.array(rdx)?, memory.array(rdx + 16)?)));
                let Ok((flags, resolve)) = how else { return Ok(Call::Real) };
                let in_root = u64::from_le_bytes(resolve) & IN_ROOT != 0;
                self.open(thread, registers, low(rdi), rsi, in_root, u64::from_le_bytes(flags))
            }
            _ => Ok(Call::Real),
        }
    }

    fn ioctl(&mut self, thread: Pid, descriptor: u64, number: u32, address: u64) -> Result<Call, String> {
        let Some(node) = self.nodes.of_descriptor(thread, descriptor) else { return Ok(Call::Real) };
        let (name, argument, answer) = match (Request::of(number, &node), Memory::of(thread)) {
            (Some(request), Ok(memory)) => {
                let (argument, answer) = self.kernel.ioctl(&node, &self.nodes, request, &memory, address);
                (request.name().to_owned(), argument, answer)
            }
            (Some(request), Err(error)) => (request.name().to_owned(), Value::Null, Err(error)),
            // What both drivers say of numbers that none of their features knows.
            (None, _) => (format!("{number:#x}"), Value::Null, Err(Errno::EINVAL)),
        };
        self.log.write(&node.name, &name, &argument, answer)?;
        Ok(Call::Answered(answer))
    }

    fn open(
        &mut self,
        thread: Pid,
        mut registers: user_regs_struct,
        folder: u32,
        address: u64,
        in_root: bool,
        flags: u64,
    ) -> Result<Call, String> {
        let path = Memory::of(thread).ok().and_then(|memory| memory.text(address));
        let opening = path.and_then(|path| self.nodes.opening(thread, folder, &path, in_root, flags));
        let Some(opening) = opening else { return Ok(Call::Real) };
        let is_refused = self.nodes.is_refused(&opening);
        let answer = if is_refused { Err(Errno::EBUSY) } else { Ok(0) };
        let argument = json!({"exclusive": opening.exclusive});
        self.log.write(&opening.node.name, "open", &argument, answer)?;
        let Some(instead) = opening.instead.filter(|_| !is_refused) else {
            return Ok(if is_refused { Call::Answered(answer) } else { Call::Real });
        };
        let before = registers;
        // Below the stack, and what the program may use of it.
        let place = registers.rsp - BELOW_STACK;
        let path = [instead.as_os_str().as_bytes(), &[0]].concat();
        let written = Memory::of(thread).and_then(|memory| memory.write(place, &path));
        written.map_err(|error| format!("cannot give the program another path: {error}"))?;
        let register = if registers.orig_rax.cast_signed() == libc::SYS_open {
            &mut registers.rdi
        } else {
            &mut registers.rsi
        };
        *register = place;
        gone(ptrace::setregs(thread, registers))?;
        Ok(Call::Redirected(before))
    }
}

/// The part of a register in which an `int` is passed.
fn low(register: u64) -> u32 {
    let [a, b, c, d, ..] = register.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn resume(thread: Pid, signal: Option<Signal>) -> Result<(), String> {
    gone(ptrace::syscall(thread, signal)).map(drop)
}

/// A thread may be killed at any time; the end of it is told by the next wait.
fn gone<T>(result: nix::Result<T>) -> Result<Option<T>, String> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::ESRCH) => Ok(None),
        Err(error) => Err(format!("cannot trace the program: {error}")),
    }
}
