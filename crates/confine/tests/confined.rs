//! What a confined process can do, and what it cannot. Each test runs itself again as the process that is confined, which must have
//! but one thread. The usual harness runs tests on others, so this one is its own.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt as _;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use confine::{Access, Connects, Report, Rules, Strictness};
use rustix::fs::{CWD, FileType, Mode};
use rustix::net::{AddressFamily, SocketType, ipproto};

/// Where the process that is confined works; not there in the one that starts it.
const FOLDER: &str = "CONFINED_IN";

/// What the process that is confined says at the end.
const DONE: &str = "done as a confined process";

/// Instead of a test's name, in the process that is to be confined: says what came of it.
const ASKS: &str = "asks for Landlock";

const TESTS: &[(&str, fn())] = &[
    ("files_can_be_used_as_the_rules_say", files_can_be_used_as_the_rules_say),
    ("threads_that_are_started_later_are_confined_too", threads_that_are_started_later_are_confined_too),
    ("no_program_is_run", no_program_is_run),
    ("of_tcp_there_is_the_port_of_the_rules", of_tcp_there_is_the_port_of_the_rules),
    ("without_a_port_there_is_no_tcp", without_a_port_there_is_no_tcp),
    ("who_asks_servers_can_connect", who_asks_servers_can_connect),
    ("who_asks_one_server_can_connect_to_its_port", who_asks_one_server_can_connect_to_its_port),
    ("sockets_without_a_path_are_those_of_the_process", sockets_without_a_path_are_those_of_the_process),
    ("a_strict_process_is_ended_by_what_is_not_allowed", a_strict_process_is_ended_by_what_is_not_allowed),
    ("a_process_with_several_threads_keeps_its_files", a_process_with_several_threads_keeps_its_files),
    (
        "where_it_is_forbidden_the_report_says_so_and_all_goes_on",
        where_it_is_forbidden_the_report_says_so_and_all_goes_on,
    ),
];

/// Runs the tests whose names hold the word that is given, as the usual harness does; the confined process has one to run.
fn main() -> ExitCode {
    let has_a_meaning = |word: &String| word != "--nocapture" && !word.starts_with("--test-threads=");
    let words: Vec<String> = std::env::args().skip(1).filter(has_a_meaning).collect();
    let word = match &words[..] {
        [] => "",
        [word] if !word.starts_with('-') => word,
        _ => {
            println!("expected a part of the tests' names, and no flags: {words:?}");
            return ExitCode::FAILURE;
        }
    };
    let is_inside = inside().is_some();
    if is_inside && word == ASKS {
        println!("{:?}", confine::confine(&Rules::default(), Strictness::Refuse));
        return ExitCode::SUCCESS;
    }
    if !is_inside && !has_landlock() {
        println!("skipped, for this kernel has no Landlock: all tests of what is confined");
        return ExitCode::SUCCESS;
    }
    let mut code = ExitCode::SUCCESS;
    let is_asked_for = |name: &str| if is_inside { name == word } else { name.contains(word) };
    for (name, test) in TESTS.iter().filter(|(name, _)| is_asked_for(name)) {
        let passed = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            code = ExitCode::FAILURE;
        }
    }
    if is_inside {
        println!("{DONE}");
    }
    code
}

/// Whether the tests can succeed. CI may skip nothing, so they are run there, and fail.
fn has_landlock() -> bool {
    let said = String::from_utf8(run(ASKS, Path::new("/")).stdout).unwrap();
    let is_missing = ["Err(\"the kernel does not have it", "Err(\"it was not switched on"]
        .iter()
        .any(|why| said.contains(&format!("landlock: {why}")));
    !is_missing || std::env::var_os("CI").is_some()
}

/// The folder, in the process that is to be confined.
fn inside() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Runs the test of this name in a process of its own.
fn run(test: &str, folder: &Path) -> Output {
    Command::new(std::env::current_exe().unwrap()).arg(test).env(FOLDER, folder).output().unwrap()
}

