use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto, socket_with};

use super::*;
use crate::tree::Tree;

fn uevent(action: &str, name: &str) -> Uevent {
    Uevent {
        action: action.to_owned(),
        devpath: format!("/devices/pci0000:00/0000:00:02.0/drm/{name}"),
        subsystem: "drm".to_owned(),
        properties: BTreeMap::from([("DEVNAME".to_owned(), format!("dri/{name}"))]),
    }
}

fn append(tree: &Tree, bytes: &[u8]) {
    OpenOptions::new().append(true).open(tree.at(SIMULATED_FILE)).unwrap().write_all(bytes).unwrap();
}

/// Whether the source becomes readable; waits for it, but not for ever.
fn is_readable(source: &UeventSource, seconds: i64) -> bool {
    let mut fds = [PollFd::new(source, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: seconds, tv_nsec: 0 })).unwrap() == 1
}

fn drained(events: &[Uevent]) -> Drained {
    Drained { events: events.to_vec(), lost: false }
}

const LOST: Drained = Drained { events: Vec::new(), lost: true };

#[test]
fn the_kernels_format_is_understood() {
    let message =
        b"add@/devices/virtual/mem/null\0ACTION=add\0DEVPATH=/devices/virtual/mem/null\0SUBSYSTEM=mem\0\
        SYNTH_UUID=0\0MAJOR=1\0MINOR=3\0DEVNAME=null\0DEVMODE=0666\0EMPTY=\0EQUALS=a=b\0SEQNUM=2345\0";
    let event = Uevent::parse(message).unwrap();
    assert_eq!((event.action.as_str(), event.subsystem.as_str()), ("add", "mem"));
    assert_eq!(event.devpath, "/devices/virtual/mem/null");
    let properties: Vec<_> =
        event.properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let expected = [
        ("DEVMODE", "0666"),
        ("DEVNAME", "null"),
        ("EMPTY", ""),
        ("EQUALS", "a=b"),
        ("MAJOR", "1"),
        ("MINOR", "3"),
        ("SEQNUM", "2345"),
        ("SYNTH_UUID", "0"),
    ];
    assert_eq!(properties, expected);
}

#[test]
fn an_action_of_a_later_kernel_stays_text() {
    let event = Uevent::parse(b"teleport@/devices/platform/soc@0/gpu\0SUBSYSTEM=platform\0").unwrap();
    assert_eq!((event.action.as_str(), event.devpath.as_str()), ("teleport", "/devices/platform/soc@0/gpu"));
}

#[test]
fn what_the_kernel_does_not_send_is_refused() {
    let bad: [&[u8]; 8] = [
        b"",
        b"\0",
        b"libudev\0\xfe\xed\xca\xfe\x28\0\0\0add@/x\0",
        b"add",
        b"@/devices/x",
        b"add@devices/x",
        b"add@/devices/x\0no equals sign\0",
        b"\xff\xff\xff",
    ];
    for message in bad {
        assert_eq!(Uevent::parse(message), None, "{}", message.escape_ascii());
    }
}

#[test]
fn bytes_that_are_no_text_do_not_hide_the_event() {
    let event = Uevent::parse(b"add@/devices/x\0SUBSYSTEM=input\0NAME=\"\xff\"\0").unwrap();
    assert_eq!(event.subsystem, "input");
}

#[test]
fn simulated_events_come_in_order_and_only_from_now_on() {
    let tree = Tree::new();
    tree.file(SIMULATED_FILE, uevent("add", "card0").encode());
    let mut source = UeventSource::open(&tree.host()).unwrap();
    assert_eq!(source.drain().unwrap(), Drained::default());
    append(&tree, &[uevent("remove", "card0").encode(), uevent("add", "card1").encode()].concat());
    append(&tree, &uevent("change", "card1").encode());
    assert!(is_readable(&source, 10));
    let expected = [uevent("remove", "card0"), uevent("add", "card1"), uevent("change", "card1")];
    assert_eq!(source.drain().unwrap(), drained(&expected));
    assert!(!is_readable(&source, 0));
    assert_eq!(source.drain().unwrap(), Drained::default());
}

#[test]
fn the_file_is_made_and_stays_below_the_root() {
    let tree = Tree::new();
    let mut source = UeventSource::open(&tree.host()).unwrap();
    append(&tree, &uevent("add", "card0").encode());
    assert_eq!(source.drain().unwrap(), drained(&[uevent("add", "card0")]));

    let tree = Tree::new();
    tree.folder("/node");
    symlink("../outside", tree.at("/node/.uevents")).unwrap();
    UeventSource::open(&Host::at(tree.at("/node")).unwrap()).unwrap();
    assert!(tree.at("/node/outside").exists() && !tree.at("/outside").exists());
}

#[test]
fn a_record_that_is_written_in_pieces_comes_when_it_is_whole() {
    let tree = Tree::new();
    let mut source = UeventSource::open(&tree.host()).unwrap();
    let record = uevent("add", "card0").encode();
    let (last, rest) = record.split_last().unwrap();
    append(&tree, rest);
    assert_eq!(source.drain().unwrap(), Drained::default());
    append(&tree, &[*last]);
    assert_eq!(source.drain().unwrap(), drained(&[uevent("add", "card0")]));
}

#[test]
fn garbage_counts_as_lost_and_does_not_hide_what_follows() {
    let tree = Tree::new();
    let mut source = UeventSource::open(&tree.host()).unwrap();
    append(&tree, b"\xff\xffgarbage\0\0");
    append(&tree, &uevent("add", "card0").encode());
    assert_eq!(source.drain().unwrap(), Drained { events: vec![uevent("add", "card0")], lost: true });
}

