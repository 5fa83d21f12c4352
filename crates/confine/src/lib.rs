//! A process that gives up what it will not need, so that who takes it over gets no more than that.
//!
//! [`confine`] restricts the process for good: which files it may open and which TCP ports it may use, by
//! [Landlock](https://docs.kernel.org/userspace-api/landlock.html); which system calls it may make, by
//! [seccomp](https://docs.kernel.org/userspace-api/seccomp_filter.html). It may run no program, make no process, and gain no
//! privilege. What is open before stays open.
//!
//! Each of the two is in force where the kernel, and what else confines the process, let it be; else the [`Report`] says why
//! not, and nothing is different.
//!
//! ```no_run
//! use confine::{Access, Rules, Strictness};
//!
//! let mut rules = Rules::default();
//! rules.allow("/sys", Access::Read).allow("/var/run/cdi", Access::Keep);
//! let report = confine::confine(&rules, Strictness::Refuse);
//! assert_eq!(std::fs::read("/etc/shadow").unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
//! # drop(report);
//! ```

mod calls;
mod filter;
mod landlock;
mod syscalls;

use std::path::{Path, PathBuf};

/// What a process goes on to need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    paths: Vec<(PathBuf, Access)>,
    /// The TCP port to listen on, if any.
    pub listens_on: Option<u16>,
    /// To whom it opens connections over TCP.
    pub connects: Connects,
}

/// To which TCP ports connections are opened, of any machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Connects {
    /// To none.
    #[default]
    No,
    /// To this one, by addresses.
    To(u16),
    /// To all; names are looked up, too.
    Anywhere,
}

/// What may be done with a file, or with all that is below a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// List folders.
    List,
    /// That, and read files.
    Read,
    /// That, and write to files that are there.
    Write,
    /// That, and make and remove files and links.
    Keep,
    /// That, and make and remove folders, and move files between them. Version 1 of Landlock cannot allow it, so it is not in force.
    Folders,
    /// List folders, make and remove sockets. Files can be removed too, for the kernel does not tell them apart.
    Sockets,
}

/// What becomes of a system call that is not among those that are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// It fails with `EPERM`.
    Refuse,
    /// The process ends by SIGSYS: in tests, nothing is refused unseen.
    Kill,
}

/// What is in force from now on: for each, what it is, or why it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Report {
    /// Files, TCP ports, and other processes.
    pub landlock: Result<String, String>,
    /// System calls.
    pub seccomp: Result<String, String>,
}

impl Rules {
    /// Allows this for a path, and for all that is below it at any time. A path that is not there is left out: what is made
    /// there later is not allowed.
    pub fn allow(&mut self, path: impl Into<PathBuf>, access: Access) -> &mut Self {
        self.paths.push((path.into(), access));
        self
    }

    /// The same for each of them.
    pub fn allow_all(
        &mut self,
        paths: impl IntoIterator<Item = impl AsRef<Path>>,
        access: Access,
    ) -> &mut Self {
        self.paths.extend(paths.into_iter().map(|path| (path.as_ref().to_owned(), access)));
        self
    }

    /// Allows to read a file that is replaced now and then: all that is in its folder, and in that of what it is a link to, as
    /// mounted Secrets are.
    pub fn allow_file(&mut self, path: &Path) -> &mut Self {
        let folder = |path: &Path| {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            folder.unwrap_or(Path::new(".")).to_owned()
        };
        let target = path.canonicalize().ok();
        let paths = [Some(path), target.as_deref()].into_iter().flatten();
        self.allow_all(paths.map(folder), Access::Read)
    }
}

/// Restricts the process, for good. Landlock needs that no thread has been started yet.
pub fn confine(rules: &Rules, strictness: Strictness) -> Report {
    // Both want it, unless from a process that may administer the system.
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        let why = format!("privileges cannot be given up: {error}");
        return Report { landlock: Err(why.clone()), seccomp: Err(why) };
    }
    let landlock = landlock::restrict(rules);
    // After Landlock, whose system calls are not allowed any more then.
    let seccomp = filter::restrict(rules, strictness);
    Report { landlock, seccomp }
}
