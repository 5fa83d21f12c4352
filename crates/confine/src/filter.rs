//! Which system calls may be made, by seccomp: an allow-list, with conditions on some arguments.
//!
//! The program is one block for each system call, which allows it or leads to the next block. Checking a hundred of them takes no
//! time: since Linux 5.11 the kernel remembers which it allows whatever the arguments are.

use libc::{c_long, sock_filter};

use crate::{Connects, Rules, Strictness, calls, syscalls};

// `struct seccomp_data`: the number, the processor, and from here on six arguments of 64 bits.
const NUMBER: u32 = 0;
const PROCESSOR: u32 = 4;
const ARGUMENTS: u32 = 16;

// `include/uapi/linux/audit.h`. Each other processor's numbers are others, so nothing is allowed by them.
#[cfg(target_arch = "x86_64")]
const THIS_PROCESSOR: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const THIS_PROCESSOR: u32 = 0xc000_00b7;

// Instructions, of `include/uapi/linux/bpf_common.h`: a word at a place; with, compared with, and returning a constant.
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// `FIONBIO`, `TCGETS` and `FIONREAD`.
const DO_NOT_WAIT: i32 = 0x5421;
const IS_A_TERMINAL: i32 = 0x5401;
const HOW_MUCH_TO_READ: i32 = 0x541b;

/// The bits above are flags.
const KIND_OF_SOCKET: i32 = 0xf;

/// What a thread can have of its own that is a namespace.
const NAMESPACES: i32 = libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWUTS;

/// A file that everybody may read.
const READABLE: i32 = 0o644;

const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
const EAFNOSUPPORT: u32 = libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT as u32;

/// Of the argument, the bits of the mask are these. They are the lower half, which is all that the kernel looks at.
#[derive(Clone, Copy)]
struct Condition {
    offset: u32,
    mask: u32,
    value: u32,
}

/// As above, of the argument with this index, from 0.
const fn bits(index: u32, mask: i32, value: i32) -> Condition {
    Condition { offset: ARGUMENTS + 8 * index, mask: mask.cast_unsigned(), value: value.cast_unsigned() }
}

const fn is(index: u32, value: i32) -> Condition {
    bits(index, -1, value)
}

/// glibc asks which addresses this machine has, to sort those of a name; without an answer it takes it to have all kinds.
const ROUTES: [Condition; 2] = [is(0, libc::AF_NETLINK), is(2, libc::NETLINK_ROUTE)];

/// The answer says what is in force, or why nothing is.
pub(crate) fn restrict(rules: &Rules, strictness: Strictness) -> Result<String, String> {
    let programs = [(Program::expected(rules), false), (Program::of(rules, strictness), true)];
    for (program, is_logged) in programs {
        calls::filter(&program.0, is_logged).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOSYS | libc::EINVAL) => format!("{error}: the kernel does not have it"),
            _ => format!("{error}: something else forbids to use it"),
        })?;
    }
    let count = syscalls::ALWAYS.len() + syscalls::OLD.len();
    Ok(format!("{count} system calls, and some forms of others"))
}

struct Program(Vec<sock_filter>);

impl Program {
    /// What the C library asks for in a healthy process, and gets an error that it knows what to do with. It is a filter of its
    /// own, so that nothing is logged of it; the kernel takes the stricter answer of the two.
    fn expected(rules: &Rules) -> Self {
        let mut program = Self(Vec::new());
        // What it asks for is in memory, where it cannot be seen: without it, glibc makes the older call.
        program.block(libc::SYS_clone3, &[], ENOSYS);
        if rules.connects == Connects::Anywhere {
            program.block(libc::SYS_socket, &ROUTES, EAFNOSUPPORT);
        }
        program.add(RETURN, libc::SECCOMP_RET_ALLOW);
        program
    }