/// As above; the test must succeed.
#[track_caller]
fn succeed(test: &str, folder: &Path) {
    let output = run(test, folder);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains(DONE), "{:?}\n{said}", output.status);
}

/// Both must be in force, or the test says nothing.
#[track_caller]
fn confine(rules: &Rules, strictness: Strictness) -> Report {
    let report = confine::confine(rules, strictness);
    assert!(report.landlock.is_ok() && report.seccomp.is_ok(), "{report:?}");
    report
}

#[track_caller]
fn refused<T>(outcome: io::Result<T>) {
    match outcome {
        Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}"),
        Ok(_) => panic!("it is allowed"),
    }
}

fn files_can_be_used_as_the_rules_say() {
    let Some(folder) = inside() else {
        let folder = tempfile::tempdir().unwrap();
        for name in ["listed", "read", "written", "kept", "folders", "sockets", "other"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("file"), name).unwrap();
        }
        fs::write(folder.path().join("alone"), "alone").unwrap();
        symlink("../other/file", folder.path().join("read/link")).unwrap();
        return succeed("files_can_be_used_as_the_rules_say", folder.path());
    };
    let [listed, read, written, kept, folders, sockets, other] =
        ["listed", "read", "written", "kept", "folders", "sockets", "other"].map(|name| folder.join(name));
    let mut rules = Rules::default();
    rules.allow(&listed, Access::List).allow(&read, Access::Read).allow(&written, Access::Write);
    rules.allow(&kept, Access::Keep).allow(&folders, Access::Folders).allow(&sockets, Access::Sockets);
    rules.allow(folder.join("alone"), Access::Keep).allow(folder.join("none"), Access::Keep);
    let before = File::open(other.join("file")).unwrap();
    let _ = confine(&rules, Strictness::Kill);

    assert_eq!(fs::read_dir(&listed).unwrap().count(), 1);
    refused(fs::read(listed.join("file")));

    assert_eq!(fs::read(read.join("file")).unwrap(), b"read");
    refused(File::options().write(true).open(read.join("file")));
    refused(fs::remove_file(read.join("file")));
    refused(fs::read(read.join("link")));

    fs::write(written.join("file"), "").unwrap();
    refused(fs::write(written.join("new"), ""));
    refused(fs::remove_file(written.join("file")));

    fs::write(kept.join("new"), "").unwrap();
    fs::rename(kept.join("new"), kept.join("file")).unwrap();
    symlink("file", kept.join("link")).unwrap();
    fs::remove_file(kept.join("link")).unwrap();
    refused(fs::create_dir(kept.join("folder")));
    refused(UnixListener::bind(kept.join("socket")));
    // What is below other rules is not reached by moving it here.
    assert!(fs::rename(other.join("file"), kept.join("theirs")).is_err());
    assert!(fs::rename(kept.join("file"), other.join("ours")).is_err());

    fs::create_dir(folders.join("new")).unwrap();
    fs::write(folders.join("new/file"), "").unwrap();
    fs::rename(folders.join("new/file"), folders.join("file")).unwrap();
    fs::remove_dir(folders.join("new")).unwrap();
    assert!(fs::rename(folders.join("file"), kept.join("theirs")).is_err());
    refused(UnixListener::bind(folders.join("socket")));

    let listener = UnixListener::bind(sockets.join("socket")).unwrap();
    UnixStream::connect(sockets.join("socket")).unwrap();
    fs::remove_file(sockets.join("socket")).unwrap();
    refused(fs::write(sockets.join("new"), ""));
    drop(listener);

    refused(fs::read(other.join("file")));
    refused(fs::read_dir(&other));
    refused(fs::read_dir("/"));
    assert_eq!(fs::read(folder.join("alone")).unwrap(), b"alone");
    // The state of files is no secret, and what is open stays open.
    assert!(other.join("file").exists());
    assert_eq!(io::read_to_string(before).unwrap(), "other");
}

fn threads_that_are_started_later_are_confined_too() {
    let Some(folder) = inside() else {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        return succeed("threads_that_are_started_later_are_confined_too", folder.path());
    };
    let _ = confine(&Rules::default(), Strictness::Kill);
    std::thread::spawn(move || refused(fs::read(folder.join("file")))).join().unwrap();
}