#[test]
fn a_file_that_shrinks_or_grows_without_measure_counts_as_lost() {
    let tree = Tree::new();
    tree.file(SIMULATED_FILE, "something that was there before");
    let mut source = UeventSource::open(&tree.host()).unwrap();
    let file = File::options().write(true).open(tree.at(SIMULATED_FILE)).unwrap();
    file.set_len(3).unwrap();
    assert_eq!(source.drain().unwrap(), LOST);
    file.set_len(1 << 40).unwrap();
    assert_eq!(source.drain().unwrap(), LOST);
    append(&tree, &uevent("add", "card0").encode());
    assert_eq!(source.drain().unwrap(), drained(&[uevent("add", "card0")]));
}

#[test]
fn a_record_without_end_does_not_fill_the_memory() {
    let tree = Tree::new();
    let mut source = UeventSource::open(&tree.host()).unwrap();
    for expected in [Drained::default(), Drained::default(), LOST] {
        append(&tree, &vec![b'a'; 100_000]);
        assert_eq!(source.drain().unwrap(), expected);
    }
    append(&tree, &uevent("add", "card0").encode());
    assert_eq!(source.drain().unwrap(), drained(&[uevent("add", "card0")]));
}

#[test]
fn a_file_that_is_removed_is_an_error() {
    let tree = Tree::new();
    let mut source = UeventSource::open(&tree.host()).unwrap();
    std::fs::remove_file(tree.at(SIMULATED_FILE)).unwrap();
    assert!(is_readable(&source, 10));
    let error = source.drain().unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), "cannot follow /.uevents");
}

#[test]
fn a_folder_in_the_files_place_is_an_error() {
    let tree = Tree::new();
    tree.folder(SIMULATED_FILE);
    UeventSource::open(&tree.host()).unwrap_err();
}

/// Asks the kernel for an event of the null device, as `udevadm trigger` does. False where this user may not.
fn ask_for_event() -> bool {
    match std::fs::write("/sys/class/mem/null/uevent", "change") {
        Ok(()) => true,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "run this test as root: {error}");
            eprintln!("not tested: only root can ask for an event ({error})");
            false
        }
    }
}

fn is_ours(event: &Uevent) -> bool {
    event.devpath == "/devices/virtual/mem/null" && event.action == "change"
}

/// All events up to the one that was asked for.
fn events_until_ours(source: &mut UeventSource) -> Vec<Uevent> {
    let mut events = Vec::new();
    while !events.iter().any(is_ours) {
        assert!(is_readable(source, 10), "no event came but {events:?}");
        events.extend(source.drain().unwrap().events);
    }
    events
}

#[test]
fn the_kernels_events_arrive() {
    let mut source = UeventSource::open(&Host::real()).unwrap();
    if ask_for_event() {
        let events = events_until_ours(&mut source);
        let ours = events.iter().find(|event| is_ours(event)).unwrap();
        assert_eq!(ours.subsystem, "mem");
        assert_eq!(ours.properties.get("DEVNAME").unwrap(), "null");
    }
}

#[test]
fn what_another_process_sends_is_not_believed() {
    let mut source = UeventSource::open(&Host::real()).unwrap();
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT)).unwrap();
    let forged = uevent("add", "forged").encode();
    if ask_for_event() {
        sendto(&socket, &forged, SendFlags::empty(), &SocketAddrNetlink::new(0, 1)).unwrap();
        let mut events = events_until_ours(&mut source);
        ask_for_event();
        events.extend(events_until_ours(&mut source));
        assert!(events.iter().all(|event| !event.devpath.contains("forged")), "{events:?}");
    }
}

#[test]
fn events_that_the_kernel_drops_are_reported_as_lost() {
    let mut source = UeventSource::open(&Host::real()).unwrap();
    // More than the socket holds, where each event takes up a kilobyte at least.
    let room: usize = Host::real().parse("/proc/sys/net/core/rmem_default", "a size").unwrap();
    if (0..=room / 512).all(|_| ask_for_event()) {
        let drained = source.drain().unwrap();
        assert!(drained.lost && drained.events.iter().any(is_ours));
        ask_for_event();
        events_until_ours(&mut source);
    }
}

fn text(pattern: &str) -> impl Strategy<Value = String> + use<> {
    proptest::string::string_regex(pattern).unwrap()
}

proptest! {
    #[test]
    fn every_event_survives_its_encoding(
        action in text("[^\\x00@]{1,8}"),
        devpath in text("/[^\\x00]{0,30}"),
        subsystem in text("[^\\x00]{0,8}"),
        properties in prop::collection::btree_map(text("P[^\\x00=]{0,8}"), text("[^\\x00]{0,20}"), 0..6),
    ) {
        let event = Uevent { action, devpath, subsystem, properties };
        let record = event.encode();
        prop_assert!(record.ends_with(b"\0\0"));
        let ends = record.windows(2).filter(|pair| *pair == b"\0\0").count();
        prop_assert_eq!(ends, 1);
        prop_assert_eq!(Uevent::parse(&record), Some(event));
    }

    #[test]
    fn no_bytes_break_the_parser(bytes: Vec<u8>) {
        let _ = Uevent::parse(&bytes);
        let _ = Uevent::parse(&[b"add@/x\0", bytes.as_slice()].concat());
    }
}