    fn of(rules: &Rules, strictness: Strictness) -> Self {
        let mut program = Self(Vec::new());
        program.add(LOAD, PROCESSOR);
        program.jump_unless(THIS_PROCESSOR, 0, 1);
        program.add(RETURN, libc::SECCOMP_RET_KILL_PROCESS);
        for number in syscalls::ALWAYS.iter().chain(syscalls::OLD) {
            program.allow(*number, &[]);
        }
        // Threads, no processes; the newer call gets its answer above.
        program.allow(libc::SYS_clone, &[bits(0, libc::CLONE_THREAD | NAMESPACES, libc::CLONE_THREAD)]);
        program.allow(libc::SYS_clone3, &[]);
        // No memory that is run, and none of a file: those of PCI devices in sysfs are the registers of the hardware.
        let no_file = bits(3, libc::MAP_ANONYMOUS, libc::MAP_ANONYMOUS);
        program.allow(libc::SYS_mmap, &[bits(2, libc::PROT_EXEC, 0), no_file]);
        program.allow(libc::SYS_mprotect, &[bits(2, libc::PROT_EXEC, 0)]);
        // Signals to itself: by its number, which it keeps. Older kernels' Landlock does not know of signals.
        program.allow(libc::SYS_tgkill, &[is(0, std::process::id().cast_signed())]);
        // Others of it have signals sent to any process.
        for command in [libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL] {
            program.allow(libc::SYS_fcntl, &[is(1, command)]);
        }
        // It is nothing to Landlock whose mode is changed.
        program.allow(libc::SYS_fchmod, &[is(1, READABLE)]);
        program.allow(libc::SYS_prctl, &[is(0, libc::PR_SET_NAME)]);
        // What the limits are, and no new ones.
        let no_pointer = [is(2, 0), Condition { offset: ARGUMENTS + 8 * 2 + 4, mask: u32::MAX, value: 0 }];
        program.allow(libc::SYS_prlimit64, &no_pointer);
        for request in [DO_NOT_WAIT, IS_A_TERMINAL] {
            program.allow(libc::SYS_ioctl, &[is(1, request)]);
        }
        program.sockets(rules);
        let refused = match strictness {
            Strictness::Refuse => EPERM,
            Strictness::Kill => libc::SECCOMP_RET_KILL_PROCESS,
        };
        program.add(RETURN, refused);
        program
    }

    fn sockets(&mut self, rules: &Rules) {
        for number in [libc::SYS_socket, libc::SYS_socketpair] {
            self.allow(number, &[is(0, libc::AF_UNIX)]);
        }
        // The kernel's events of devices.
        let uevents = [is(0, libc::AF_NETLINK), is(2, libc::NETLINK_KOBJECT_UEVENT)];
        self.allow(libc::SYS_socket, &uevents);
        if rules.connects == Connects::Anywhere {
            self.allow(libc::SYS_socket, &ROUTES);
            // By glibc, of a name server's answer.
            self.allow(libc::SYS_ioctl, &[is(1, HOW_MUCH_TO_READ)]);
        }
        // Streams of other protocols than TCP, such as MPTCP, go anywhere, for Landlock.
        let kinds = [
            (rules.connects != Connects::No || rules.listens_on.is_some(), libc::SOCK_STREAM),
            // For names.
            (rules.connects == Connects::Anywhere, libc::SOCK_DGRAM),
        ];
        for (_, kind) in kinds.iter().filter(|(is_needed, _)| *is_needed) {
            for family in [libc::AF_INET, libc::AF_INET6] {
                self.allow(libc::SYS_socket, &[is(0, family), bits(1, KIND_OF_SOCKET, *kind), is(2, 0)]);
            }
        }
        // With this flag it connects, too, which Landlock does not see before Linux 7.2.
        for (number, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
            self.allow(number, &[bits(flags, libc::MSG_FASTOPEN, 0)]);
        }
    }

    fn allow(&mut self, number: c_long, conditions: &[Condition]) {
        self.block(number, conditions, libc::SECCOMP_RET_ALLOW);
    }

    /// What becomes of a call where all conditions hold; else it goes on with the next block.
    fn block(&mut self, number: c_long, conditions: &[Condition], action: u32) {
        // No list of system calls has so many.
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        // Three instructions for each condition, and the action.
        let mut left = u8::try_from(3 * conditions.len() + 1).unwrap_or(u8::MAX);
        self.add(LOAD, NUMBER);
        self.jump_unless(number, left, 0);
        for condition in conditions {
            left -= 3;
            self.add(LOAD, condition.offset);
            self.add(AND, condition.mask);
            self.jump_unless(condition.value, left, 0);
        }
        self.add(RETURN, action);
    }

    fn add(&mut self, code: u16, k: u32) {
        self.0.push(sock_filter { code, jt: 0, jf: 0, k });
    }