fn no_program_is_run() {
    if inside().is_none() {
        return succeed("no_program_is_run", Path::new("/"));
    }
    let mut rules = Rules::default();
    rules.allow("/", Access::Keep);
    let _ = confine(&rules, Strictness::Refuse);
    refused(Command::new("/bin/true").spawn());
    // Even without another process.
    refused(Err::<(), _>(std::os::unix::process::CommandExt::exec(&mut Command::new("/bin/true"))));
}

fn of_tcp_there_is_the_port_of_the_rules() {
    let Some(folder) = inside() else {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        return succeed("of_tcp_there_is_the_port_of_the_rules", Path::new(&port.to_string()));
    };
    let others: u16 = folder.to_str().unwrap().parse().unwrap();
    let own = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut rules = Rules::default();
    rules.listens_on = Some(own);
    let _ = confine(&rules, Strictness::Refuse);
    let listener = TcpListener::bind(("127.0.0.1", own)).unwrap();
    assert_eq!(listener.local_addr().unwrap().port(), own);
    refused(TcpListener::bind("127.0.0.1:0"));
    refused(TcpStream::connect(("127.0.0.1", others)));
    refused(UdpSocket::bind("127.0.0.1:0"));
}

fn without_a_port_there_is_no_tcp() {
    let Some(folder) = inside() else {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        return succeed("without_a_port_there_is_no_tcp", Path::new(&port.to_string()));
    };
    let port: u16 = folder.to_str().unwrap().parse().unwrap();
    let _ = confine(&Rules::default(), Strictness::Refuse);
    refused(TcpListener::bind("127.0.0.1:0"));
    refused(TcpStream::connect(("127.0.0.1", port)));
}

fn who_asks_servers_can_connect() {
    let Some(folder) = inside() else {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        return succeed("who_asks_servers_can_connect", Path::new(&port.to_string()));
    };
    let port: u16 = folder.to_str().unwrap().parse().unwrap();
    let mut rules = Rules::default();
    rules.connects = Connects::Anywhere;
    let _ = confine(&rules, Strictness::Kill);
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    // As the resolver does.
    let asks = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(rustix::io::ioctl_fionread(&asks).unwrap(), 0);
    let routes = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None);
    assert_eq!(routes.unwrap_err(), rustix::io::Errno::AFNOSUPPORT);
    refused(TcpListener::bind("127.0.0.1:0"));
}

fn who_asks_one_server_can_connect_to_its_port() {
    let Some(folder) = inside() else {
        let listeners =
            [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
        let ports = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port().to_string());
        return succeed("who_asks_one_server_can_connect_to_its_port", Path::new(&ports.join(" ")));
    };
    let (one, other) = folder.to_str().unwrap().split_once(' ').unwrap();
    let [one, other] = [one, other].map(|port| port.parse::<u16>().unwrap());
    let mut rules = Rules::default();
    rules.connects = Connects::To(one);
    let _ = confine(&rules, Strictness::Refuse);
    TcpStream::connect(("127.0.0.1", one)).unwrap();
    refused(TcpStream::connect(("127.0.0.1", other)));
    refused(UdpSocket::bind("127.0.0.1:0"));
    // Landlock's rules for TCP are not for what is made of it.
    let multipath = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::MPTCP));
    refused(multipath.map_err(io::Error::from));
}

/// Since version 6 of Landlock.
fn sockets_without_a_path_are_those_of_the_process() {
    let Some(folder) = inside() else {
        let folder = tempfile::tempdir().unwrap();
        let _theirs = UnixListener::bind_addr(
            &SocketAddr::from_abstract_name(folder.path().to_str().unwrap()).unwrap(),
        );
        return succeed("sockets_without_a_path_are_those_of_the_process", folder.path());
    };
    let theirs = SocketAddr::from_abstract_name(folder.to_str().unwrap()).unwrap();
    let report = confine(&Rules::default(), Strictness::Kill);
    let version = report.landlock.unwrap();
    let version: u32 = version.split([' ', ',']).nth(1).unwrap().parse().unwrap();
    let outcome = UnixStream::connect_addr(&theirs);
    if version < 6 {
        outcome.unwrap();
    } else {
        refused(outcome);
    }
}

