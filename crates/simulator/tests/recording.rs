//! Recordings of trees.
#![expect(clippy::unwrap_used, reason = "a helper of tests that fails should end the test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use host::{PciId, Reads};
use simulator::{Profile, SimulatedNode, record};

/// A node with these lines.
fn node(lines: &str) -> (tempfile::TempDir, SimulatedNode) {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::parse("test", lines).unwrap();
    let node = SimulatedNode::create_with_stand_ins(folder.path(), &profile).unwrap();
    (folder, node)
}

/// What is recorded of such a node; a node that is made of it gives the same.
fn recorded(lines: &str, reads: &[Reads]) -> Vec<String> {
    let (_folder, made) = node(lines);
    let text = record(&made.host(), reads.iter().copied()).unwrap();
    let (_folder, again) = node(&text);
    assert_eq!(record(&again.host(), reads.iter().copied()).unwrap(), text);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn only_what_patterns_name_is_recorded() {
    let lines = "file /sys/devices/a/vendor 0x8086\nfile /sys/devices/a/serial_number 1234\nfile /sys/devices/a/rom x\n\
                 file /sys/devices/b/vendor 0x8086\nlink /sys/class/drm/card0 -> /sys/devices/a\n\
                 link /sys/class/drm/card0-DP-1 -> /sys/devices/b\n";
    assert_eq!(
        recorded(lines, &[Reads::of("/sys/class/drm/card#", &["vendor", "none", "#"])]),
        ["link /sys/class/drm/card0 -> ../../devices/a", "file /sys/devices/a/vendor 0x8086"]
    );
}

#[test]
fn links_are_recorded_wherever_they_are_on_the_way() {
    let lines = "file /sys/devices/a/b/state on\nlink /sys/bus/one -> /sys/bus/two\nlink /sys/bus/two -> /sys/devices/a\n\
                 link /sys/devices/a/driver -> /sys/bus/drivers/x\ndir /sys/bus/drivers/x\n\
                 dangling /sys/devices/a/gone -> ../nothing\ndangling /sys/devices/a/circle -> circle\n";
    assert_eq!(
        recorded(lines, &[Reads::of("/sys/bus/one", &["b/state", "driver", "gone/x", "circle"])]),
        [
            "dir /sys/bus/drivers/x",
            "link /sys/bus/one -> two",
            "link /sys/bus/two -> ../devices/a",
            "file /sys/devices/a/b/state on",
            "dangling /sys/devices/a/circle -> circle",
            "link /sys/devices/a/driver -> ../../bus/drivers/x",
            "dangling /sys/devices/a/gone -> ../nothing",
        ]
    );
}

#[test]
fn folders_above_are_looked_at_too() {
    let lines =
        "file /sys/devices/a/numa_node 1\nfile /sys/devices/a/b/c/state on\nfile /sys/devices/a/b/name x\n";
    assert_eq!(
        recorded(lines, &[Reads::of("/sys/devices/a/b/c", &[".../numa_node", "../name"])]),
        ["dir /sys/devices/a/b/c", "file /sys/devices/a/b/name x", "file /sys/devices/a/numa_node 1"]
    );
}

#[test]
fn an_empty_folder_that_is_listed_is_recorded() {
    let reads = [Reads::of("/sys/class/drm", &["card#"])];
    assert_eq!(recorded("dir /sys/class/drm\n", &reads), ["dir /sys/class/drm"]);
    assert_eq!(recorded("dir /sys/class/misc\n", &reads), [""; 0]);
}

#[test]
fn with_a_device_node_go_the_links_by_its_number() {
    let lines = "char /dev/dsa/wq0.0 236:0\nlink /dev/char/236:0 -> /dev/dsa/wq0.0\nlink /sys/dev/char/236:0 -> /sys/devices/q\n\
                 file /sys/devices/q/dev 236:0\nchar /dev/tty 5:0\nlink /dev/char/5:0 -> /dev/tty\n";
    assert_eq!(
        recorded(lines, &[Reads::of("/dev/dsa", &["*"])]),
        [
            "link /dev/char/236:0 -> ../dsa/wq0.0",
            "char /dev/dsa/wq0.0 236:0",
            "link /sys/dev/char/236:0 -> ../../devices/q",
            "dir /sys/devices/q",
        ]
    );
}

#[test]
fn ids_and_words_narrow_what_is_recorded() {
    let lines = "file /sys/f/1/vendor 0x8086\nfile /sys/f/1/device 0x0b25\nfile /sys/f/1/state on\nfile /sys/f/2/vendor 0x8086\n\
                 file /sys/f/2/device 0x1111\nfile /sys/f/2/state on\nfile /sys/f/cmdline a secret b\n";
    let reads = [
        Reads::of("/sys/f/#", &["vendor", "device", "state"]).only(PciId(0x8086), &[PciId(0x0b25)]),
        Reads::of("/sys/f", &["cmdline"]).keeping(|text| text.replace("secret ", "")),
    ];
    assert_eq!(
        recorded(lines, &reads),
        [
            "file /sys/f/1/device 0x0b25",
            "file /sys/f/1/state on",
            "file /sys/f/1/vendor 0x8086",
            "file /sys/f/cmdline a b"
        ]
    );
}

#[test]
fn what_cannot_be_read_is_a_comment_and_what_can_only_be_written_is_an_empty_file() {
    let (_folder, made) =
        node("file /sys/a/bind x\nfile /sys/a/binary \\xff\nlink /sys/b -> /sys/a/binary\n");
    fs::set_permissions(made.root().join("sys/a/bind"), Permissions::from_mode(0o200)).unwrap();
    let text = record(&made.host(), [Reads::of("/sys", &["a/bind", "b"])]).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "# unreadable: /sys/a/binary: not text: invalid utf-8 sequence of 1 bytes from index 0"
    );
    assert_eq!(lines[1..], ["file /sys/a/bind", "dangling /sys/b -> a/binary"]);
    node(&text);
}