    /// Skips so many instructions where the value is another, and so many where it is this.
    fn jump_unless(&mut self, value: u32, other: u8, same: u8) {
        self.0.push(sock_filter { code: JUMP_IF_EQUAL, jt: same, jf: other, k: value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would do with this call: of both answers it takes the one that is less, with a sign.
    fn outcome(rules: &Rules, strictness: Strictness, number: c_long, arguments: &[u64]) -> u32 {
        let both = [Program::expected(rules), Program::of(rules, strictness)]
            .map(|program| answer(&program, THIS_PROCESSOR, number, arguments));
        both.into_iter().min_by_key(|action| action.cast_signed()).unwrap()
    }

    fn answer(program: &Program, processor: u32, number: c_long, arguments: &[u64]) -> u32 {
        let mut data = vec![u32::try_from(number).unwrap_or(u32::MAX), processor, 0, 0];
        for argument in arguments.iter().chain(&[0; 6]).take(6) {
            let halves = argument.to_le_bytes();
            data.extend(
                halves.chunks(4).map(|half| u32::from_le_bytes([half[0], half[1], half[2], half[3]])),
            );
        }
        let (mut next, mut value) = (0, 0);
        loop {
            let step = program.0[next];
            next += 1;
            match step.code {
                LOAD => value = data[step.k as usize / 4],
                AND => value &= step.k,
                JUMP_IF_EQUAL => next += usize::from(if value == step.k { step.jt } else { step.jf }),
                RETURN => return step.k,
                other => panic!("{other:#x}"),
            }
        }
    }

    fn is_allowed(rules: &Rules, number: c_long, arguments: &[u64]) -> bool {
        match outcome(rules, Strictness::Refuse, number, arguments) {
            libc::SECCOMP_RET_ALLOW => true,
            EPERM | EAFNOSUPPORT => false,
            other => panic!("{other:#x}"),
        }
    }

    fn bits_of(flags: i32) -> u64 {
        flags.cast_unsigned().into()
    }

    #[test]
    fn threads_can_be_made_but_no_processes() {
        let rules = Rules::default();
        let thread = bits_of(libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_THREAD);
        assert!(is_allowed(&rules, libc::SYS_clone, &[thread]));
        assert!(!is_allowed(&rules, libc::SYS_clone, &[bits_of(libc::SIGCHLD)]));
        for namespace in [libc::CLONE_NEWNS, libc::CLONE_NEWNET, libc::CLONE_NEWUSER] {
            assert!(!is_allowed(&rules, libc::SYS_clone, &[thread | bits_of(namespace)]), "{namespace:#x}");
        }
        assert!(!is_allowed(&rules, libc::SYS_clone, &[bits_of(libc::CLONE_VM | libc::CLONE_VFORK)]));
        assert_eq!(outcome(&rules, Strictness::Kill, libc::SYS_clone3, &[]), ENOSYS);
        for number in
            [libc::SYS_execve, libc::SYS_execveat, libc::SYS_ptrace, libc::SYS_io_uring_setup, libc::SYS_bpf]
        {
            assert!(!is_allowed(&rules, number, &[]), "{number}");
            let ended = outcome(&rules, Strictness::Kill, number, &[]);
            assert_eq!(ended, libc::SECCOMP_RET_KILL_PROCESS, "{number}");
        }
    }

    #[test]
    fn arguments_are_looked_at() {
        let rules = Rules::default();
        for number in [libc::SYS_mmap, libc::SYS_mprotect] {
            let data = bits_of(libc::PROT_READ | libc::PROT_WRITE);
            let anonymous = bits_of(libc::MAP_ANONYMOUS | libc::MAP_PRIVATE);
            assert!(is_allowed(&rules, number, &[0, 1, data, anonymous]));
            assert!(!is_allowed(&rules, number, &[0, 1, data | bits_of(libc::PROT_EXEC), anonymous]));
        }
        let a_file = [0, 1, bits_of(libc::PROT_READ), bits_of(libc::MAP_SHARED), 3];
        assert!(!is_allowed(&rules, libc::SYS_mmap, &a_file));
        assert!(is_allowed(&rules, libc::SYS_tgkill, &[std::process::id().into(), 1, 9]));
        assert!(!is_allowed(&rules, libc::SYS_tgkill, &[1, 1, 9]));
        assert!(is_allowed(&rules, libc::SYS_fcntl, &[3, bits_of(libc::F_SETFL)]));
        for command in [libc::F_SETOWN, 10 /* F_SETSIG */, libc::F_NOTIFY] {
            assert!(!is_allowed(&rules, libc::SYS_fcntl, &[3, bits_of(command)]), "{command}");
        }
        assert!(is_allowed(&rules, libc::SYS_fchmod, &[3, 0o644]));
        assert!(!is_allowed(&rules, libc::SYS_fchmod, &[3, 0o777]));
        for (number, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
            let mut arguments = [0; 6];
            arguments[flags] = bits_of(libc::MSG_NOSIGNAL);
            assert!(is_allowed(&rules, number, &arguments), "{number}");
            arguments[flags] |= bits_of(libc::MSG_FASTOPEN);
            assert!(!is_allowed(&rules, number, &arguments), "{number}");
        }
        assert!(is_allowed(&rules, libc::SYS_prlimit64, &[0, 3, 0, 1]));
        assert!(!is_allowed(&rules, libc::SYS_prlimit64, &[0, 3, 1]));
        assert!(!is_allowed(&rules, libc::SYS_prlimit64, &[0, 3, 1 << 32]));
        assert!(is_allowed(&rules, libc::SYS_prctl, &[bits_of(libc::PR_SET_NAME)]));
        assert!(!is_allowed(&rules, libc::SYS_prctl, &[bits_of(libc::PR_SET_DUMPABLE)]));
        assert!(is_allowed(&rules, libc::SYS_ioctl, &[1, bits_of(IS_A_TERMINAL)]));
        assert!(!is_allowed(&rules, libc::SYS_ioctl, &[1, libc::TIOCSTI]));
    }

    #[test]
    fn sockets_are_those_that_the_rules_need() {
        let tcp = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let (udp, raw) = (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, libc::SOCK_RAW);
        let (no, one, anywhere) = (Connects::No, Connects::To(443), Connects::Anywhere);
        let rules = [(None, no), (Some(9090), no), (None, one), (None, anywhere)]
            .map(|(listens_on, connects)| Rules { listens_on, connects, ..Rules::default() });
        for (family, kind, protocol, allowed) in [
            (libc::AF_UNIX, tcp, 0, [true, true, true, true]),
            (libc::AF_INET, tcp, 0, [false, true, true, true]),
            (libc::AF_INET6, tcp, 0, [false, true, true, true]),
            (libc::AF_INET, tcp, libc::IPPROTO_MPTCP, [false, false, false, false]),
            (libc::AF_INET, udp, 0, [false, false, false, true]),
            (libc::AF_INET, udp, libc::IPPROTO_ICMP, [false, false, false, false]),
            (libc::AF_INET, raw, 0, [false, false, false, false]),
            (libc::AF_NETLINK, udp, libc::NETLINK_KOBJECT_UEVENT, [true, true, true, true]),
            (libc::AF_NETLINK, udp, libc::NETLINK_ROUTE, [false, false, false, false]),
            (libc::AF_PACKET, raw, 0, [false, false, false, false]),
            (libc::AF_VSOCK, tcp, 0, [false, false, false, false]),
        ] {
            let arguments = [family, kind, protocol].map(bits_of);
            let found = rules.each_ref().map(|rules| is_allowed(rules, libc::SYS_socket, &arguments));
            assert_eq!(found, allowed, "{family} {kind} {protocol}");
        }
    }

    #[test]
    fn who_looks_up_names_is_told_that_there_are_no_routes_and_is_not_ended() {
        let routes =
            [libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE].map(bits_of);
        let length = [3, bits_of(HOW_MUCH_TO_READ)];
        for (connects, expected, of_length) in [
            (Connects::No, libc::SECCOMP_RET_KILL_PROCESS, libc::SECCOMP_RET_KILL_PROCESS),
            (Connects::To(443), libc::SECCOMP_RET_KILL_PROCESS, libc::SECCOMP_RET_KILL_PROCESS),
            (Connects::Anywhere, EAFNOSUPPORT, libc::SECCOMP_RET_ALLOW),
        ] {
            let rules = Rules { connects, ..Rules::default() };
            assert_eq!(
                outcome(&rules, Strictness::Kill, libc::SYS_socket, &routes),
                expected,
                "{connects:?}"
            );
            assert_eq!(
                outcome(&rules, Strictness::Kill, libc::SYS_ioctl, &length),
                of_length,
                "{connects:?}"
            );
        }
    }

    #[test]
    fn nothing_is_allowed_by_another_processors_numbers() {
        let program = Program::of(&Rules::default(), Strictness::Refuse);
        // i386, where 3 is read.
        assert_eq!(answer(&program, 0x4000_0003, 3, &[]), libc::SECCOMP_RET_KILL_PROCESS);
        // x32 has a bit of its own.
        assert_eq!(answer(&program, THIS_PROCESSOR, libc::SYS_read | 0x4000_0000, &[]), EPERM);
    }

    /// In a process of its own, whose filters are then for all of its threads.
    #[test]
    fn where_the_kernel_has_neither_all_goes_on() {
        let words = ["--exact", "--ignored", "--nocapture", "filter::tests::inner_without_either"];
        let output =
            std::process::Command::new(std::env::current_exe().unwrap()).args(words).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    #[ignore = "runs within where_the_kernel_has_neither_all_goes_on"]
    fn inner_without_either() {
        let mut older = Program(Vec::new());
        older.block(libc::SYS_landlock_create_ruleset, &[], ENOSYS);
        older.block(libc::SYS_seccomp, &[], ENOSYS);
        older.add(RETURN, libc::SECCOMP_RET_ALLOW);
        rustix::thread::set_no_new_privs(true).unwrap();
        calls::filter(&older.0, false).unwrap();
        let report = crate::confine(&Rules::default(), Strictness::Kill);
        assert_eq!(report.landlock, Err("the kernel does not have it".to_owned()));
        let why = report.seccomp.unwrap_err();
        assert!(why.ends_with(": the kernel does not have it"), "{why}");
        assert!(std::fs::read_dir("/proc/self").unwrap().count() > 0);
        let program = std::process::Command::new("/bin/true").status();
        assert!(program.unwrap().success(), "a program can be run");
    }
}