/// Whether the process of this test was ended for a system call.
#[track_caller]
fn is_ended(test: &str, folder: &str) {
    let output = run(test, Path::new(folder));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // SIGSYS. Without the seccomp filter each call would fail, too, where the process has no privilege.
    assert_eq!(output.status.signal(), Some(31), "{folder}: {:?}\n{said}", output.status);
}

fn a_strict_process_is_ended_by_what_is_not_allowed() {
    let calls = [
        "mount",
        "ptrace",
        "unshare",
        "module",
        "setns",
        "host name",
        "program",
        "memory",
        "signal",
        "mode",
        "node",
    ];
    let Some(call) = inside() else {
        return calls
            .iter()
            .for_each(|call| is_ended("a_strict_process_is_ended_by_what_is_not_allowed", call));
    };
    let file = File::open("/dev/null").unwrap();
    let _ = confine(&Rules::default(), Strictness::Kill);
    let outcome = match call.to_str().unwrap() {
        "mount" => format!("{:?}", rustix::mount::unmount("/nowhere", rustix::mount::UnmountFlags::empty())),
        "ptrace" => format!("{:?}", nix::sys::ptrace::traceme()),
        "unshare" => format!("{:?}", nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER)),
        "module" => format!("{:?}", nix::kmod::finit_module(&file, c"", nix::kmod::ModuleInitFlags::empty())),
        "setns" => format!("{:?}", nix::sched::setns(&file, nix::sched::CloneFlags::CLONE_NEWNS)),
        "host name" => format!("{:?}", nix::unistd::sethostname("other")),
        "program" => format!("{:?}", Command::new("/bin/true").status()),
        "memory" => {
            format!("{:?}", nix::sys::memfd::memfd_create(c"", nix::sys::memfd::MemFdCreateFlag::empty()))
        }
        "signal" => format!("{:?}", nix::sys::signal::kill(nix::unistd::getppid(), None)),
        "mode" => format!("{:?}", file.set_permissions(fs::Permissions::from_mode(0o777))),
        "node" => {
            format!("{:?}", rustix::fs::mknodat(CWD, "/nowhere", FileType::CharacterDevice, Mode::empty(), 0))
        }
        other => panic!("{other}"),
    };
    panic!("it goes on: {outcome}");
}

fn a_process_with_several_threads_keeps_its_files() {
    let Some(folder) = inside() else {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "text").unwrap();
        return succeed("a_process_with_several_threads_keeps_its_files", folder.path());
    };
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || {
        let _ = ended.recv();
        Command::new("/bin/true").spawn()
    });
    let report = confine::confine(&Rules::default(), Strictness::Refuse);
    assert_eq!(report.landlock, Err("it would hold for one of 2 threads only".to_owned()));
    assert!(report.seccomp.is_ok(), "{report:?}");
    assert_eq!(fs::read(folder.join("file")).unwrap(), b"text");
    // The filter holds for all of them.
    drop(end);
    refused(other.join().unwrap());
}

/// As in a container whose own filter has none of it.
fn where_it_is_forbidden_the_report_says_so_and_all_goes_on() {
    let Some(folder) = inside() else {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "text").unwrap();
        return succeed("where_it_is_forbidden_the_report_says_so_and_all_goes_on", folder.path());
    };
    let mut rules = Rules::default();
    rules.allow(&folder, Access::Read);
    let _ = confine(&rules, Strictness::Refuse);
    let report = confine::confine(&Rules::default(), Strictness::Refuse);
    for outcome in [report.landlock, report.seccomp] {
        let why = outcome.unwrap_err();
        assert!(why.contains("Operation not permitted"), "{why}");
    }
    assert_eq!(fs::read(folder.join("file")).unwrap(), b"text");
}
